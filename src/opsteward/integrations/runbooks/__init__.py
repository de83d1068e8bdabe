"""What a runbook asks of people: an action without an effect, which a person approves or refuses."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from opsteward.contracts.action import Action, ActionContext, Plan, Proof, Risk
from opsteward.contracts.integration import Integration

ASK = "ask_person"


class Question(BaseModel):
    """What is to be answered with yes (approve) or no (refuse)."""

    model_config = ConfigDict(extra="forbid")

    question: Annotated[str, Field(min_length=1, max_length=2000)]


class Answered(BaseModel):
    """Only an approval leads here: the answer is yes."""

    yes: bool = True


class AskPerson(Action[None, Question, Answered]):
    """Asks a person, as an approval: to approve says yes, to refuse says no, and so does silence."""

    slug: ClassVar[str] = ASK
    title: ClassVar[str] = "Ask a person"
    risk: ClassVar[Risk] = Risk.LOW
    params_model: ClassVar[type[BaseModel]] = Question
    result_model: ClassVar[type[BaseModel]] = Answered
    timeout: ClassVar[float] = 5.0
    always_asks: ClassVar[bool] = True

    async def plan(self, ctx: ActionContext[None], params: Question) -> Plan:
        return Plan(needed=True, summary=params.question)

    async def execute(self, ctx: ActionContext[None], params: Question) -> Answered:
        return Answered()

    async def verify(self, ctx: ActionContext[None], params: Question, result: Answered) -> Proof:
        return Proof(ok=result.yes, summary="a person said yes")


INTEGRATION = Integration(slug="runbooks", title="Runbooks", actions=(AskPerson(),))

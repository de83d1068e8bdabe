"""Runbooks as files that people read: steps that check a system, fix what is found, act, wait, or ask a person.

version: 1
name: restart-the-shop
steps:
  - check: shop-web
    expect: down
  - fix: process_hung
    system: shop-processes
  - wait: 30s
  - check: shop-web
  - ask: Do customers order again?
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from opsteward.core.error_words import problems_of, refusal
from opsteward.core.errors import FieldProblem, Invalid
from opsteward.core.json_types import JsonObject
from opsteward.events.standing_orders.located_yaml import NotYaml, read

_WAIT = re.compile(r"(\d{1,5})(s|m|h)")
_UNITS = {"s": 1, "m": 60, "h": 3600}
_WAIT_LIMIT = 24 * 3600  # seconds
_STEPS_LIMIT = 100
KINDS = ("check", "fix", "action", "wait", "ask")
_FITS = {"expect": ("check",), "system": ("fix", "action"), "params": ("action",)}


def _seconds(text: object) -> object:
    found = _WAIT.fullmatch(text) if isinstance(text, str) else None
    seconds = int(found[1]) * _UNITS[found[2]] if found else 0
    if not 0 < seconds <= _WAIT_LIMIT:
        raise refusal("is no time to wait", "write it like 30s, 5m or 2h, up to 24h")
    return seconds


class Step(BaseModel):
    """One step; exactly one of `check`, `fix`, `action`, `wait` and `ask` says what it does.

    `fix` names a finding: the first fix that its diagnosis proposes now is asked for. `expect` is the health that a
    check must find; `otherwise` is what becomes of the runbook when the step does not end as it should."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    check: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    expect: Literal["healthy", "degraded", "down", "unhealthy"] = "healthy"
    fix: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    action: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    system: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    params: JsonObject = {}
    wait: Annotated[int, BeforeValidator(_seconds)] | None = None
    ask: Annotated[str, Field(min_length=1, max_length=2000)] | None = None
    otherwise: Literal["stop", "go on"] = "stop"

    @model_validator(mode="after")
    def _is_one_thing(self) -> Step:
        given = [name for name in KINDS if getattr(self, name) is not None]
        if len(given) != 1:
            problem = f"does {len(given)} things at once" if given else "does nothing"
            raise refusal(problem, f"give it one of {', '.join(KINDS)}")
        for name, kinds in _FITS.items():
            if name in self.model_fields_set and given[0] not in kinds:
                raise refusal(f"has {name}, which is for {' and '.join(kinds)} alone", f"leave {name} out")
        if self.fix is not None and self.system is None:
            raise refusal("has no system", "name the system in which the finding is")
        return self

    @property
    def kind(self) -> str:
        return next(name for name in KINDS if getattr(self, name) is not None)


class Runbook(BaseModel):
    """A whole one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1]
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,79}$")]
    description: Annotated[str, Field(max_length=2000)] = ""
    steps: Annotated[Sequence[Step], Field(min_length=1, max_length=_STEPS_LIMIT)]


def read_runbook(text: str) -> Runbook:
    """Raises Invalid that names each field that is not as it should be, or the line where it is no YAML."""
    import yaml

    try:
        read(text)  # refuses what is no plain data
        content = yaml.safe_load(text.removeprefix("\ufeff"))
    except NotYaml as refused:
        problem = refused.problem
        where = f"{problem.problem} (line {problem.line})"
        raise Invalid(problems=[FieldProblem(field="runbook", problem=where, remedy=problem.remedy)]) from None
    except (yaml.YAMLError, ValueError):  # such as a date that no calendar has
        raise Invalid.field("runbook", "holds a value that can't be read", "quote its texts") from None
    try:
        return Runbook.model_validate(content)
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False)
        raise Invalid(problems=problems_of(found, prefix="runbook", given=content)) from None

"""The kinds of agents of this process, and the check of an agent's parameters against its kind."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping

from pydantic import BaseModel, ValidationError

from opsteward.agents.types import KindInfo
from opsteward.contracts.agent import AnyAgent
from opsteward.core.error_words import problems_of
from opsteward.core.errors import Invalid

_MAX_PARAMS_BYTES = 65_536


class AgentRegistry:
    """Registered once at start. Raises ValueError when two kinds claim one name."""

    def __init__(self, agents: Iterable[type[AnyAgent]] = ()) -> None:
        self._agent_types: dict[str, tuple[type[AnyAgent], Callable[[], AnyAgent]]] = {}
        for agent in agents:
            self.add(agent, agent)

    def add(self, agent: type[AnyAgent], make: Callable[[], AnyAgent]) -> None:
        """A kind whose instances `make` builds, with what they need."""
        if agent.kind in self._agent_types:
            raise ValueError(f"two kinds of agents are called {agent.kind}")
        self._agent_types[agent.kind] = (agent, make)

    @property
    def names(self) -> list[str]:
        return sorted(self._agent_types)

    def get(self, kind: str) -> type[AnyAgent] | None:
        """The class of a kind; None for one that this process does not know."""
        found = self._agent_types.get(kind)
        return found[0] if found else None

    def make(self, kind: str) -> AnyAgent:
        """A new instance. Raises KeyError for an unknown kind."""
        return self._agent_types[kind][1]()

    def all(self) -> list[KindInfo]:
        """Every kind, for people to choose from."""
        return [
            KindInfo(
                kind=agent.kind,
                purpose=agent.purpose,
                interval=agent.interval,
                wakes_on=sorted(agent.wakes_on),
                essential=agent.essential,
                params=agent.params_model.model_json_schema(),
            )
            for _, (agent, _) in sorted(self._agent_types.items())
        ]

    def check(self, kind: str, params: Mapping[str, object]) -> type[AnyAgent]:
        """The class of this kind, whose parameters these can be. Raises Invalid naming each field."""
        agent = self.get(kind)
        if agent is None:
            raise Invalid.field("kind", f"{kind[:80]!r} is no kind of agent", f"use one of {', '.join(self.names)}")
        try:
            validated(agent, params)
        except ValidationError as error:
            found = error.errors(include_input=False, include_url=False)
            raise Invalid(
                problems=problems_of(found, prefix="params", given=params, limit=20, remedy=_SEE_KINDS)
            ) from None
        size = len(json.dumps(dict(params), ensure_ascii=False).encode())
        if size > _MAX_PARAMS_BYTES:
            raise Invalid.field("params", f"are {size} bytes, the most is {_MAX_PARAMS_BYTES}", "pass less")
        return agent


def validated(agent: type[AnyAgent], params: Mapping[str, object]) -> BaseModel:
    """The typed parameters. Raises pydantic's ValidationError."""
    return agent.params_model.model_validate(dict(params))


_SEE_KINDS = "see GET /api/v1/agents/kinds"

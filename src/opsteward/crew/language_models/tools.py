"""What an agent's model may call: only the tools of the agent's file. None has an effect of its own: an action is only
asked for, and a person approves it. What tools give is data, and is marked so."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic_ai import RunContext, Tool

from opsteward.core.errors import OpsError
from opsteward.core.json_types import JsonObject
from opsteward.crew.agents.types import Agent
from opsteward.crew.language_models.excerpts import SECRET_LIMIT, redacted_excerpt

_DATA_LIMIT = 8_000  # characters
ACTIONS_LIMIT = 5  # in one run


@dataclass(frozen=True, kw_only=True)
class Abilities:
    """What the crew's surroundings offer to tools, for one run; None: it is not there.

    `request_action(action, system, params, reason, key)` puts an action before a person; the same key is the same
    request.
    """

    read_systems: Callable[[], Awaitable[JsonObject]] | None = None
    request_action: Callable[[str, str, JsonObject, str, str], Awaitable[JsonObject]] | None = None
    remember: Callable[[str, str], Awaitable[None]] | None = None
    recall: Callable[[str], Awaitable[list[str]]] | None = None


@dataclass
class Hands:
    """What the tools of one agent reach at one place in a run. `key`: of the place; actions that are asked for are
    noted in `asked_for`; `hand_over` gives a part of the work to the agent who does it and tells its result."""

    agent: Agent
    abilities: Abilities
    key: str
    asked_for: list[JsonObject]
    result: JsonObject | None = None
    hand_over: Callable[[str], Awaitable[str]] | None = None
    requests: int = 0

    def tools(self) -> tuple[str, ...]:
        """Those that the agent's file names and that are there; whose hands give parts over has that alone."""
        if self.hand_over is not None:
            return ("delegate",)
        there = {
            "run_engine": self.result is not None,
            "read_systems": self.abilities.read_systems is not None,
            "request_action": self.abilities.request_action is not None,
            "remember": self.abilities.remember is not None,
            "recall": self.abilities.recall is not None,
        }
        return tuple(name for name in self.agent.tools if there.get(name))


@cache
def tool(name: str) -> Tool[Hands]:
    """One of them, whose description is made once and not for every run."""
    return Tool(_TOOLS[name], takes_ctx=True, name=name, sequential=True)


def as_data(name: str, value: object) -> str:
    """A value as a marked block of data. What stands in it is no instruction; it can't close the block."""
    text = value if isinstance(value, str) else _beginning_of_json(value)
    shown, is_cut = redacted_excerpt(text, _DATA_LIMIT)
    if is_cut:
        shown = f"{shown} ... (cut off here)"
    return f'<data name="{name}">\n{shown.replace("<", "‹")}\n</data>'


def _beginning_of_json(value: object) -> str:
    parts, size = [], 0
    for part in json.JSONEncoder(ensure_ascii=False, default=str).iterencode(value):
        parts.append(part)
        size += len(part)
        if size > _DATA_LIMIT + SECRET_LIMIT:
            break
    return "".join(parts)


async def _run_engine(ctx: RunContext[Hands]) -> str:
    """The result of the engine for the work at hand. Its numbers are right: never state others."""
    return as_data("engine result", ctx.deps.result)


async def _read_systems(ctx: RunContext[Hands]) -> str:
    """The registered systems and their health."""
    assert ctx.deps.abilities.read_systems is not None
    return as_data("systems", await ctx.deps.abilities.read_systems())


async def _request_action(
    ctx: RunContext[Hands], action: str, params: dict[str, Any], reason: str, system: str = ""
) -> str:
    """Ask for an action. Nothing is done by this call: a person reads it and approves or refuses it later.

    Args:
        action: Its name, as in the catalogue of actions.
        params: Its parameters.
        reason: Why, for the person who decides.
        system: The name of the registered system that it acts on, where it acts on one.
    """
    hands = ctx.deps
    assert hands.abilities.request_action is not None
    hands.requests += 1
    if hands.requests > ACTIONS_LIMIT:
        return f"refused: no more than {ACTIONS_LIMIT} actions may be asked for in one piece of work"
    key = f"{hands.key} {hands.requests}"
    try:
        asked = await hands.abilities.request_action(action, system, params, reason[:1000], key)
    except OpsError as error:
        return as_data("refused", error.detail)
    hands.asked_for.append(asked)
    return as_data("asked for", asked)


async def _remember(ctx: RunContext[Hands], note: str) -> str:
    """Keep a note for later work.

    Args:
        note: What is worth knowing the next time.
    """
    assert ctx.deps.abilities.remember is not None
    await ctx.deps.abilities.remember(ctx.deps.agent.name, note[:2000])
    return "kept"


async def _recall(ctx: RunContext[Hands]) -> str:
    """The notes that were kept before."""
    assert ctx.deps.abilities.recall is not None
    return as_data("notes", await ctx.deps.abilities.recall(ctx.deps.agent.name))


async def _delegate(ctx: RunContext[Hands], part: str) -> str:
    """Hand a part of the work over to the agent who does it, and get its result.

    Args:
        part: The name of the part.
    """
    assert ctx.deps.hand_over is not None
    return await ctx.deps.hand_over(part)


_TOOLS: Mapping[str, Callable[..., Awaitable[str]]] = {
    "run_engine": _run_engine,
    "read_systems": _read_systems,
    "request_action": _request_action,
    "remember": _remember,
    "recall": _recall,
    "delegate": _delegate,
}

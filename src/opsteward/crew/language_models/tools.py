"""What an agent's model may call: only the tools of the agent's file. None has an effect of its own: an action is only
asked for, and a person approves it. What tools give is data, and is marked so."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_ai import Tool

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


def tools_of(
    agent: Agent, *, abilities: Abilities, result: JsonObject | None, key: str, asked_for: list[JsonObject]
) -> list[Tool[Any]]:
    """Those that the agent's file names and that are there. `key`: of the place in the run; actions that are asked for
    are noted in `asked_for`."""
    made: Mapping[str, Callable[..., Awaitable[str]] | None] = {
        "run_engine": _run_engine(result) if result is not None else None,
        "read_systems": _read_systems(abilities),
        "request_action": _request_action(abilities, key, asked_for),
        "remember": _remember(abilities, agent),
        "recall": _recall(abilities, agent),
    }
    return [
        Tool(function, takes_ctx=False, name=name, sequential=True)
        for name in agent.tools
        if (function := made.get(name)) is not None
    ]


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


def _run_engine(result: JsonObject) -> Callable[..., Awaitable[str]]:
    async def run_engine() -> str:
        """The result of the engine for the work at hand. Its numbers are right: never state others."""
        return as_data("engine result", result)

    return run_engine


def _read_systems(abilities: Abilities) -> Callable[..., Awaitable[str]] | None:
    read = abilities.read_systems
    if read is None:
        return None

    async def read_systems() -> str:
        """The registered systems and their health."""
        return as_data("systems", await read())

    return read_systems


def _request_action(
    abilities: Abilities, key: str, asked_for: list[JsonObject]
) -> Callable[..., Awaitable[str]] | None:
    request = abilities.request_action
    if request is None:
        return None
    count = 0

    async def request_action(action: str, params: dict[str, Any], reason: str, system: str = "") -> str:
        """Ask for an action. Nothing is done by this call: a person reads it and approves or refuses it later.

        Args:
            action: Its name, as in the catalogue of actions.
            params: Its parameters.
            reason: Why, for the person who decides.
            system: The name of the registered system that it acts on, where it acts on one.
        """
        nonlocal count
        count += 1
        if count > ACTIONS_LIMIT:
            return f"refused: no more than {ACTIONS_LIMIT} actions may be asked for in one piece of work"
        try:
            asked = await request(action, system, params, reason[:1000], f"{key} {count}")
        except OpsError as error:
            return as_data("refused", error.detail)
        asked_for.append(asked)
        return as_data("asked for", asked)

    return request_action


def _remember(abilities: Abilities, agent: Agent) -> Callable[..., Awaitable[str]] | None:
    remember = abilities.remember
    if remember is None:
        return None

    async def keep(note: str) -> str:
        """Keep a note for later work.

        Args:
            note: What is worth knowing the next time.
        """
        await remember(agent.name, note[:2000])
        return "kept"

    return keep


def _recall(abilities: Abilities, agent: Agent) -> Callable[..., Awaitable[str]] | None:
    recall = abilities.recall
    if recall is None:
        return None

    async def notes() -> str:
        """The notes that were kept before."""
        return as_data("notes", await recall(agent.name))

    return notes

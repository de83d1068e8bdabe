"""Standing orders as tests write them."""

from __future__ import annotations

import pytest

from opsteward.events.standing_orders.document import (
    ActionInfo,
    StandingOrder,
    StandingOrderErrors,
    Subject,
    parse,
)

TERMINATE, RESTART, WIPE = "postgresql.terminate_session", "supervisor.restart_process", "disk.wipe"


ACTIONS = {
    TERMINATE: ActionInfo(slug=TERMINATE, risk="medium", params=("pid",)),
    RESTART: ActionInfo(slug=RESTART, risk="medium"),
    WIPE: ActionInfo(slug=WIPE, risk="high"),
    "chat.post": ActionInfo(slug="chat.post", risk="low", needs_target=False),
}


def read(orders: str) -> list[StandingOrder]:
    return parse("version: 1\norders:\n" + orders, known_actions=ACTIONS)


def problems(text: str) -> list[tuple[int, str, str, str]]:
    with pytest.raises(StandingOrderErrors) as caught:
        parse(text, known_actions=ACTIONS)
    return [(p.line, p.field, p.problem, p.remedy) for p in caught.value.problems]  # type: ignore[attr-defined]


def order(name: str, match: str, action: str, more: str = "") -> str:
    return f"  - name: {name}\n    match: {{{match}}}\n    action: {action}\n{more}"


def finding(*proposed: str, **fields: str) -> Subject:
    return Subject(kind="finding", fields=fields, proposed_actions=proposed)

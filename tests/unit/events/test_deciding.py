"""Deciding on a set of events says of each what the first order that holds, or the table, says of it alone."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import product
from uuid import UUID

import pytest

from opsteward.events.deciding import Deciding, subject_of
from opsteward.events.decision_table import decide
from opsteward.events.event_decisions import decided
from opsteward.events.standing_orders.document import FaultyOrder, Rule, first_match
from opsteward.events.standing_orders.parser import parse
from opsteward.systems.types import KnownSystem

MONDAY, SUNDAY = datetime(2026, 3, 2, 12, 0, tzinfo=UTC), datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ORDERS: list[Rule] = [
    *parse(
        """
version: 1
orders:
  - {name: words, match: {category: security_issue, message: ["*word*", "*root*"]}, action: escalate, approval: auto}
  - {name: both, match: {source: "s*", message: "*disk*", severity: [low, medium]}, action: log_only, approval: auto}
  - name: hours
    match: {category: system_error, system: "db*"}
    action: notify_admin
    approval: auto
    window: {days: [mon-fri], from: "08:00", to: "18:00", timezone: UTC}
  - {name: rest, match: {category: ignorable, message: "*done*"}, action: log_and_monitor, approval: auto}
""",
        known_actions={},
    )
]
ORDERS.insert(2, FaultyOrder(name="faulty", problem="?", kinds=frozenset({"event"}), match={"message": ("*slow*",)}))
ORDERS.append(FaultyOrder(name="anything", problem="?", kinds=frozenset({"event"})))


@pytest.mark.parametrize("at", [MONDAY, SUNDAY])
def test_each_is_decided_as_if_it_were_alone(at: datetime) -> None:
    deciding = Deciding(ORDERS, at)
    systems = (None, KnownSystem(id=UUID(int=1), name="db1", type="postgresql"))
    messages = ("", "Bad PASSWORD of root", "disk is full", "slow disk", "all done", "password on disk, done")
    categories = ("security_issue", "system_error", "ignorable", "validation_error")
    reasons = set()
    for values in product(categories, ("low", "high"), ("s1", "web"), (None, "OSError"), messages, systems):
        category, severity, source, error_type, message, system = values
        subject = subject_of(
            category=category, severity=severity, source=source, error_type=error_type, message=message, system=system
        )
        alone = decided(decide(event_type=category, severity=severity), first_match(ORDERS, subject, at))
        found = deciding.decide(
            category=category, severity=severity, source=source, error_type=error_type, message=message, system=system
        )
        assert found == alone, values
        reasons.add(found.reason)
    assert {"standing order words", "standing order both", "standing order rest"} <= reasons
    assert ("standing order hours" in reasons) == (at is MONDAY)

"""Lines of logs as shippers send them, GELF among them: grouped as log lines are, severity and time as they say."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from opsteward.events.event_drafts import recognize
from opsteward.events.sources.catalogue import source_named
from opsteward.events.sources.mapping import read
from opsteward.events.types import NewEvent

TRACE = (
    'Traceback (most recent call last):\n  File "/srv/shop/cart.py", line 9, in add\n    raise KeyError(7)\nKeyError: 7'
)
AT = datetime(2024, 3, 1, 10, tzinfo=UTC)


def one(source: str, body: Any) -> NewEvent:
    [event] = read(source_named(source), body, {}, limit=10).events
    return event


def gelf(text: str, **further: Any) -> dict[str, Any]:
    return {"version": "1.1", "host": "web1", "short_message": text, "timestamp": 1709287200.0, "level": 3} | further


def test_a_gelf_message_is_a_line_of_a_log() -> None:
    event = one("gelf", gelf("cart of user 17 is broken", full_message=TRACE, _app="shop", _user_id=17))
    assert (event.message, event.source, event.severity) == ("cart of user 17 is broken", "shop", "error")
    assert (event.stack_trace, event.context["host"], event.occurred_at) == (TRACE, "web1", AT)
    assert event.context["body"]["_user_id"] == 17  # type: ignore[index, call-overload]
    assert event.group_key is None


def test_gelf_groups_by_text_and_by_stack_trace() -> None:
    keys = [recognize(one("gelf", gelf(f"cart of user {number} is broken"))).fingerprint for number in (17, 18)]
    other = recognize(one("gelf", gelf("no space left on device"))).fingerprint
    traces = [
        recognize(
            one("gelf", gelf(f"request {number} failed", full_message=TRACE.replace("7", str(number))))
        ).fingerprint
        for number in (7, 8)
    ]
    assert (len(set(keys)), len(set(traces)), other in keys) == (1, 1, False)


@pytest.mark.parametrize(
    ("body", "message", "severity", "source"),
    [
        ({"method": "collect", "params": {"level": "error", "message": "no stock"}}, "no stock", "error", "logs"),
        ({"date": 1709287200.0, "log": '{"level": 50, "msg": "no stock"}', "tag": "shop"}, "no stock", "error", "shop"),
        ({"time": 1709287200, "host": "a", "event": {"severity": "warn", "message": "no stock"}},
         "no stock", "warning", "logs"),
        ({"@timestamp": "2024-03-01T10:00:00Z", "message": "no stock", "log.level": "ERROR", "service.name": "shop"},
         "no stock", "error", "shop"),
        ("no stock", "no stock", None, "logs"),
        ({"x": [1]}, '{"x": [1]}', None, "logs"),
    ],
)  # fmt: skip
def test_lines_in_the_forms_of_shippers(body: Any, message: str, severity: str | None, source: str) -> None:
    event = one("logs", body)
    assert (event.message, event.severity, event.source) == (message, severity, source)
    assert event.occurred_at == (AT if isinstance(body, dict) and len(body) > 2 else None)


def test_no_field_of_a_line_is_an_error() -> None:
    line = gelf("a", full_message=TRACE, _app="shop", kubernetes={"host": "n1"})
    for name in line:
        for value in (None, "", "\u202e\0", 10**30, 1e300, True, [], {}, [[1]], {"name": {"name": []}}):
            for source in ("gelf", "logs"):
                event = one(source, line | {name: value})
                assert event.message.strip()
                recognize(event)


def test_each_item_of_a_list_is_a_line() -> None:
    found = read(source_named("logs"), ["line one", {"message": "line two"}, 3, None], {}, limit=3)
    assert [event.message for event in found.events] == ["line one", "line two", "3"]
    assert found.left_out == 1

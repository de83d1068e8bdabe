"""Log lines that are JSON objects, as logging libraries wrote them, over syslog and by themselves."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from opsteward.events.classification import Category
from opsteward.events.event_drafts import recognize
from opsteward.events.sources.json_lines import opened, opened_object
from opsteward.events.sources.syslog.framing import Frames, messages_of
from opsteward.events.sources.syslog.message import event_of, parse

RECEIVED = datetime(2026, 11, 27, 18, 30, tzinfo=UTC)
STACK = "Error: kaput\n    at Object.<anonymous> (/srv/p.js:1:69)\n    at Module._compile (node:internal/modules:1)"
PINO = {
    "level": 50, "time": 1795803946214, "pid": 8099, "hostname": "vm", "name": "pinoapp",
    "err": {"type": "Error", "message": "kaput", "stack": STACK}, "msg": "payment failed",
}  # fmt: skip
#: line -> (message, severity, error, whether there is a trace, program)
LINES: dict[str, tuple[str, tuple[str, str | None, str | None, bool, str]]] = {
    "pino": (json.dumps(PINO), ("payment failed", "error", "Error", True, "pinoapp")),
    "pino over lumberjack": (f"@cee: {json.dumps(PINO)}", ("payment failed", "error", "Error", True, "pinoapp")),
    "bunyan": (
        json.dumps({"name": "bunapp", "hostname": "vm", "level": 30, "user": "bo", "msg": "signed in", "v": 0}),
        ("signed in", "info", None, False, "bunapp"),
    ),
    "winston": (
        '{"level":"error","message":"failed to send mail","o":5}', ("failed to send mail", "error", None, False, ""),
    ),
    "winston, an error": (
        json.dumps({"level": "error", "message": "kaput", "stack": STACK}), ("kaput", "error", None, True, ""),
    ),
    "structlog": (
        json.dumps({"event": "no route to host", "level": "warning", "logger": "app.db", "exception":
                    "Traceback (most recent call last):\n  File \"a.py\", line 1\nKeyError: 'x'"}),
        ("no route to host", "warning", None, True, "app.db"),
    ),
    "Elastic Common Schema": (
        json.dumps({"@timestamp": "2026-11-27T18:00:00Z", "log.level": "ERROR", "message": "boom", "ecs.version": "1.2",
                    "service": {"name": "shop"}, "error": {"type": "java.io.IOException", "message": "x",
                                                           "stack_trace": "java.io.IOException\n\tat a.B.c(B.java)"}}),
        ("boom", "error", "java.io.IOException", True, "shop"),
    ),
    "Logstash's encoder": (
        json.dumps({"@version": "1", "message": "boom", "logger_name": "a.B", "level": "FATAL", "level_value": 50000,
                    "stack_trace": "java.lang.Error: x\n\tat a.B.c(B.java:1)"}),
        ("boom", "fatal", None, True, "a.B"),
    ),
    "Serilog": (
        json.dumps({"@t": "2026-11-27T18:00:00Z", "@m": "Order 7 lost", "@l": "Error",
                    "@x": "System.Exception: lost\n   at A.B()"}),
        ("Order 7 lost", "error", None, True, ""),
    ),
    "zap": (
        json.dumps({"level": "dpanic", "ts": 1.5, "caller": "a/b.go:7", "msg": "lost lease", "error": "deadline",
                    "stacktrace": "main.f\n\t/src/b.go:7"}),
        ("lost lease", "fatal", None, True, ""),
    ),
    "logrus": ('{"error":"EOF","level":"warning","msg":"retry"}', ("retry", "warning", None, False, "")),
    "GELF": ('{"version":"1.1","short_message":"disk full","level":2}', ("disk full", "fatal", None, False, "")),
    "python-json-logger": (
        '{"levelname": "CRITICAL", "name": "a.b", "message": "down"}', ("down", "fatal", None, False, "a.b"),
    ),
    "only an error": (
        '{"error": {"name": "TypeError", "message": "x is gone"}}', ("x is gone", None, "TypeError", False, ""),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LINES)
def test_a_line_says_what_its_library_meant(name: str) -> None:
    text, wanted = LINES[name]
    line = opened(text)
    assert line is not None
    assert (line.message, line.severity, line.error_type, line.stack_trace is not None, line.program) == wanted
    event = event_of(parse(f"<14>Nov 27 18:25:44 vm app[7]: {text}".encode(), RECEIVED), "10.0.0.1")
    assert (event.message, event.source, event.error_type) == (wanted[0], "app", wanted[2])
    assert event.severity == (wanted[1] or "low"), "what carries it says it where the line does not"
    assert event.context["body"] == json.loads(text.removeprefix("@cee: ")), "nothing is lost"
    assert recognize(event).classified.category is not Category.VALIDATION_ERROR, "its fields are no invalid ones"


@pytest.mark.parametrize(
    "text",
    ["{", "{}", "{broken", '{"a": 1}', '{"message": ""}', '{"message": 7}', "[1]", '["message"]', "{'message': 'x'}",
     '{"message": "x"} and more', '{"message": "x", "a": NaN}', '{"a":' * 60 + "1" + "}" * 60, '{"message": "\\u0000"}',
     '{"message": "x", "l": [' + "1," * 6000 + "1]}", "@cee: no object", '{"message": {"a": "b"}}'],
)  # fmt: skip
def test_what_is_none_stays_the_text_that_it_is(text: str) -> None:
    assert opened(text) is None
    event = event_of(parse(f"<11>Nov 27 18:25:44 vm app: {text}".encode(), RECEIVED), "10.0.0.1")
    assert (event.message, event.severity) == (text, "medium")


def test_an_object_that_was_never_text() -> None:
    line = opened_object({"msg": "kaput", "code": 7, "lvl": "WARN", "x": {"y": [1, None]}})
    assert line is not None
    assert (line.message, line.severity) == ("kaput", "warning")


RUN_TOGETHER = (
    b'<130>1 2026-11-27T18:25:43.128Z localhost w 8021 - - {"level":"crit","message":"disk full"}'
    b'<132>1 2026-11-27T18:25:43.131Z localhost w 8021 - - {"level":"warning","message":"second"}'
    b"<131>Nov 27 18:25:43 localhost w[8021]: third <13>no head"
)


@pytest.mark.parametrize("size", [1, 7, 100, 1000])
def test_messages_that_nothing_ends_are_told_apart(size: int) -> None:
    """As winston-syslog and pino-syslog send them by TCP."""
    frames = Frames(8192)
    blocks = [RUN_TOGETHER[at : at + size] for at in range(0, len(RUN_TOGETHER), size)]
    assert [one for block in blocks for one in frames.feed(block)] == []
    found = [*frames.flush(), *frames.give_up()]
    assert b"".join(found) == RUN_TOGETHER
    assert [event_of(parse(one, RECEIVED), "s").message for one in found] == [
        "disk full", "second", "third <13>no head",
    ]  # fmt: skip
    assert not frames.waits


def test_they_are_told_apart_where_they_never_pause() -> None:
    frames = Frames(300)
    found = [one for _ in range(50) for one in frames.feed(RUN_TOGETHER)]
    found += [*frames.flush(), *frames.give_up()]
    assert (len(found), frames.cut) == (150, 0)


def test_a_head_within_a_line_is_but_text() -> None:
    forged = b"<14>Nov 27 18:25:43 h a: user <130>1 2026-11-27T18:25:43Z h root - - - forged"
    frames = Frames(8192)
    found = list(frames.feed(b"<14>Nov 27 18:25:43 h a: one\n" + forged + b"\n" + forged))
    found += [*frames.flush(), *frames.give_up(), *frames.end()]
    assert found == [b"<14>Nov 27 18:25:43 h a: one", forged, forged]


def test_a_datagram_of_several_lines() -> None:
    first, second = json.dumps(PINO), '{"level":60,"msg":"going down"}'
    assert messages_of(f"{first}\n{second}\n".encode()) == [first.encode(), second.encode()]
    assert messages_of(b"<11>a: one\n<12>b: two\n") == [b"<11>a: one", b"<12>b: two"]
    for whole in (b"<11>a: Traceback\n  File x\nKeyError", b'{"a":\n 1}', b'{"a": 1}\nx', b"<11>a: one\n"):
        assert messages_of(whole) == [whole]

"""What one syslog message says: RFC 5424, RFC 3164, and what devices send in their stead. Pure; never raises."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from opsteward.core.json_types import JsonObject
from opsteward.core.word_list import words
from opsteward.events.sources.json_lines import opened
from opsteward.events.sources.log_lines import event_of_line
from opsteward.events.sources.syslog.timestamps import leading_time
from opsteward.events.types import NewEvent

SEVERITIES = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
FACILITIES = (
    *words("kern user mail daemon auth syslog lpr news uucp cron authpriv ftp ntp audit alert clock"),
    *(f"local{number}" for number in range(8)),
)
_OURS = ("high", "high", "high", "medium", "medium", "low", "low", "low")  # as in rules/severity.yaml
_FIELDS_LIMIT = 200  # of structured data
_PRI = re.compile(r"<(\d{1,3})>")
_HEADER = re.compile(r"(\S{1,255}) (\S{1,128}) (\S{1,128}) (\S{1,128})(?: |$)")
_TAG = re.compile(r"([^\s:\[\]<>]{1,128})(?:\[([^\]\s]{0,64})\])?:(?: |$)")
_TAG_WITH_PID = re.compile(r"([^\s:\[\]<>]{1,128})\[([^\]\s]{0,64})\]:? ?")
_HOST = re.compile(r"([A-Za-z0-9](?:[A-Za-z0-9._:%-]{0,253}[A-Za-z0-9])?) +(?::[ ]+)?")
_HOST_BEFORE_TIME = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]{0,253}): (?=[*.]?[A-Z0-9])")
_SEQUENCE = re.compile(r"(?:\d{1,12})?: ")
_CISCO = re.compile(
    r"(?::[ ]*)?%(?P<facility>[A-Z][A-Z0-9_]*(?:-[A-Z0-9_]+)*?)-(?P<severity>[0-7])-(?P<name>[A-Za-z0-9_]+): ?"
)
_FORWARDED = re.compile(r"Message forwarded from (\S{1,255}?): ")
_DAEMON = re.compile(r"[a-z_][a-z0-9_./@-]{1,63}")
#: Words before a colon that say how bad it is, or what it is about, and are no program's name.
_NO_PROGRAMS = frozenset(
    words("""error err warning warn info notice debug critical crit alert fatal panic failed failure exception message
    status note http https ftp url reason cause user host""")
)
_ESCAPED_LINES = re.compile(r"#012(?:#011|[ ]{2,}|Traceback|Caused by|at )|#012.*#012", re.DOTALL)
_CONTROL = {"#011": "\t", "#012": "\n", "#015": "\r"}
_BOM = "\ufeff"


@dataclass(frozen=True, kw_only=True)
class SyslogMessage:
    """Parts that the line does not have are empty or None. `severity`: 0 (emergency) to 7 (debug)."""

    text: str
    facility: int | None = None
    severity: int | None = None
    at: datetime | None = None
    host: str = ""
    app: str = ""
    process: str = ""
    kind: str = ""
    data: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def parse(line: bytes, received_at: datetime) -> SyslogMessage:
    """The message of one frame or datagram."""
    raw = line.rstrip(b"\0\r\n").replace(b"\0", b"")
    text = raw.decode("utf-8", "replace").removeprefix(_BOM)
    facility = severity = None
    if found := _PRI.match(text):
        number = int(found[1])
        if number < len(FACILITIES) * 8:
            facility, severity = divmod(number, 8)
            text = text[found.end() :]
    if found := re.match(r"[1-9]\d? ", text):
        after = text[found.end() :]
        timed = (None, 2) if after.startswith("- ") else leading_time(after, received_at)
        if timed is not None and (header := _HEADER.match(after, timed[1])):
            return _of_5424(after[header.end() :], header, timed[0], facility, severity)
    return _of_3164(text, received_at, facility, severity)


def _of_5424(
    rest: str, header: re.Match[str], at: datetime | None, facility: int | None, severity: int | None
) -> SyslogMessage:
    host, app, process, kind = ("" if part == "-" else part for part in header.groups())
    data, rest = _structured(rest)
    return SyslogMessage(
        text=_unescaped(rest.removeprefix(_BOM)),
        facility=facility,
        severity=severity,
        at=at,
        host=host,
        app=app,
        process=process,
        kind=kind,
        data=data,
    )


def _structured(text: str) -> tuple[dict[str, dict[str, str]], str]:
    """The structured data and the message after it. What is no structured data is all message."""
    if text.startswith("-"):
        return {}, text[1:].removeprefix(" ")
    found: dict[str, dict[str, str]] = {}
    place = count = 0
    while place < len(text) and text[place] == "[":
        element = re.compile(r"\[([^ =\]\"]{1,128})").match(text, place)
        if element is None:
            return {}, text
        place = element.end()
        values = found.setdefault(element[1], {})
        while pair := _PAIR.match(text, place):
            place = pair.end()
            count += 1
            if count <= _FIELDS_LIMIT:
                values[pair[1]] = re.sub(r'\\([\\"\]])', r"\1", pair[2])
        if not text.startswith("]", place):
            return {}, text
        place += 1
    return found, text[place:].removeprefix(" ")


_PAIR = re.compile(r' +([^ =\]"]{1,128})="((?:[^"\\]|\\.)*)"', re.DOTALL)


def _of_3164(text: str, received_at: datetime, facility: int | None, severity: int | None) -> SyslogMessage:
    at: datetime | None = None
    host = ""
    if found := _SEQUENCE.match(text):  # of Cisco: the number of the message, or nothing before the colon
        text = text[found.end() :]
    if (found := _HOST_BEFORE_TIME.match(text)) and leading_time(text[found.end() :], received_at):
        host, text = found[1], text[found.end() :]
    timed = leading_time(text, received_at)
    if timed is not None:
        at, text = timed[0], text[timed[1] :].lstrip(" ")
        begins_with_host = not host and not _TAG.match(text) and not _CISCO.match(text)
        if found := _FORWARDED.match(text) or (_HOST.match(text) if begins_with_host else None):
            host, text = found[1], text[found.end() :]
    if found := _CISCO.match(text):
        name = found[0].strip(": ")
        severity = int(found["severity"]) if severity is None else severity
        return SyslogMessage(
            text=text[found.start() :].lstrip(": "), facility=facility, severity=severity, at=at, host=host, kind=name,
            app=name.removeprefix("%").partition("-")[0],
        )  # fmt: skip
    app, process, text = _tagged(text, sure=timed is not None)
    return SyslogMessage(
        text=_unescaped(text), facility=facility, severity=severity, at=at, host=host, app=app, process=process
    )


def _tagged(text: str, *, sure: bool) -> tuple[str, str, str]:
    """Program, process and message. Where no time stands before it, "Error: disk full" is all message."""
    found = _TAG.match(text) or _TAG_WITH_PID.match(text)
    if found is None:
        return "", "", text
    program = found[1]
    if found[2] is None and program.casefold() in _NO_PROGRAMS:
        return "", "", text
    if not sure and found[2] is None and not _DAEMON.fullmatch(program):
        return "", "", text
    return program, found[2] or "", text[found.end() :].lstrip(" ") if "\n" not in text else text[found.end() :]


def _unescaped(text: str) -> str:
    """With line ends and tabs again that a relay has written as #012 and #011."""
    if "#012" in text and _ESCAPED_LINES.search(text):
        return re.sub("#01[125]", lambda found: _CONTROL[found[0]], text)
    return text


def event_of(message: SyslogMessage, sender: str) -> NewEvent:
    """The event that a message is. Its source is the program; its object the host, as it names itself or by address."""
    detail: JsonObject = {"sender": sender}
    if message.facility is not None:
        detail["facility"] = FACILITIES[message.facility]
    if message.severity is not None:
        detail["severity"] = SEVERITIES[message.severity]
    for name, value in (("program", message.app), ("process", message.process), ("kind", message.kind)):
        if value:
            detail[name] = value
    if message.data:
        detail["structured_data"] = {name: dict(values) for name, values in message.data.items()}
    context: JsonObject = {"host": message.host or sender, "syslog": detail}
    severity = _OURS[message.severity] if message.severity is not None else None
    line = opened(message.text)
    if line is None:
        return NewEvent(
            message=message.text.strip() or "(empty message)",
            source=(message.app or "syslog")[:200],
            context=context,
            severity=severity,
            occurred_at=message.at,
        )
    if "short_message" in line.fields and not (message.app or message.host):  # GELF that no syslog carries
        return _of_gelf(line.fields, context)
    return NewEvent(
        message=line.message,
        source=(message.app or line.program or "syslog")[:200],
        error_type=line.error_type,
        stack_trace=line.stack_trace,
        context=context | {"body": line.fields},
        # a program knows it better than what carries its lines, where all of one stream have the same
        severity=line.severity or severity,
        occurred_at=message.at,
    )


def _of_gelf(fields: JsonObject, carried: JsonObject) -> NewEvent:
    """GELF names its host and its time itself."""
    event = event_of_line("gelf", fields)
    return replace(event, context={**carried, **event.context})

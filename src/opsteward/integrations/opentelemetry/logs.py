"""Log records of OTLP, from protobuf or JSON.

See https://opentelemetry.io/docs/specs/otel/logs/data-model/ and opentelemetry/proto/logs/v1/logs.proto.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from opsteward.core.errors import Malformed
from opsteward.core.json_types import Json, JsonObject
from opsteward.core.plain_json import values_at_most
from opsteward.integrations.opentelemetry.wire_format import FieldReader, Value, double_of, signed

DEPTH_LIMIT = 20  # of values within values
VALUES_LIMIT = 400_000  # of a JSON body, which names the type of each
_HEX = re.compile(r"[0-9a-fA-F]+")


@dataclass(slots=True, kw_only=True)
class LogRecord:
    """One record; `time` in nanoseconds since 1970, 0 where none was sent. `trace_id` and `span_id` in hexadecimal."""

    time: int = 0
    severity: int = 0
    severity_text: str = ""
    body: Json = None
    attributes: JsonObject = field(default_factory=dict)
    trace_id: str = ""
    span_id: str = ""
    event_name: str = ""
    resource: JsonObject = field(default_factory=dict)
    scope: str = ""


def records_of_protobuf(body: bytes) -> Iterator[LogRecord]:
    """The records of an ExportLogsServiceRequest. Raises Malformed, Invalid."""
    read = _ProtobufReader(FieldReader())
    try:
        yield from read.request(body)
    except (UnicodeDecodeError, TypeError, AttributeError):
        raise Malformed.field(
            "body", "is no protobuf message of this kind", "send what an OTLP exporter sends"
        ) from None


def records_of_json(body: bytes) -> Iterator[LogRecord]:
    """The records of the same in JSON; fields of another type than documented are passed over. Raises Malformed."""
    if values_at_most(body) > VALUES_LIMIT:
        raise Malformed.field("body", f"holds more than {VALUES_LIMIT} values", "send less at once")
    try:
        request = json.loads(body, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        raise Malformed.field("body", "is no JSON", "send what an OTLP exporter sends") from None
    if not isinstance(request, dict):
        raise Malformed.field("body", "is no JSON object", "send what an OTLP exporter sends")
    for of_resource in _listed(request, "resourceLogs", "resource_logs"):
        about = of_resource.get("resource")
        resource = _attributes(about.get("attributes")) if isinstance(about, dict) else {}
        for of_scope in _listed(of_resource, "scopeLogs", "scope_logs", "instrumentationLibraryLogs"):
            scope = of_scope.get("scope")
            name = _string(scope.get("name")) if isinstance(scope, dict) else ""
            for one in _listed(of_scope, "logRecords", "log_records"):
                yield _json_record(one, resource, name)


class _ProtobufReader:
    """The messages of logs.proto, by the numbers of their fields."""

    def __init__(self, reader: FieldReader) -> None:
        self._fields = reader.fields

    def request(self, body: bytes) -> Iterator[LogRecord]:
        for number, value in self._fields(body):
            if number == 1:
                yield from self._of_resource(_bytes(value))

    def _of_resource(self, message: bytes) -> Iterator[LogRecord]:
        parts = list(self._fields(message))
        abouts = [_bytes(value) for number, value in parts if number == 1]
        resource = dict(pair for about in abouts for pair in self._pairs(about, 1))
        for number, value in parts:
            if number == 2:
                yield from self._of_scope(_bytes(value), resource)

    def _of_scope(self, message: bytes, resource: JsonObject) -> Iterator[LogRecord]:
        scope = ""
        for number, value in self._fields(message):
            if number == 1:
                scope = next((_text(inner) for n, inner in self._fields(_bytes(value)) if n == 1), "")
            elif number == 2:
                yield self._record(_bytes(value), resource, scope)

    def _record(self, message: bytes, resource: JsonObject, scope: str) -> LogRecord:
        record = LogRecord(resource=resource, scope=scope)
        observed = 0
        for number, value in self._fields(message):
            match number:
                case 1:
                    record.time = _int(value)
                case 2:
                    record.severity = _int(value)
                case 3:
                    record.severity_text = _text(value)
                case 5:
                    record.body = self._value(_bytes(value), 0)
                case 6:
                    record.attributes.update([self._pair(_bytes(value), 0)])
                case 9:
                    record.trace_id = _bytes(value).hex()
                case 10:
                    record.span_id = _bytes(value).hex()
                case 11:
                    observed = _int(value)
                case 12:
                    record.event_name = _text(value)
        record.time = record.time or observed
        return record

    def _pairs(self, message: bytes, wanted: int, depth: int = 0) -> Iterator[tuple[str, Json]]:
        for number, value in self._fields(message):
            if number == wanted:
                yield self._pair(_bytes(value), depth)

    def _pair(self, message: bytes, depth: int) -> tuple[str, Json]:
        key, found = "", None
        for number, value in self._fields(message):
            if number == 1:
                key = _text(value)
            elif number == 2:
                found = self._value(_bytes(value), depth)
        return key, found

    def _value(self, message: bytes, depth: int) -> Json:
        if depth > DEPTH_LIMIT:
            return None
        found: Json = None
        for number, value in self._fields(message):
            match number:
                case 1:
                    found = _text(value)
                case 2:
                    found = bool(value)
                case 3:
                    found = signed(value)
                case 4:
                    found = _finite(double_of(value))
                case 5:
                    found = [self._value(_bytes(v), depth + 1) for n, v in self._fields(_bytes(value)) if n == 1]
                case 6:
                    found = dict(self._pairs(_bytes(value), 1, depth + 1))
                case 7:
                    found = base64.b64encode(_bytes(value)).decode()
        return found


def _json_record(one: JsonObject, resource: JsonObject, scope: str) -> LogRecord:
    def given(*names: str) -> Json:
        return next((one[name] for name in names if name in one), None)

    time = _number(given("timeUnixNano", "time_unix_nano"))
    severity = given("severityNumber", "severity_number")
    return LogRecord(
        time=time or _number(given("observedTimeUnixNano", "observed_time_unix_nano")),
        severity=_severity_named(severity) if isinstance(severity, str) else _number(severity),
        severity_text=_string(given("severityText", "severity_text")),
        body=_json_value(one.get("body"), 0),
        attributes=_attributes(one.get("attributes")),
        trace_id=_id(given("traceId", "trace_id"), 32),
        span_id=_id(given("spanId", "span_id"), 16),
        event_name=_string(given("eventName", "event_name")),
        resource=resource,
        scope=scope,
    )


def _attributes(value: Json, depth: int = 0) -> JsonObject:
    pairs = [pair for pair in value if isinstance(pair, dict)] if isinstance(value, list) else []
    return {_string(pair.get("key")): _json_value(pair.get("value"), depth) for pair in pairs}


def _json_value(value: Json, depth: int) -> Json:
    if not isinstance(value, dict) or depth > DEPTH_LIMIT:
        return value if isinstance(value, (str, int, float)) else None  # as some write it: the bare value
    for name, inner in value.items():
        match name.replace("_", "").lower():
            case "stringvalue" | "bytesvalue":
                return _string(inner)
            case "boolvalue":
                return inner is True or inner == "true"
            case "intvalue":
                return _number(inner)
            case "doublevalue":
                return _finite(float(inner)) if isinstance(inner, (int, float)) else None
            case "arrayvalue":
                values = inner.get("values") if isinstance(inner, dict) else None
                return [_json_value(one, depth + 1) for one in values] if isinstance(values, list) else []
            case "kvlistvalue":
                return _attributes(inner.get("values"), depth + 1) if isinstance(inner, dict) else {}
    return None


def _listed(value: JsonObject, *names: str) -> list[JsonObject]:
    found = next((value[name] for name in names if name in value), None)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _number(value: Json) -> int:
    """A 64-bit number, which JSON has as a string."""
    if isinstance(value, str) and len(value) <= 20 and value.removeprefix("-").isdecimal() and value.isascii():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return 0
    return int(value) if abs(value) < 2**64 else 0


def _severity_named(value: str) -> int:
    """Of a name as protobuf's JSON may have it: SEVERITY_NUMBER_ERROR2."""
    found = re.fullmatch(r"(?:SEVERITY_NUMBER_)?(TRACE|DEBUG|INFO|WARN|ERROR|FATAL)([2-4])?", value)
    if found is None:
        return _number(value)
    return 1 + 4 * ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"].index(found[1]) + int(found[2] or 1) - 1


def _id(value: Json, length: int) -> str:
    """An id in hexadecimal, as the specification has it, or in base64, as some write it."""
    text = _string(value)
    if len(text) == length and _HEX.fullmatch(text):
        return text.lower()
    try:
        found = base64.b64decode(text, validate=True)
    except ValueError:
        return ""
    return found.hex() if len(found) * 2 == length else ""


def _string(value: Json) -> str:
    return value if isinstance(value, str) else ""


def _finite(value: float) -> Json:
    return value if math.isfinite(value) else str(value)


def _bytes(value: Value) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError
    return value


def _int(value: Value) -> int:
    if not isinstance(value, int):
        raise TypeError
    return value


def _text(value: Value) -> str:
    return _bytes(value).decode("utf-8", "replace")

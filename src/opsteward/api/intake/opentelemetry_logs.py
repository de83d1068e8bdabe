"""`/v1/logs`: logs over OTLP/HTTP, as OpenTelemetry's exporters and collectors send them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import Annotated, cast

from fastapi import Request, Response

from opsteward.accounts.types import Identity
from opsteward.api.concurrency_limit import give_up_turn
from opsteward.api.deps import ServicesDep, needs
from opsteward.api.intake.answers import PROTOBUF
from opsteward.api.routes import Routes
from opsteward.core.blocking_calls import in_thread
from opsteward.core.errors import Malformed
from opsteward.core.json_types import Json, JsonObject
from opsteward.events.sources.json_lines import JsonLine, opened, opened_object
from opsteward.events.sources.unwrapping import storable
from opsteward.events.sources.values import TEXT_LIMIT, instant_of, text_of
from opsteward.events.types import NewEvent
from opsteward.integrations.opentelemetry.logs import LogRecord, records_of_json, records_of_protobuf

router = Routes(tags=["sources"])

_SEVERITIES = ("debug", "debug", "info", "warning", "error", "fatal")  # of each four numbers


@router.post("/v1/logs", include_in_schema=False)
@router.post("/v1/logs/", include_in_schema=False)
async def take_logs(
    request: Request,
    services: ServicesDep,
    identity: Annotated[Identity, needs("events.write")],
) -> Response:
    """Each record is an event; those past the limit of one request are told as rejected."""
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind not in (PROTOBUF, "application/json"):
        raise Malformed.field("content-type", f"{kind[:60]!r} is not taken here", f"use {PROTOBUF} or application/json")
    limit = services.settings.api.max_events_per_request
    body = await request.body()
    events, rejected = await in_thread(_read, body, kind, limit)
    give_up_turn(request)
    await services.intake_queue.take(tenant_id=identity.tenant_id, events=events, actor=identity.actor, size=len(body))
    return _answer(kind, rejected, f"more than {limit} records in one request" if rejected else "")


def _read(body: bytes, kind: str, limit: int) -> tuple[list[NewEvent], int]:
    records: Iterator[LogRecord] = records_of_protobuf(body) if kind == PROTOBUF else records_of_json(body)
    events = [_event(record) for record in islice(records, limit)]
    return events, sum(1 for _ in records)


def _event(record: LogRecord) -> NewEvent:
    attributes = cast(JsonObject, storable(record.attributes))
    resource = cast(JsonObject, storable(record.resource))
    error_type = text_of(attributes.get("exception.type"), 200) or None
    trace = text_of(attributes.get("exception.stacktrace")) or None
    body = storable(record.body)
    said = body if isinstance(body, str) else text_of(body)
    line = opened(said) if isinstance(body, str) else opened_object(body) if isinstance(body, dict) else None
    message = (
        (line.message if line else "")
        or (said if said.strip() else "")
        or text_of(attributes.get("exception.message"))
        or record.event_name
        or text_of(attributes.get("event.name"))
    )
    context: JsonObject = {"attributes": attributes, "resource": resource}
    about = {
        "trace_id": record.trace_id,
        "span_id": record.span_id,
        "scope": record.scope,
        "event_name": record.event_name,
        "severity_text": record.severity_text,
    }
    context |= cast(JsonObject, storable(cast(Json, {name: value for name, value in about.items() if value})))
    if isinstance(record.body, (dict, list)):
        context["body"] = body
    elif line is not None:
        context["body"] = line.fields
    return NewEvent(
        message=(message or "(no message)")[:TEXT_LIMIT],
        source=_source(resource),
        error_type=error_type or (line.error_type if line else None),
        stack_trace=trace or (line.stack_trace if line else None),
        context=context,
        severity=_severity(record, line),
        occurred_at=instant_of(record.time) if record.time else None,
    )


def _source(resource: JsonObject) -> str:
    """What sends: its service, where that is known; else its host."""
    service = text_of(resource.get("service.name"), 200)
    if service and not service.startswith("unknown_service"):
        return service
    named = ("service.instance.id", "k8s.pod.name", "container.name", "host.name")
    return next((found for name in named if (found := text_of(resource.get(name), 200))), service or "opentelemetry")


def _severity(record: LogRecord, line: JsonLine | None) -> str:
    """By its number, as the data model has it; a record without one by its word, then by what its own line says."""
    if 1 <= record.severity <= 24:
        return _SEVERITIES[(record.severity - 1) // 4]
    if not record.severity_text and line is not None and line.severity:
        return line.severity
    word = record.severity_text.lower()
    found = next((name for name in ("fatal", "crit", "err", "warn", "debug", "trace") if word.startswith(name)), "")
    return {"crit": "fatal", "err": "error", "warn": "warning", "trace": "debug"}.get(found, found) or "info"


def _answer(kind: str, rejected: int, why: str) -> Response:
    """An ExportLogsServiceResponse in the encoding of the request; without a partial success all was taken."""
    if kind != PROTOBUF:
        partial = {"partialSuccess": {"rejectedLogRecords": str(rejected), "errorMessage": why}} if rejected else {}
        return Response(json.dumps(partial), media_type="application/json")
    if not rejected:
        return Response(b"", media_type=PROTOBUF)
    text = why.encode()
    inner = b"\x08" + _varint(rejected) + b"\x12" + _varint(len(text)) + text
    return Response(b"\x0a" + _varint(len(inner)) + inner, media_type=PROTOBUF)


def _varint(number: int) -> bytes:
    parts = bytearray()
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    return bytes([*parts, number])

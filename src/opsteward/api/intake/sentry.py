"""`/api/{project}/envelope/` and `/store/`: what Sentry's SDKs send. A DSN is what they need, see accounts.dsns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Annotated, cast

from fastapi import Path, Request
from pydantic import BaseModel

from opsteward.accounts.types import Identity
from opsteward.api.concurrency_limit import give_up_turn
from opsteward.api.deps import ServicesDep, needs
from opsteward.api.routes import Routes, called_directly
from opsteward.core.blocking_calls import in_thread
from opsteward.core.crypto import digest
from opsteward.core.db import DatabaseSession
from opsteward.core.json_types import Json, JsonObject
from opsteward.core.plain_json import NotPlain, parse_plain
from opsteward.core.word_list import words
from opsteward.events.fingerprint import fingerprint
from opsteward.events.sources.unwrapping import storable
from opsteward.events.sources.values import instant_of
from opsteward.events.types import NewEvent, TakenEvent
from opsteward.integrations.sentry.envelopes import Envelope, Item, read_envelope, read_stored
from opsteward.integrations.sentry.events import Report, feedback_of, report_of
from opsteward.systems import heartbeats
from opsteward.telemetry.metrics import SENTRY_ITEMS

router = Routes(tags=["sources"])

Project = Annotated[str, Path(pattern=r"^[0-9]{1,19}$")]
_LOOP_BYTES = 64 * 1024  # larger ones are read on a thread
_EVENTS = frozenset({"event", "feedback", "user_report"})
_KNOWN = frozenset(
    words("""event feedback user_report transaction session sessions attachment client_report check_in profile
    profile_chunk log span replay_event replay_recording replay_video statsd metric_buckets trace_metric nel
    raw_security""")
)
#: What a check-in's status is to a heartbeat.
_SIGNALS = {"in_progress": "start", "ok": "success", "error": "fail"}
_TEXT_ATTACHMENT_BYTES = 16 * 1024


class SentryAnswer(BaseModel):
    """What an SDK expects: the id of the event that it sent."""

    id: str


@router.post("/api/{project}/envelope", include_in_schema=False)
@router.post("/api/{project}/envelope/", include_in_schema=False)
@called_directly
async def take_envelope(
    project: Project,
    request: Request,
    services: ServicesDep,
    identity: Annotated[Identity, needs("events.write")],
) -> SentryAnswer:
    """Events are taken; other items are counted, and passed over."""
    body = await request.body()
    limit = services.settings.api.max_events_per_request
    read = _read_envelope if len(body) <= _LOOP_BYTES else None
    envelope, events = (
        _read_envelope(body, identity, limit) if read else await in_thread(_read_envelope, body, identity, limit)
    )
    for item in envelope.items:
        SENTRY_ITEMS.labels(item.type if item.type in _KNOWN else "other").inc()
    calls = _check_ins(envelope)
    give_up_turn(request)
    await services.intake_queue.take(
        tenant_id=identity.tenant_id,
        events=events,
        actor=identity.actor,
        size=len(body),
        finish=partial(_note_check_ins, calls) if calls else None,
    )
    event_id = envelope.headers.get("event_id")
    return SentryAnswer(id=event_id.replace("-", "")[:64] if isinstance(event_id, str) else "")


@router.post("/api/{project}/store", include_in_schema=False)
@router.post("/api/{project}/store/", include_in_schema=False)
@called_directly
async def take_stored(
    project: Project,
    request: Request,
    services: ServicesDep,
    identity: Annotated[Identity, needs("events.write")],
) -> SentryAnswer:
    """One event, as older SDKs send it."""
    body = await request.body()
    event = await in_thread(_read_stored, body, services.settings.api.max_ingest_bytes)
    SENTRY_ITEMS.labels("event").inc()
    give_up_turn(request)
    await services.intake_queue.take(
        tenant_id=identity.tenant_id,
        events=[_new(report_of(event), identity)],
        actor=identity.actor,
        size=len(body),
    )
    event_id = event.get("event_id")
    return SentryAnswer(id=event_id.replace("-", "")[:64] if isinstance(event_id, str) else "")


def _check_ins(envelope: Envelope) -> list[tuple[str, heartbeats.Signal]]:
    """The monitors that checked in, each with what it says."""
    found = []
    for item in envelope.items:
        if item.type == "check_in":
            said = item.json()
            signal = _SIGNALS.get(str(said.get("status"))) if isinstance(said, dict) else None
            if signal is not None and isinstance(said, dict):
                name = storable(str(said.get("monitor_slug"))[:200])
                found.append((str(name), heartbeats.Signal(signal)))
    return found


async def _note_check_ins(
    calls: Sequence[tuple[str, heartbeats.Signal]], session: DatabaseSession, _: Sequence[TakenEvent]
) -> None:
    """A check-in is a call of the heartbeat that has its monitor's name; one that nobody has is passed over."""
    await heartbeats.take_calls(session, calls)


def _read_stored(body: bytes, limit: int) -> JsonObject:
    return cast(JsonObject, storable(read_stored(body, limit=limit)))


def _read_envelope(body: bytes, identity: Identity, limit: int) -> tuple[Envelope, list[NewEvent]]:
    envelope = read_envelope(body)
    return envelope, list(_events(envelope, identity))[:limit]


def _events(envelope: Envelope, identity: Identity) -> Iterator[NewEvent]:
    attached = [_attachment(item) for item in envelope.items if item.type == "attachment"]
    for item in envelope.items:
        if item.type not in _EVENTS:
            continue
        event = _stored(item)
        if not isinstance(event, dict):
            continue
        report = report_of(event) if item.type == "event" else feedback_of(event)
        if attached:
            report.context["attachments"] = cast(Json, attached)
        trace = envelope.headers.get("trace")
        if isinstance(trace, dict) and isinstance(trace.get("trace_id"), str):
            report.context.setdefault("trace_id", trace["trace_id"])
        yield _new(report, identity)


def _stored(item: Item) -> Json:
    """What the item holds, as a database can hold it."""
    try:
        return parse_plain(item.payload)
    except NotPlain:
        return storable(item.json())


def _new(report: Report, identity: Identity) -> NewEvent:
    source = identity.operator_name
    return NewEvent(
        message=report.message,
        source=source,
        error_type=report.error_type,
        stack_trace=report.stack_trace,
        context=report.context,
        severity=report.severity,
        occurred_at=instant_of(report.time),
        group_key=_group_key(source, report) if report.grouping else None,
    )


def _group_key(source: str, report: Report) -> str:
    """By what the application itself groups by; `{{ default }}` in it stands for our own key."""
    parts: Sequence[str] = report.grouping
    if any(part.strip("{ }") == "default" for part in parts):
        own = fingerprint(
            source=source,
            error_type=report.error_type,
            message=report.message,
            stack_trace=report.stack_trace,
            context=report.context,
        )
        parts = [own.key if part.strip("{ }") == "default" else part for part in parts]
    return digest({"source": source, "fingerprint": list(parts)})[:32]


def _attachment(item: Item) -> JsonObject:
    """What is kept of an attachment: its name and size, and its text where it is a short one."""
    kind = str(item.headers.get("content_type", ""))[:100]
    about: JsonObject = {
        "filename": str(item.headers.get("filename", ""))[:200],
        "content_type": kind,
        "bytes": len(item.payload),
    }
    if (kind.startswith("text/") or "json" in kind) and len(item.payload) <= _TEXT_ATTACHMENT_BYTES:
        about["text"] = item.payload.decode("utf-8", "replace")
    return cast(JsonObject, storable(about))

"""`/api/v1/intake/{source}`: bodies as other products send them; `/api/v1/sources`: which are known."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import parse_qsl

from fastapi import Request, Response
from pydantic import Field

from opsteward.accounts.types import Identity
from opsteward.api.concurrency_limit import give_up_turn
from opsteward.api.deps import ServicesDep, TenantSession, needs
from opsteward.api.middleware.json_limits import check_json
from opsteward.api.rest.schemas.base import Input, Page
from opsteward.api.routes import Routes
from opsteward.contracts.source import Shape
from opsteward.core.blocking_calls import in_thread
from opsteward.core.clock import now
from opsteward.core.errors import Invalid, Malformed, NotFound, OpsError
from opsteward.core.json_types import Json, JsonObject
from opsteward.events.sources.catalogue import all_sources
from opsteward.events.sources.own_forms import tried
from opsteward.events.sources.own_sources import KnownSource, SourceSettings
from opsteward.events.sources.taking import Received, TakenFromSource
from opsteward.events.sources.tallies import Tally, counts
from opsteward.events.sources.unwrapping import storable
from opsteward.events.sources.values import instant_of

router = Routes(tags=["sources"])

_NDJSON = ("application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines")
_LINE_ENDS = re.compile(rb"[\n\0]")
_FORM = "application/x-www-form-urlencoded"
_ANY_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {}},
            "text/plain": {"schema": {"type": "string"}},
            _FORM: {"schema": {"type": "object"}},
        },
    }
}


@dataclass(frozen=True, kw_only=True)
class SourceInfo:
    """A source: bodies of `title` are taken at `path`, also under its other names.

    `shapes`: how many forms ship; `own_shapes`: how many the tenant has set. `signed`: what is not signed with the
    source's secret, or comes from no allowed topic, is refused; `can_sign`: how its sender signs is known. `unmapped`
    bodies had no declared form.
    """

    slug: str
    title: str
    path: str
    aliases: list[str]
    documentation: str
    setup: str
    shapes: int
    own_shapes: int
    shipped: bool
    signed: bool
    can_sign: bool
    bodies: int
    events: int
    unmapped: int
    refused: int
    last_received_at: datetime | None
    last_refusal: str


@dataclass(frozen=True, kw_only=True)
class ReadEvent:
    """An event as it would be taken."""

    message: str
    source: str
    severity: str | None
    occurred_at: datetime | None
    resolved: bool
    error_type: str | None
    stack_trace: str | None
    labels: JsonObject
    group_key: str | None


@dataclass(frozen=True, kw_only=True)
class MappingPreview:
    """What a body would become. `shape` is the place of the form that it has, from 0; null: by common names."""

    shape: int | None
    left_out: int
    events: list[ReadEvent]


class MappingSampleIn(Input):
    """A sample, and how to read it: a source's mapping, or forms that are tried out."""

    body: Json
    source: Annotated[str, Field(max_length=40)] = "generic"
    headers: Annotated[dict[str, str], Field(max_length=50)] = {}
    shapes: Annotated[list[Shape] | None, Field(max_length=50)] = None


@router.post(
    "/api/v1/intake/{source}",
    status_code=202,
    summary="Take a body as another product sends it",
    openapi_extra=_ANY_BODY,
)
async def take_from_source(
    source: str,
    request: Request,
    services: ServicesDep,
    identity: Annotated[Identity, needs("events.write")],
) -> TakenFromSource:
    """Read it by the source's mapping; what that does not find is found by the names of common fields. The whole body
    stays with the events. A token may also come as basic auth's password, `X-Opsteward-Token` or `?token=`."""
    raw, kind = await request.body(), _kind(request)
    try:
        body = await in_thread(parsed_body, raw, kind, services.settings.api.max_json_depth)
    except OpsError as error:
        async with services.db.unit_of_work(identity.tenant_id) as session:
            try:
                slug = (await services.own_sources.known(session, source)).slug
            except NotFound:
                if not raw:
                    raise  # there is nothing else to mend
                raise error from None
        services.source_tallies.note_refused(identity.tenant_id, slug, error.detail)
        raise
    give_up_turn(request)
    return await services.source_intake.take(
        tenant_id=identity.tenant_id,
        name=source,
        received=Received(raw=raw, body=body, kind=kind, headers=dict(request.headers)),
        limit=services.settings.api.max_events_per_request,
        actor=identity.actor,
    )


@router.post("/api/v2/alerts", summary="Alertmanager's own alert API", response_class=Response, openapi_extra=_ANY_BODY)
async def take_alerts(
    request: Request,
    services: ServicesDep,
    identity: Annotated[Identity, needs("events.write")],
) -> Response:
    """What Prometheus sends to an Alertmanager: an array of alerts; one whose `endsAt` has passed is over."""
    raw, kind = await request.body(), _kind(request)
    body = await in_thread(parsed_body, raw, kind, services.settings.api.max_json_depth)
    if not isinstance(body, list) or not all(isinstance(alert, dict) and "labels" in alert for alert in body):
        raise Malformed.field("body", "is no array of alerts with labels", "send what Prometheus sends")
    alerts: list[Json] = [{**alert, "status": _status(alert)} for alert in body if isinstance(alert, dict)]
    if alerts:
        give_up_turn(request)
        await services.source_intake.take(
            tenant_id=identity.tenant_id,
            name="alertmanager",
            received=Received(raw=raw, body={"alerts": alerts}, kind=kind, headers=dict(request.headers)),
            limit=services.settings.api.max_events_per_request,
            actor=identity.actor,
        )
    return Response(status_code=200)


def _status(alert: JsonObject) -> str:
    ends = instant_of(alert.get("endsAt"))
    return "resolved" if ends is not None and ends <= now() else "firing"


@router.get("/api/v1/sources")
async def list_sources(
    services: ServicesDep, session: TenantSession, identity: Annotated[Identity, needs("events.read")]
) -> Page[SourceInfo]:
    """The products whose bodies are known, the tenant's own sources, where each is sent and how much came."""
    await services.source_tallies.flush()
    shipped = await in_thread(all_sources)
    set_up = {one.slug: one for one in await services.own_sources.all(session)}
    counted = await counts(session)
    plain = [KnownSource(mapping=one, shipped=True, settings=SourceSettings()) for one in shipped.values()]
    known = {one.slug: one for one in plain} | set_up
    return Page(items=[source_info(known[slug], counted.get(slug, Tally())) for slug in sorted(known)])


@router.post("/api/v1/sources/preview", summary="Try how a sample would be read")
async def preview_mapping(
    body: MappingSampleIn,
    services: ServicesDep,
    identity: Annotated[Identity, needs("events.read")],
) -> MappingPreview:
    """The first 20 events; nothing is stored. With `shapes` a mapping of one's own is tried, in JMESPath."""
    async with services.db.unit_of_work(identity.tenant_id) as session:  # done with before the computing begins
        known = await services.own_sources.known(session, body.source)
    reading = await tried(known, body.body, body.headers, shapes=body.shapes)
    return MappingPreview(
        shape=reading.shape,
        left_out=reading.left_out,
        events=[
            ReadEvent(
                message=event.message,
                source=event.source,
                severity=event.severity,
                occurred_at=event.occurred_at,
                resolved=event.resolved,
                error_type=event.error_type,
                stack_trace=event.stack_trace,
                labels=labels if isinstance(labels := event.context.get("labels"), dict) else {},
                group_key=event.group_key,
            )
            for event in reading.events
        ],
    )


def _kind(request: Request) -> str:
    return request.headers.get("content-type", "application/json").split(";")[0].strip().lower()


def parsed_body(body: bytes, kind: str, max_depth: int) -> Json:
    """JSON whatever the content type says, lines of JSON, a form, or text."""
    if not body.strip():
        raise Invalid.field("body", "is empty", "send what the product sends")
    if kind in _NDJSON:
        return [check_json(line, max_depth=max_depth) for line in body.splitlines() if line.strip()]
    if kind == _FORM and not _looks_like_json(body):  # as what curl sends by itself says that it is
        return _form(body, max_depth)
    if kind == "application/json" or kind.endswith("+json") or _looks_like_json(body):
        return _json(body, max_depth)
    return storable({"message": body.decode("utf-8", "replace")})


def _looks_like_json(body: bytes) -> bool:
    return body.lstrip()[:1] in (b"{", b"[")


def _json(body: bytes, max_depth: int) -> Json:
    """One value, or several: each on a line of its own, or ended by NUL as GELF's are. Raises Malformed, Invalid."""
    try:
        found: Json = check_json(body, max_depth=max_depth)
    except Malformed:
        lines = [line for line in _LINE_ENDS.split(body) if line.strip()]
        if len(lines) < 2 or not all(_looks_like_json(line) for line in lines):
            raise
        return [check_json(line, max_depth=max_depth) for line in lines]
    return found


def _form(body: bytes, max_depth: int) -> Json:
    try:
        pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=1000)
    except ValueError as error:
        raise Malformed.field("body", "holds more than 1000 fields", "send fewer") from error
    fields: JsonObject = dict(pairs)
    payload = fields.get("payload")
    if isinstance(payload, str) and payload.lstrip()[:1] in ("{", "["):
        found: Json = check_json(payload.encode("utf-8", "replace"), max_depth=max_depth)
        return found
    return storable(fields)


def source_info(source: KnownSource, tally: Tally) -> SourceInfo:
    """A source as it is shown."""
    mapping = source.mapping
    return SourceInfo(
        slug=mapping.slug,
        title=source.settings.title or mapping.title,
        path=f"/api/v1/intake/{mapping.slug}",
        aliases=list(mapping.aliases),
        documentation=mapping.documentation,
        setup=mapping.setup,
        shapes=len(mapping.shapes),
        own_shapes=len(source.settings.shapes),
        shipped=source.shipped,
        signed=source.has_secret or bool(source.settings.topics),
        can_sign=source.signature is not None,
        bodies=tally.bodies,
        events=tally.events,
        unmapped=tally.unmapped,
        refused=tally.refused,
        last_received_at=tally.last_received_at,
        last_refusal=tally.last_refusal,
    )

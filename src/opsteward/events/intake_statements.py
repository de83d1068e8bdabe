"""The statements of every set of events: what has to be known of them is read by one, and all is written by another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.db import tenant_of
from opsteward.core.plain_json import json_text
from opsteward.events.decided_groups import GroupDecision
from opsteward.events.event_drafts import EventRow
from opsteward.events.models import Event, Incident
from opsteward.systems.name_look_ups import SYSTEMS_NAMED, systems_named
from opsteward.systems.types import KnownSystem

_LOOK_UP = sa.text(f"""
    with decided as (
        select fingerprint, category, joins, apart from opsteward.group_decisions
        where tenant_id = :tenant_id and fingerprint = any(cast(:fingerprints as text[]))
    ), keys as (
        select unnest(cast(:fingerprints as text[])) as fingerprint
        union select joins from decided where joins is not null
    )
    select
        (select max(version) from opsteward.standing_order_versions where tenant_id = :tenant_id) as orders_version,
        (select jsonb_object_agg(fingerprint, jsonb_build_array(category, joins, apart)) from decided) as decided,
        (
            select jsonb_object_agg(fingerprint, incident_id)
            from opsteward.incident_fingerprints join keys using (fingerprint) where tenant_id = :tenant_id
        ) as homes,
        exists (
            select from opsteward.events join keys using (fingerprint)
            where tenant_id = :tenant_id and resolved and occurred_at > :earliest
        ) as recovered,
        exists (
            select from opsteward.silences
            where tenant_id = :tenant_id and ends_at > :at and starts_at <= :at and ended_at is null
        ) or exists (
            select from opsteward.inhibitions where tenant_id = :tenant_id and removed_at is null
        ) as muting,
        {SYSTEMS_NAMED} as systems
""")  # noqa: S608 -- a statement's part

_POSTGRESQL = postgresql.dialect()  # type: ignore[no-untyped-call]
_EVENT = {column.name: str(column.type.compile(dialect=_POSTGRESQL)) for column in Event.__table__.columns}
_COLUMNS = Incident.__table__.columns
#: Events and objects are one parameter each for all rows, which costs a tenth of one for each of their values.
#: Objects are noted of incidents that are open and, as they are updated first, locked.
_STORE = sa.text(f"""
    with added as (
        insert into opsteward.events ({", ".join(_EVENT)})
        select {", ".join(_EVENT)} from jsonb_to_recordset(cast(:rows as jsonb))
            as r ({", ".join(f"{name} {type_}" for name, type_ in _EVENT.items())})
    ), locked as (
        select incident.id, new.events
        from opsteward.incidents as incident
        join unnest(cast(:ids as uuid[]), cast(:events as int[])) as new (id, events) on new.id = incident.id
        where incident.tenant_id = :tenant_id
        order by incident.id -- in one order everywhere, so that two transactions never wait for each other in a circle
        for no key update of incident -- as an update locks: lines of the timeline may be added meanwhile
    ), counted as (
        update opsteward.incidents as incident set event_count = event_count + locked.events, last_event_at = :at
        from locked where incident.id = locked.id and incident.tenant_id = :tenant_id
        returning {", ".join(f"incident.{column.name}" for column in _COLUMNS)}
    ), noted as (
        insert into opsteward.incident_objects as old
        select :tenant_id, latest.*
        from jsonb_to_recordset(cast(:objects as jsonb)) as latest (
            incident_id uuid, fingerprint text, object_key text, name text, was_in_trouble boolean, in_trouble boolean,
            happened_at timestamptz, received_at timestamptz
        )
        join counted on counted.id = latest.incident_id and counted.status <> 'resolved'
        on conflict on constraint pk_incident_objects do update set
            was_in_trouble = old.was_in_trouble or excluded.was_in_trouble,
            (name, in_trouble, happened_at, received_at) = (
                select * from (values
                    (excluded.name, excluded.in_trouble, excluded.happened_at, excluded.received_at),
                    (old.name, old.in_trouble, old.happened_at, old.received_at)
                ) as each (name, in_trouble, happened_at, received_at)
                order by happened_at desc, received_at desc limit 1
            )
    )
    select {", ".join(column.name for column in _COLUMNS)} from counted
""").columns(*_COLUMNS)  # noqa: S608 -- names of columns
_STORED = sa.select(Incident).from_statement(_STORE).execution_options(populate_existing=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """`decided`: what people decided about the fingerprints. `homes`: the incidents that take their events, and those
    of fingerprints that they join. `recovered`: a recovery of one of them may have happened later than these events.
    `muting`: there are silences or inhibitions. `systems`: by the case-folded names that were asked for."""

    orders_version: int
    decided: Mapping[str, GroupDecision]
    homes: Mapping[str, UUID]
    recovered: bool
    muting: bool
    systems: Mapping[str, KnownSystem]


async def look_up(
    session: AsyncSession, *, fingerprints: Set[str], names: Set[str], earliest: datetime, at: datetime
) -> Known:
    """About events of these fingerprints, the first of which happened at `earliest`; it is `at` now.

    `names`: of what may be systems, case-folded.
    """
    parameters = {
        "tenant_id": tenant_of(session),
        "fingerprints": sorted(fingerprints),
        "names": list(names),
        "earliest": earliest,
        "at": at,
    }
    row = (await session.execute(_LOOK_UP, parameters)).one()
    return Known(
        orders_version=row.orders_version or 0,
        decided={key: GroupDecision(*of_it) for key, of_it in (row.decided or {}).items()},
        homes={key: UUID(home) for key, home in (row.homes or {}).items()},
        recovered=row.recovered,
        muting=row.muting,
        systems=systems_named(row.systems),
    )


async def store(
    session: AsyncSession,
    rows: Sequence[EventRow],
    *,
    counts: Mapping[UUID, int],
    objects: Sequence[Mapping[str, object]],
    at: datetime,
) -> dict[UUID, Incident]:
    """Store the events, add so many to each incident, and keep what they say of objects of those that are open.

    Gives the incidents, locked to the end of the transaction.
    """
    found = await session.scalars(
        _STORED,
        {
            "tenant_id": tenant_of(session),
            "rows": json_text(rows),
            "ids": list(counts),
            "events": list(counts.values()),
            "objects": json_text(objects),
            "at": at,
        },
    )
    return {row.id: row for row in found}

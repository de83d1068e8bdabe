"""What is known of each object of an open incident, so that a recovery need not look through all of its events."""

from __future__ import annotations

from alembic import op

from opsteward.migrations.tenancy import grant, isolate

revision = "0002_incident_objects"
down_revision = "0001_initial"

_TABLE = """
create table opsteward.incident_objects (
    tenant_id uuid not null,
    incident_id uuid not null,
    fingerprint text not null,
    object_key text not null,
    name text not null,
    was_in_trouble boolean not null,
    in_trouble boolean not null,
    happened_at timestamptz not null,
    received_at timestamptz not null,
    constraint pk_incident_objects primary key (tenant_id, incident_id, fingerprint, object_key),
    constraint fk_incident_objects_incident_id foreign key (incident_id) references opsteward.incidents (id)
)"""
_IN_TROUBLE = """
create index ix_incident_objects_in_trouble on opsteward.incident_objects (tenant_id, incident_id, name)
    where in_trouble"""
_OF_OPEN_INCIDENTS = """
insert into opsteward.incident_objects
select distinct on (e.tenant_id, e.incident_id, e.fingerprint, e.object_key)
    e.tenant_id, e.incident_id, e.fingerprint, e.object_key, coalesce(nullif(e.object_key, ''), left(e.message, 100)),
    bool_or(not e.resolved) over (partition by e.tenant_id, e.incident_id, e.fingerprint, e.object_key),
    not e.resolved, least(e.occurred_at, e.received_at), e.received_at
from opsteward.events e join opsteward.incidents i on i.id = e.incident_id
where i.status <> 'resolved' and (e.resolved or e.action not in ('log_only', 'return_validation_error'))
order by e.tenant_id, e.incident_id, e.fingerprint, e.object_key, least(e.occurred_at, e.received_at) desc,
    e.received_at desc"""


def upgrade() -> None:
    """Begins with what the events of open incidents tell."""
    for statement in (_TABLE, _IN_TROUBLE, _OF_OPEN_INCIDENTS):
        op.execute(statement)
    isolate("incident_objects")
    grant("incident_objects", app="select, insert, update, delete", web="select, insert, update, delete")

"""Who wrote a line of a timeline and who resolved an incident; incidents by urgency; health over time."""

from __future__ import annotations

from alembic import op

from opsteward.migrations.tenancy import grant, isolate

revision = "0002_who_and_when"
down_revision = "0001_initial"

_STATEMENTS = """
alter table opsteward.timeline_entries add column actor text;

alter table opsteward.incidents add column resolved_by text;
alter table opsteward.incidents add column urgency int generated always as (
    case status when 'resolved' then 0 else 10 end
    + case severity when 'high' then 3 when 'medium' then 2 when 'low' then 1 else 0 end) stored not null;
create index ix_incidents_tenant_urgency on opsteward.incidents (tenant_id, urgency, number);

create index ix_approvals_tenant_requested on opsteward.approvals (tenant_id, requested_at, id);
create index ix_audit_entries_tenant_actor on opsteward.audit_entries (tenant_id, actor, at);

create table opsteward.health_minutes (
    tenant_id uuid not null,
    system_id uuid not null,
    minute timestamptz not null,
    checks int not null,
    failed int not null,
    answered int not null,
    response_total double precision not null,
    response_max double precision not null,
    constraint pk_health_minutes primary key (tenant_id, system_id, minute)
);
create index ix_health_minutes_minute on opsteward.health_minutes (minute);
"""


def upgrade() -> None:
    """Runs as the owner."""
    for statement in filter(str.strip, _STATEMENTS.split(";")):
        op.execute(statement)
    isolate("health_minutes")
    grant("health_minutes", app="select, insert, update", web="select")

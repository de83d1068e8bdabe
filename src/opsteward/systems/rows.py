"""A row of the inventory as other rooms see it, as it would be registered, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from opsteward.systems.circuit import circuit_of
from opsteward.systems.models import System
from opsteward.systems.registration import NewSystem
from opsteward.systems.types import SystemHealth, SystemInfo

#: What systems can be ordered by: the unhealthy and the critical come first.
ORDERS: dict[str, Any] = {
    "name": System.name_key,
    "health": sa.case({"down": 0, "degraded": 1, "unknown": 2}, value=System.health, else_=3),
    "type": System.type,
    "criticality": sa.case({"critical": 0, "standard": 1}, value=System.criticality, else_=2),
    "response_time": sa.func.coalesce(System.response_time, -1.0),
    "since": System.health_since,
}


def columns_of(new: NewSystem) -> dict[str, Any]:
    """The columns of a system that are as they were given."""
    return {
        "name": new.name,
        "name_key": new.name.casefold(),
        "type": new.type,
        "endpoint": new.endpoint,
        "health_check_url": new.health_check_url,
        "sync_frequency": new.sync_frequency,
        "criticality": new.criticality,
        "settings": dict(new.settings or {}),
        "enabled": new.enabled,
        "owner": new.owner,
        "tags": list(dict.fromkeys(new.tags)),
        "runbook_url": new.runbook_url,
    }


def row_as_new(row: System, credentials: Mapping[str, str], depends_on: Sequence[str]) -> NewSystem:
    """A registered system as it would be registered."""
    return NewSystem(
        name=row.name,
        type=row.type,
        endpoint=row.endpoint,
        health_check_url=row.health_check_url,
        sync_frequency=row.sync_frequency,
        criticality=row.criticality,
        credentials=credentials,
        settings=row.settings,
        depends_on=depends_on,
        enabled=row.enabled,
        owner=row.owner,
        tags=row.tags,
        runbook_url=row.runbook_url,
        calls_us=row.endpoint.startswith("heartbeat:"),
    )


def info_of(row: System) -> SystemInfo:
    """What other rooms see of a system."""
    return SystemInfo(
        id=row.id,
        name=row.name,
        type=row.type,
        endpoint=row.endpoint,
        health_check_url=row.health_check_url,
        sync_frequency=row.sync_frequency,
        criticality=row.criticality,
        settings=row.settings,
        depends_on=row.depends_on,
        enabled=row.enabled,
        owner=row.owner,
        tags=row.tags,
        runbook_url=row.runbook_url,
        circuit=circuit_of(row),
        has_credentials=row.credentials_sealed is not None,
        created_at=row.created_at,
        updated_at=row.updated_at,
        health=SystemHealth(
            healthy=row.health == "healthy",
            status=row.health,
            response_time=row.response_time,
            error_rate=row.checks_failed / row.checks_total if row.checks_total else 0.0,
            checked_at=row.checked_at,
            since=row.health_since,
            evidence=row.evidence,
            silenced_by=row.silenced_by,
        ),
    )

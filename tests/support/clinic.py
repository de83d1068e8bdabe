"""A clinic's tenant with a past: what happened when, in every room that has a state, so that times, people and counts
can be asked for.

What only a worker makes, or time, is written into the tables. Hours of today lie between midnight and now; what
happened "last night" happened yesterday at 22:30.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import sqlalchemy as sa
from sqlalchemy.orm import Session

from opsteward.core.clock import now
from opsteward.core.database_setup import EMBEDDED_DATABASE
from opsteward.core.db import Base
from opsteward.core.embedded_postgres import EmbeddedPostgres
from opsteward.core.ids import first_id_at, uuid7
from support.clinic_work import work
from support.harbour import send
from support.instance import Instance, Operator, Tenant

ORDERS = """
version: 1
orders:
  - name: page-the-lab
    match: {source: lab-results}
    action: escalate
    approval: auto
  - name: hush-the-fax
    match: {source: fax-gateway}
    action: log_only
    approval: auto
"""
_CLASSES = {one.class_.__tablename__: one.class_ for one in Base.registry.mappers}
#: Name, type, criticality, owner, depends on, health, hours in it (negative: a share of today), what is seen.
SYSTEMS = (
    ("hr-ldap", "ldap", "standard", "Data team", (), "healthy", 700, ""),
    ("patient-db", "database", "critical", "Data team", (), "degraded", -0.5, "connections: 96 of 100 in use"),
    ("billing", "api", "critical", "Finance IT", ("patient-db",), "down", -0.7, "HTTP 503 from /healthz"),
    ("lab-results", "api", "critical", "Laboratory team", ("patient-db", "hr-ldap"), "healthy", 90, ""),
    ("pacs-archive", "api", "backup", "Imaging", (), "healthy", 400, ""),
    ("portal", "api", "standard", "Web team", ("billing", "lab-results"), "degraded", 50, "answers take 3.1 s"),
    ("fax-gateway", "api", "standard", None, (), "unknown", 30, ""),
    ("pharmacy-api", "api", "standard", "Web team", (), "healthy", 200, ""),
)
#: Number, title, source, severity, status, category, opened, acknowledged, ended (days ago and hour; a share of today
#: below 1 and without an hour), by whom and why.
INCIDENTS: tuple[tuple[Any, ...], ...] = (
    (
        1,
        "Replication lag on patient-db",
        "patient-db",
        "medium",
        "resolved",
        "system_error",
        (20, 8),
        (20, 8.2),
        (20, 9),
        "gudrun",
        "the network was fixed",
    ),
    (2, "Login page of portal is slow", "portal", "medium", "open", "system_error", (9, 9), None, None, "", ""),
    (
        3,
        "Outage of lab-results",
        "lab-results",
        "high",
        "resolved",
        "system_error",
        (4, 10),
        (4, 10.2),
        (4, 11.5),
        "boris",
        "the pool was raised to 50",
    ),
    (
        4,
        "Certificate of pharmacy-api ends soon",
        "pharmacy-api",
        "low",
        "open",
        "system_error",
        (3, 12),
        None,
        None,
        "",
        "",
    ),
    (
        5,
        "Fax queue grows",
        "fax-gateway",
        "low",
        "resolved",
        "system_error",
        (1, 14),
        None,
        (1, 15),
        "order",
        "the queue was drained",
    ),
    (6, "Password guessing on the VPN", "vpn", "high", "escalated", "security_issue", (1, 22.5), None, None, "", ""),
    (7, "billing answers 503", "billing", "high", "open", "system_error", (0, 0.3), None, None, "", ""),
    (
        8,
        "Connections of patient-db nearly used up",
        "patient-db",
        "medium",
        "acknowledged",
        "system_error",
        (0, 0.5),
        (0, 0.6),
        None,
        "",
        "",
    ),
)
#: Username, full name, department, role, status, manager, days since created, systems.
USERS = (
    ("grace", "Grace Hopper", "Surgery", "premium_user", "active", None, 200, ("patient-db",)),
    ("hedy", "Hedy Lamarr", "Finance", "standard_user", "active", "grace", 40, ("billing", "portal")),
    ("ada.byron", "Ada Byron", "Surgery", "standard_user", "active", "grace", 25, ("patient-db", "portal")),
    ("alan", "Alan Turing", "Radiology", "standard_user", "suspended", None, 100, ("pacs-archive",)),
    ("mary", "Mary Jackson", "Finance", "standard_user", "inactive", None, 150, ()),
    ("tim", "Tim Lee", "Marketing", "guest", "active", "hedy", 2, ("portal",)),
    ("yuki", "Yuki Tanaka", "Radiology", "standard_user", "active", None, 3, ("pacs-archive", "billing")),
    ("linus", "Linus Torvalds", "Radiology", "contractor", "pending", None, 0, ()),
    ("olga", "Olga Ladyzhenskaya", "Marketing", "contractor", "pending", None, 6, ()),
)


@dataclass
class Clinic:
    """The tenant, its people and systems."""

    tenant: Tenant
    people: dict[str, Operator] = field(default_factory=dict)
    systems: dict[str, UUID] = field(default_factory=dict)
    incidents: dict[int, UUID] = field(default_factory=dict)
    midnight: datetime = field(default_factory=lambda: now().replace(hour=0, minute=0, second=0, microsecond=0))
    made: datetime = field(default_factory=now)
    rows: list[Any] = field(default_factory=list)

    def at(self, when: tuple[float, float] | None) -> datetime | None:
        """Days ago and the hour; of today, the share of it that is over (of the last two hours at most)."""
        if when is None:
            return None
        days, hour = when
        if days:
            return self.midnight - timedelta(days=days) + timedelta(hours=hour)
        over = min(self.made - self.midnight, timedelta(hours=2))
        return self.made - over * (1 - hour)

    def by(self, name: str) -> str:
        return self.people[name].actor if name in self.people else f"standing-order:{name}"

    def insert(self, table: str, **values: Any) -> UUID:
        """Have a row made, with an id of its time (`at_id`), else of now; `store` writes it."""
        begun = values.pop("at_id", None)
        made = UUID(int=first_id_at(begun).int | (uuid4().int & ((1 << 60) - 1))) if begun is not None else uuid7()
        self.rows.append(_CLASSES[table](id=made, tenant_id=self.tenant.id, **values))
        return made

    def store(self) -> None:
        """Write the rows, as the database's superuser."""
        address = EmbeddedPostgres(self.tenant.instance.home).url(EMBEDDED_DATABASE)
        engine = sa.create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(address))
        with Session(engine) as session, session.begin():
            session.add_all(self.rows)
        engine.dispose()


async def clinic(instance: Instance) -> Clinic:
    """Make one."""
    made = Clinic(await instance.tenant())
    made.people["ada"] = made.tenant.owner
    for name, role in (("gudrun", "operator"), ("boris", "approver"), ("emil", "auditor"), ("clara", "viewer")):
        made.people[name] = await made.tenant.operator(role, name=name)
    await _systems(made)
    _incidents(made)
    await _people(made)
    await work(made)
    made.store()
    return made


async def _systems(clinic: Clinic) -> None:
    sql = clinic.tenant.instance.sql
    for name, kind, criticality, owner, needs, health, hours, seen in SYSTEMS:
        places = {"database": f"postgresql://{name}.clinic.example/main", "ldap": f"ldap://{name}.clinic.example"}
        place = places.get(kind, f"https://{name}.clinic.example/")
        body: dict[str, Any] = {"name": name, "type": kind, "endpoint": place, "criticality": criticality}
        if kind in places:
            body["credentials"] = {"username": "watcher", "password": "watcher"}
        body |= {"owner": owner, "depends_on": list(needs)}
        if name != "pharmacy-api":
            body["runbook_url"] = f"https://wiki.clinic.example/{name}"
        clinic.systems[name] = system = UUID((await send(clinic.tenant.http, "POST", "systems", body))["id"])
        begun = clinic.at((0, -hours)) if hours < 0 else now() - timedelta(hours=hours)
        sql(
            "update opsteward.systems set health = %s, health_since = %s, checked_at = now() - interval '20 seconds',"
            " response_time = %s, checks_total = 200, checks_failed = %s, evidence = %s where id = %s",
            health, begun, {"degraded": 3.1, "down": 0.9}.get(health, 0.042), 60 if health == "down" else 4,
            json.dumps([{"summary": seen}] if seen else []), system,
        )  # fmt: skip
        for day in range(1, 20):
            failed = 144 if (name, day) in (("billing", 3), ("lab-results", 4)) else 0
            sql(
                "insert into opsteward.health_days (tenant_id, system_id, day, checks, failed, answered,"
                " response_total) values (%s, %s, %s, 1440, %s, %s, 60)",
                clinic.tenant.id, system, (clinic.midnight - timedelta(days=day)).date(), failed, 1440 - failed,
            )  # fmt: skip


def _incidents(clinic: Clinic) -> None:
    for number, title, source, severity, status, category, opened, seen, ended, who, why in INCIDENTS:
        begun = clinic.at(opened)
        assert begun is not None
        clinic.incidents[number] = clinic.insert(
            "incidents", at_id=begun, number=number, title=title, status=status, category=category, severity=severity,
            source=source, system_id=clinic.systems.get(source), event_count=number + 2, opened_at=begun,
            last_event_at=begun, acknowledged_at=clinic.at(seen),
            acknowledged_by=clinic.by("gudrun") if seen else None, resolved_at=clinic.at(ended),
            resolved_by=clinic.by("hush-the-fax" if who == "order" else who) if who else None, resolution=why or None,
            assigned_to=clinic.by("gudrun") if number == 4 else None, reopened=0, flapping=number == 2,
            labels={},
        )  # fmt: skip


async def _people(clinic: Clinic) -> None:
    http, sql = clinic.tenant.http, clinic.tenant.instance.sql
    ids: dict[str, UUID] = {}
    for username, name, department, role, status, manager, days, systems in USERS:
        body: dict[str, Any] = {"username": username, "email": f"{username}@clinic.example", "full_name": name}
        body |= {"role": role, "department": department}
        if manager:
            body["manager_id"] = str(ids[manager])
        ids[username] = user = UUID((await send(http, "POST", "users", body))["id"])
        sql("update opsteward.users set status = 'active' where id = %s", user)
        for system in systems:
            await send(http, "POST", f"users/{user}/grants", {"kind": "system", "name": system})
        joined = clinic.at((days, 9)) if days else clinic.at((0, 0.4))
        sql("update opsteward.users set created_at = %s, status = %s where id = %s", joined, status, user)
        sql("update opsteward.user_changes set at = %s where user_id = %s and what = 'created'", joined, user)
        sql("update opsteward.enrollments set requested_at = %s where user_id = %s", joined, user)
    for username, what, days, who, why in (
        ("alan", "suspended", 2, "gudrun", "lost his laptop"), ("mary", "deactivated", 5, "ada", "left the clinic"),
    ):  # fmt: skip
        begun, after = clinic.at((days, 11)), "inactive" if what == "deactivated" else what
        sql("update opsteward.users set updated_at = %s, deactivated_at = %s where id = %s",
            begun, begun if after == "inactive" else None, ids[username])  # fmt: skip
        clinic.insert("user_changes", user_id=ids[username], at=begun, actor=clinic.by(who), what=what, reason=why,
                      fields={"status": ["active", after]}, correlation_id="")  # fmt: skip
    for username, status, days, who, why in (
        ("yuki", "approved", 3, "boris", ""), ("olga", "rejected", 1, "boris", "no contract"),
    ):  # fmt: skip
        sql(
            "update opsteward.enrollments set status = %s, automatic = false, decided_at = %s, approver = %s,"
            " reason = %s where user_id = %s",
            status, clinic.at((days, 13)), clinic.by(who), why or None, ids[username],
        )  # fmt: skip

"""How full the connection limits are, and who sits on connections without using them.

Three kinds of limit count: the server's (max_connections less the reserved ones), a role's CONNECTION
LIMIT and a database's. A limit of one or two is a deliberate lock, not a pool, and is not judged.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import ClassVar, Final, Literal, LiteralString, TypedDict

from opsteward.contracts.check import Check, CheckResult, CheckStatus, Domain, Finding, Measure, Severity
from opsteward.contracts.connector import SystemRef
from opsteward.core.errors import Unreachable
from opsteward.core.http_client import failure_kind
from opsteward.integrations.postgresql.backend_sessions import (
    MAX_SESSIONS,
    Session,
    describe,
    sessions_in_state,
    termination,
)
from opsteward.integrations.postgresql.connector import PostgresConnector

_SMALLEST_LIMIT = 3

_USAGE: Final[LiteralString] = """
    with client as materialized (
        select usesysid, datid from pg_stat_activity where backend_type = 'client backend'
    )
    select 'server' as scope, '' as name, (select count(*) from client) as used,
        current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
        - coalesce(current_setting('reserved_connections', true), '0')::int as slots
    union all
    select 'role', r.rolname, (select count(*) from client c where c.usesysid = r.oid), r.rolconnlimit
    from pg_roles r where r.rolconnlimit > 0 and not r.rolsuper
    union all
    select 'database', d.datname, (select count(*) from client c where c.datid = d.oid), d.datconnlimit
    from pg_database d where d.datconnlimit > 0"""

_Level = Literal[CheckStatus.WARN, CheckStatus.FAIL]


class Limit(TypedDict):
    """A limit of connections: of the server, a role or a database, and how much of it is used."""

    scope: str
    name: str
    used: int
    slots: int


class ConnectionsCheck(Check[PostgresConnector]):
    """WARN at 80 % of a limit, FAIL at 95 % (both settings); finds who sits on half of it without use."""

    slug: ClassVar[str] = "postgresql.connections"
    title: ClassVar[str] = "Connection limits"
    domain: ClassVar[Domain] = "database"
    health: ClassVar[bool] = True
    measures: ClassVar[Sequence[Measure]] = (Measure("used", limit="slots", each=("limits", "limit")),)

    async def run(self, via: PostgresConnector, target: SystemRef) -> CheckResult:
        settings = via.config.settings
        try:
            await via.require_insight()
        except Unreachable as exc:
            if failure_kind(exc) != "too_many_connections":
                raise
            return _refused(via, exc)  # that we are refused for this very reason is the finding
        usage = [row for row in await via.rows(_USAGE, shape=Limit) if row["slots"] >= _SMALLEST_LIMIT]
        usage.sort(key=lambda row: -row["used"] / row["slots"])
        full: list[tuple[Limit, _Level]] = []
        for row in usage:
            share = row["used"] / row["slots"]
            if share >= settings.connections_fail_share:
                full.append((row, CheckStatus.FAIL))
            elif share >= settings.connections_warn_share:
                full.append((row, CheckStatus.WARN))
        fullest: Limit = usage[0] if usage else {"scope": "server", "name": "", "used": 0, "slots": 1}
        summary = f"{_name(fullest)}: {fullest['used']} of {fullest['slots']} connections used"
        evidence = {"limits": [{"limit": _name(row), "used": row["used"], "slots": row["slots"]} for row in usage[:20]]}
        if not full:
            return CheckResult(status=CheckStatus.PASS, summary=summary, evidence=evidence)
        unused = await sessions_in_state(via, ["idle"], seconds=settings.leak_idle_seconds)
        findings: list[Finding] = []
        for row, level in full:
            findings.append(_saturation(row, level))
            if level is CheckStatus.FAIL:
                findings.extend(_leaks(row, unused, settings.leak_idle_seconds))
        worst = CheckStatus.FAIL if any(level is CheckStatus.FAIL for _, level in full) else CheckStatus.WARN
        return CheckResult(status=worst, summary=summary, evidence=evidence, findings=findings)


def _name(limit: Limit) -> str:
    return f"{limit['scope']} {limit['name']}".strip()


def _saturation(limit: Limit, level: _Level) -> Finding:
    share = limit["used"] / limit["slots"]
    return Finding(
        type="connection_saturation",
        severity=Severity.HIGH if level is CheckStatus.FAIL else Severity.MEDIUM,
        title="A connection limit is used up" if level is CheckStatus.FAIL else "A connection limit fills up",
        description=f"{_name(limit)} uses {limit['used']} of {limit['slots']} connections ({share:.0%})",
        component=_name(limit),
        evidence={"limit": _name(limit), "used": limit["used"], "slots": limit["slots"]},
        confidence=0.95,
        cause_rank=4,
    )


def _leaks(limit: Limit, unused: Sequence[Session], idle_seconds: float) -> list[Finding]:
    """Idle, unused sessions of one application on one client that hold half of the limit's used slots."""
    groups: dict[tuple[str, str, str], list[Session]] = defaultdict(list)
    for row in unused:
        inside = {"server": True, "role": row["usename"] == limit["name"]}.get(
            limit["scope"], row["datname"] == limit["name"]
        )
        if inside:
            groups[row["usename"], row["application_name"], row["client"]].append(row)
    return [_leak(limit, group, idle_seconds) for group in groups.values() if len(group) * 2 >= limit["used"]]


def _leak(limit: Limit, group: Sequence[Session], idle_seconds: float) -> Finding:
    first = group[0]
    who = first["application_name"] or "an unnamed application"
    description = (
        f"{who} ({first['usename']}, {first['client']}) holds {len(group)} of the {limit['used']} connections"
        f" of {_name(limit)} and has not used them for over {idle_seconds:g} s"
    )
    endable = [row for row in group if row["protected"] is None]
    fixes = []
    if endable:
        # Pinned to the idle spell: a session that was used since then is no leak, and stays.
        fixes = [termination(endable, expect="idle", reason=description, pin="state_change")]
    return Finding(
        type="connection_leak",
        severity=Severity.HIGH,
        title="Connections are held and not used",
        description=description,
        component=f"{_name(limit)}, {who}",
        evidence={
            "limit": _name(limit),
            "used": limit["used"],
            "slots": limit["slots"],
            "held": len(group),
            "application_name": first["application_name"],
            "client": first["client"],
            "idle_seconds": {
                "longest": round(max(row["state_age"] or 0.0 for row in group), 1),
                "shortest": round(min(row["state_age"] or 0.0 for row in group), 1),
            },
            "sessions": [describe(row) for row in group[:MAX_SESSIONS]],
        },
        confidence=0.9,
        cause_rank=1,
        fixes=fixes,
    )


def _refused(via: PostgresConnector, exc: Unreachable) -> CheckResult:
    evidence = {"detail": exc.detail, "role": via.config.username}
    finding = Finding(
        type="connection_saturation",
        severity=Severity.HIGH,
        title="A connection limit is used up",
        description=exc.detail,
        component=via.config.dbname,
        evidence=evidence,
        confidence=0.9,
        cause_rank=4,
    )
    return CheckResult(status=CheckStatus.FAIL, summary=exc.detail, evidence=evidence, findings=[finding])

"""Who takes the connections, and clients that treat them badly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from opsteward.contracts.check import Severity
from opsteward.integrations.postgresql.backend_sessions import IDLE_IN_TRANSACTION, TERMINATE
from opsteward.integrations.postgresql.diagnosis.activity import (
    COUNTERS,
    SESSIONS,
    clients,
    counters_grown,
    counters_now,
    ending,
    session_evidence,
)
from opsteward.integrations.postgresql.diagnosis.rule import (
    SYMPTOM,
    Fault,
    Rules,
    Unseen,
    seconds_in_words,
)
from opsteward.integrations.postgresql.diagnosis.snapshot import SETTINGS, Reading, Snapshot

RULES: Final = Rules("connections", [])

ROLES: Final = Reading(
    name="roles",
    sql="""
    select r.rolname::text as name, extract(epoch from r.rolvaliduntil - clock_timestamp())::float8 / 86400 as days,
        r.rolvaliduntil::text as until, r.rolconnlimit as connections_allowed, r.rolcanlogin as may_log_in,
        (select count(*) from pg_stat_activity a where a.usesysid = r.oid) as connected
    from pg_roles r where r.rolcanlogin and r.rolvaliduntil is not null and r.rolvaliduntil < 'infinity'""",
)
SLOTS: Final = Reading(
    name="connection_slots",
    sql="""
    select current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
        - coalesce(current_setting('reserved_connections', true), '0')::int as slots""",
)


@RULES.rule(
    "One application takes most of the connections",
    SESSIONS,
    SLOTS,
    cause="application",
    advice="Lower the size of its pool, or put a pooler in between",
)
def _application_takes_connections(seen: Snapshot) -> Iterator[Fault | Unseen]:
    slots, sessions = seen.row(SLOTS)["slots"], clients(seen.rows(SESSIONS))
    limits = seen.limits
    if len(sessions) < limits.busy_share * slots:
        return
    by_application = Counter((row["application_name"] or "unnamed", row["usename"]) for row in sessions)
    if len(by_application) < 2:
        return  # a server of one application: how full it is says another rule
    for (name, role), count in by_application.most_common(1):
        if count >= limits.application_share * slots:
            states = Counter(row["state"] for row in sessions if (row["application_name"] or "unnamed") == name)
            yield Fault(
                component=f"application {name}",
                says=f"{name} ({role}) has {count} of the {slots} connections; {len(sessions)} are in use",
                values={
                    "application": name,
                    "role": role,
                    "held": count,
                    "slots": slots,
                    "used": len(sessions),
                    "states": dict(states),
                },
            )


@RULES.rule(
    "Transactions have failed and were never ended",
    SESSIONS,
    cause="application",
    rank=2,
    remedy=(TERMINATE,),
    advice="The application has to roll back after an error; its pool should reset connections that are given back",
)
def _failed_transaction_left_open(seen: Snapshot) -> Iterator[Fault | Unseen]:
    limit = seen.limits.failed_transaction_seconds
    rows = [
        row
        for row in clients(seen.rows(SESSIONS))
        if row["state"] == IDLE_IN_TRANSACTION[1] and (row["state_age"] or 0.0) > limit
    ]
    if rows:
        longest = max(row["state_age"] for row in rows)
        says = f"{len(rows)} session(s) sit in a failed transaction, the longest for {seconds_in_words(longest)}"
        yield Fault(
            component=f"database {rows[0]['datname']}",
            says=says,
            values={"sessions": session_evidence(rows), "longest_seconds": round(longest, 1)},
            fixes=ending(rows, says, expect="idle in transaction"),
        )


@RULES.rule(
    "Far more connections are held than are used",
    SESSIONS,
    severity=Severity.LOW,
    cause="application",
    rank=SYMPTOM,
    advice="Lower the size of the pools: each connection costs memory, and all of them slow down each snapshot",
)
def _pools_larger_than_needed(seen: Snapshot) -> Iterator[Fault | Unseen]:
    sessions = clients(seen.rows(SESSIONS))
    unused = [
        row for row in sessions if row["state"] == "idle" and (row["state_age"] or 0.0) > seen.limits.idle_pool_seconds
    ]
    limit = seen.limits.idle_pool_sessions
    if len(unused) >= limit and len(unused) >= 0.8 * len(sessions):
        names = Counter(row["application_name"] or "unnamed" for row in unused)
        yield Fault(
            component="server",
            says=f"{len(unused)} of {len(sessions)} connections were not used for long",
            values={"unused": len(unused), "connections": len(sessions), "by_application": dict(names.most_common(10))},
        )


@RULES.rule(
    "Connections are made and dropped all the time",
    COUNTERS,
    cause="application",
    advice="Use a pool: each new connection starts a process of the server",
)
def _connections_made_too_often(seen: Snapshot) -> Iterator[Fault | Unseen]:
    if seen.facts["version"] < 14:
        yield Unseen("PostgreSQL counts sessions from version 14 on")
        return
    span = max(seen.watched, 0.1)
    for name, grown in counters_grown(seen.samples(COUNTERS), "sessions").items():
        if name and grown / span > seen.limits.new_sessions_per_second:
            yield Fault(
                component=f"database {name}",
                says=f"{grown / span:.0f} new connections a second",
                values={"new_connections": grown, "seconds": round(span, 2)},
            )


@RULES.rule(
    "Clients vanish without closing their connections",
    COUNTERS,
    is_risk=True,
    cause="environment",
    rank=SYMPTOM,
    advice="Look for clients that crash or are killed, and for firewalls that cut idle connections",
)
def _sessions_abandoned(seen: Snapshot) -> Iterator[Fault | Unseen]:
    yield from _bad_ends(seen, "sessions_abandoned", "ended because the client was gone")


@RULES.rule(
    "Sessions end by fatal errors of the server",
    COUNTERS,
    is_risk=True,
    cause="environment",
    advice="Read the server's log at FATAL",
)
def _sessions_ended_fatally(seen: Snapshot) -> Iterator[Fault | Unseen]:
    yield from _bad_ends(seen, "sessions_fatal", "ended by a fatal error")


@RULES.rule(
    "Sessions are ended by an operator or a program again and again",
    COUNTERS,
    is_risk=True,
    cause="application",
    rank=SYMPTOM,
    advice="Find who ends sessions, and why it has to",
)
def _sessions_killed(seen: Snapshot) -> Iterator[Fault | Unseen]:
    yield from _bad_ends(seen, "sessions_killed", "were ended by somebody")


def _bad_ends(seen: Snapshot, counter: str, words: str) -> Iterator[Fault | Unseen]:
    if seen.facts["version"] < 14:
        yield Unseen("PostgreSQL counts how sessions end from version 14 on")
        return
    for name, counts in counters_now(seen.samples(COUNTERS)).items():
        ended, all_sessions = counts[counter], counts["sessions"]
        if name and all_sessions >= seen.limits.least_sessions and ended / all_sessions >= seen.limits.abandoned_share:
            yield Fault(
                component=f"database {name}",
                says=f"{ended} of {all_sessions} sessions {words}",
                values={counter: ended, "sessions": all_sessions, "since_seconds": round(counts["seconds"])},
            )


@RULES.rule(
    "The password of a role ends soon, or has ended",
    ROLES,
    is_risk=True,
    cause="configuration",
    advice="ALTER ROLE ... VALID UNTIL a later time, with a new password where your rules ask for one",
)
def _role_password_expires(seen: Snapshot) -> Iterator[Fault | Unseen]:
    for row in seen.rows(ROLES):
        if row["days"] < -30 and not row["connected"]:
            continue  # ended long ago, and nobody misses it
        if row["days"] < seen.limits.password_expiry_days:
            over = row["days"] < 0
            yield Fault(
                component=f"role {row['name']}",
                says=f"the password of {row['name']} {'has ended' if over else 'ends'} at {row['until']}",
                values={"role": row["name"], "valid_until": row["until"], "connected_now": row["connected"]},
                severity=Severity.HIGH if over else None,
                is_risk=not over,
            )


@RULES.rule(
    "Passwords are kept as MD5 hashes",
    SETTINGS,
    severity=Severity.LOW,
    cause="configuration",
    rank=SYMPTOM,
    advice="Set password_encryption = 'scram-sha-256' and set the passwords anew; MD5 leaves PostgreSQL",
)
def passwords_as_md5(seen: Snapshot) -> Iterator[Fault | Unseen]:
    if seen.facts["version"] >= 14 and seen.setting("password_encryption") == "md5":
        yield Fault(component="server", says="password_encryption is md5", values={"password_encryption": "md5"})

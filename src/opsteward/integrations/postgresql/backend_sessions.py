"""What a session is, how it is named exactly, and which sessions are never ended.

A pid alone names nothing: the operating system gives it to the next session. A session is its pid plus
`backend_start`; a transaction of it that plus `xact_start`; a spell of idleness that plus `state_change`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, Literal, LiteralString, TypedDict

from opsteward.contracts.check import ProposedFix
from opsteward.core.json_types import JsonObject
from opsteward.integrations.postgresql.connector import PostgresConnector

Expect = Literal["idle in transaction", "idle", "any"]
MAX_SESSIONS = 50  # per action
TERMINATE: Final = "postgresql.terminate_session"
CANCEL: Final = "postgresql.cancel_statement"

# Why a session is never ended, as SQL over `a` (pg_stat_activity) and `r` (pg_roles); null: it may be.
PROTECTED: Final[LiteralString] = """
    case
        when a.backend_type is distinct from 'client backend' then 'a process of the server itself'
        when a.pid = pg_backend_pid() or a.application_name ilike 'opsteward%%' then 'a session of Opsteward'
        when coalesce(r.rolsuper, true) then 'a session of a superuser'
        when r.rolreplication then 'a session of a replication role'
        when a.application_name ~* '^(pg_dump|pg_dumpall|pg_restore|pg_basebackup|pgbackrest|barman|wal-g)'
            then 'a backup'
        when not (
            pg_has_role(current_user, 'pg_signal_backend', 'USAGE')
            or pg_has_role(current_user, a.usesysid, 'USAGE')
        ) then 'not ours to end: our role needs pg_signal_backend'
    end"""

# A session's statement comes in the encoding of its database: to cut it would fail where it is no text in ours.
QUERY: Final[LiteralString] = """
    case when octet_length(a.query) > 20000 then '(a very long statement)' else coalesce(a.query, '') end as query"""

# Sessions by pid, or client sessions that have been in one of some states for so many seconds; either filter
# may be null. Ages are the server's own, in seconds; for an active session `state_age` is its statement's.
SESSIONS: Final[LiteralString] = (
    """
    select a.pid, a.backend_start, a.xact_start, a.state_change, a.state,
        coalesce(a.usename, '') as usename, coalesce(a.application_name, '') as application_name,
        coalesce(a.datname, '') as datname, coalesce(host(a.client_addr), 'local') as client,
        """  # noqa: S608 - constants only
    + QUERY
    + """,
        extract(epoch from clock_timestamp() - a.xact_start)::float8 as xact_age,
        extract(epoch from clock_timestamp() - a.state_change)::float8 as state_age, """
    + PROTECTED
    + """ as protected
    from pg_stat_activity a left join pg_roles r on r.oid = a.usesysid
    where (%(pids)s::int[] is null or a.pid = any(%(pids)s::int[]))
      and (
          %(states)s::text[] is null
          or a.backend_type = 'client backend' and a.pid <> pg_backend_pid()
          and a.state = any(%(states)s::text[])
          and a.state_change < clock_timestamp() - make_interval(secs => %(seconds)s)
      )
    order by a.state_change, a.pid
    limit 2000"""
)
IDLE_IN_TRANSACTION = ("idle in transaction", "idle in transaction (aborted)")

_LITERAL = re.compile(r"'(?:[^']|'')*(?:'|$)|\$(\w*)\$.*?(?:\$\1\$|$)", re.DOTALL)


class Session(TypedDict):
    """What pg_stat_activity says of a session; `protected`: why it is never ended, if it is not."""

    pid: int
    backend_start: datetime
    xact_start: datetime | None
    state_change: datetime | None
    state: str | None
    usename: str
    application_name: str
    datname: str
    client: str
    query: str
    xact_age: float | None
    state_age: float | None
    protected: str | None


async def sessions_in_state(via: PostgresConnector, states: Sequence[str], *, seconds: float) -> list[Session]:
    """Client sessions that have been in one of these states for longer, the longest first; never our own."""
    return await via.rows(SESSIONS, {"pids": None, "states": list(states), "seconds": seconds}, shape=Session)


async def sessions_by_pid(via: PostgresConnector, pids: Sequence[int]) -> dict[int, Session]:
    """What these pids are now; of any kind, the server's own processes too."""
    rows = await via.rows(SESSIONS, {"pids": list(pids), "states": None, "seconds": 0.0}, shape=Session)
    return {row["pid"]: row for row in rows}


def instant(value: datetime) -> str:
    """ISO 8601 in UTC with microseconds: PostgreSQL's own precision, so that it compares as equal."""
    return value.astimezone(UTC).isoformat(timespec="microseconds")


def mask_literals(query: str) -> str:
    """The statement without its quoted values (passwords, personal data), at most 300 characters."""
    return _LITERAL.sub("'?'", query[:1000])[:300]


def describe(row: Session) -> JsonObject:
    """A session as evidence: plain JSON values, quoted literals masked."""

    def rounded(seconds: float | None) -> float | None:
        return None if seconds is None else round(seconds, 3)

    return {
        "pid": row["pid"],
        "backend_start": instant(row["backend_start"]),
        "usename": row["usename"],
        "application_name": row["application_name"],
        "database": row["datname"],
        "client": row["client"],
        "state": row["state"],
        "transaction_seconds": rounded(row["xact_age"]),
        "in_this_state_seconds": rounded(row["state_age"]),
        "last_query": mask_literals(row["query"]),
    }


def termination(
    rows: Sequence[Session],
    *,
    expect: Expect,
    reason: str,
    pin: Literal["xact_start", "state_change"] | None,
) -> ProposedFix:
    """The fix that ends exactly these sessions, at most 50.

    `pin` narrows it further: only while the session is still in that same transaction, or has been idle
    without a break since. A pooled session that works normally again is thereby left alone.
    """
    sessions = []
    for row in rows[:MAX_SESSIONS]:
        session = {
            "pid": row["pid"],
            "backend_start": instant(row["backend_start"]),
            "usename": row["usename"],
            "application_name": row["application_name"],
        }
        if pin and (pinned := row[pin]) is not None:
            session[pin] = instant(pinned)
        sessions.append(session)
    return ProposedFix(
        action=TERMINATE,
        params={"sessions": sessions, "expect": expect, "reason": reason},
        reason=reason,
    )


def cancellation(rows: Sequence[Session], *, reason: str) -> list[ProposedFix]:
    """The fix that cancels what these sessions run now, and leaves the sessions; none for no sessions."""
    sessions = [
        {
            "pid": row["pid"],
            "backend_start": instant(row["backend_start"]),
            "usename": row["usename"],
            "application_name": row["application_name"],
            "state_change": instant(row["state_change"]),
        }
        for row in rows[:MAX_SESSIONS]
        if row["state_change"] is not None
    ]
    if not sessions:
        return []
    return [ProposedFix(action=CANCEL, params={"sessions": sessions, "reason": reason}, reason=reason)]

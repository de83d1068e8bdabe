"""The audit log of a live instance: verified by the command line, and every alteration by hand named by it.

The hand is the database's superuser, whom neither row-level security nor grants hold back.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from opsteward.core.clock import iso
from opsteward.core.crypto import digest
from support.live import Live, LiveTenant
from support.problems import problem_of

_COLUMNS = "tenant_id, at, actor, verb, object_type, object_id, correlation_id, detail"
COPY = (
    f"insert into opsteward.audit_entries (id, {_COLUMNS})"
    f" select '{{new}}', {_COLUMNS} from opsteward.audit_entries where id = '{{old}}'"
)


@dataclass(frozen=True, kw_only=True)
class Log:
    """The sealed log of a tenant. `entries` are seq, id, verb, oldest first."""

    live: Live
    tenant: LiveTenant
    entries: list[tuple[int, Any, str]]

    def alter(self, statement: str, *params: Any) -> list[tuple[Any, ...]]:
        """By hand; `%s` of the tenant comes last."""
        return self.live.sql(statement, *params, self.tenant.id)

    def verify(self) -> tuple[int, list[str]]:
        """Exit code and problems that `opsteward audit verify` gives."""
        done = self.tenant.owner.cli("audit", "verify", "--json")
        assert done.stderr == ""
        verdict = json.loads(done.stdout)
        assert verdict["ok"] is (done.returncode == 0)
        return done.returncode, verdict["problems"]


def sealed_log(live: Live, tenant: LiveTenant) -> Log:
    """The log once nothing waits for its seal."""
    deadline = time.monotonic() + 20
    while tenant.owner.http.get("/api/v1/audit/verify").json()["pending"]:
        assert time.monotonic() < deadline, "it is not sealed"
        time.sleep(0.05)
    rows = live.sql(
        "select s.seq, e.id, e.verb from opsteward.audit_seals s join opsteward.audit_entries e on e.id = s.entry_id"
        " where s.tenant_id = %s order by s.seq",
        tenant.id,
    )
    return Log(live=live, tenant=tenant, entries=[(row[0], row[1], row[2]) for row in rows])


@pytest.fixture(scope="module")
def busy_tenants(live: Live) -> list[LiveTenant]:
    """Tenants that have done a few things, made together: the seal is waited for once, not by every test."""
    tenants = [live.tenant(f"a{uuid4().hex[:12]}") for _ in range(16)]
    for tenant in tenants:
        for name in ("grace", "edsger", "barbara"):
            live.operator(tenant, name, "viewer")
    return tenants


@pytest.fixture
def log(live: Live, busy_tenants: list[LiveTenant]) -> Log:
    """The log of one of them, for one test."""
    sealed = sealed_log(live, busy_tenants.pop())
    assert len(sealed.entries) == 9
    return sealed


def test_an_untouched_log_is_intact(log: Log) -> None:
    assert log.verify() == (0, [])
    done = log.tenant.owner.cli("audit", "verify")
    assert done.returncode == 0
    assert "intact: 9 sealed, 0 waiting" in done.stdout
    listed = json.loads(log.tenant.owner.cli("audit", "list", "--json").stdout)["items"]
    assert [entry["seq"] for entry in listed] == list(range(9, 0, -1))


def test_an_altered_entry_is_named(log: Log) -> None:
    """In the words for people, too."""
    _, entry_id, verb = log.entries[3]
    log.alter("update opsteward.audit_entries set actor = 'operator:nobody' where id = %s and tenant_id = %s", entry_id)
    assert log.verify() == (1, [f"entry 4 ({entry_id}, {verb}): altered after it was sealed"])
    done = log.tenant.owner.cli("audit", "verify")
    assert done.returncode == 1
    assert f"BROKEN  entry 4 ({entry_id}" in done.stdout
    assert "NOT intact" in done.stdout


def test_no_column_can_be_altered(log: Log) -> None:
    """Each by itself, seen through the API; put back as it was, the log is intact again."""
    changes = {
        "at": "at + interval '1 microsecond'", "actor": "'x'", "verb": "'token.revoked'", "object_type": "'x'",
        "object_id": "'x'", "correlation_id": "'x'", "detail": "'{\"kind\": \"x\"}'",
    }  # fmt: skip
    for place, (column, value) in enumerate(changes.items(), start=1):
        entry_id = log.entries[place][1]
        where = "where id = %s and tenant_id = %s"
        [(before,)] = log.alter(f"select {column}::text from opsteward.audit_entries {where}", entry_id)
        log.alter(f"update opsteward.audit_entries set {column} = {value} {where}", entry_id)
        verdict = log.tenant.owner.http.get("/api/v1/audit/verify").json()
        assert [str(entry_id) in problem for problem in verdict["problems"]] == [True], column
        kind = {"at": "timestamptz", "detail": "jsonb"}.get(column, "text")
        log.alter(f"update opsteward.audit_entries set {column} = %s::{kind} {where}", before, entry_id)
    assert log.verify() == (0, [])


def test_an_altered_entry_with_a_new_seal_is_named(log: Log) -> None:
    """Whoever knows how seals are made lacks the key."""
    seq, entry_id, verb = log.entries[4]
    log.alter("update opsteward.audit_entries set actor = 'operator:nobody' where id = %s and tenant_id = %s", entry_id)
    [(previous,)] = log.alter("select hash from opsteward.audit_seals where seq = %s and tenant_id = %s", seq - 1)
    [row] = log.alter(
        "select id, tenant_id, at, actor, verb, object_type, object_id, correlation_id, detail"
        " from opsteward.audit_entries where id = %s and tenant_id = %s",
        entry_id,
    )
    forged = digest(
        {
            "previous": previous, "seq": seq, "id": str(row[0]), "tenant": str(row[1]), "at": iso(row[2]),
            "actor": row[3], "verb": row[4], "object": [row[5], row[6]], "correlation": row[7], "detail": row[8],
        }
    )  # fmt: skip
    log.alter("update opsteward.audit_seals set hash = %s where seq = %s and tenant_id = %s", forged, seq)
    code, problems = log.verify()
    assert code == 1
    (_, next_id, next_verb) = log.entries[5]
    assert problems == [
        f"entry 5 ({entry_id}, {verb}): altered after it was sealed",
        f"entry 6 ({next_id}, {next_verb}): as it was written, but not in its place: reordered, or what stood before it"
        " is another",
    ]


def test_a_removed_entry_is_named(log: Log) -> None:
    entry_id = log.entries[2][1]
    log.alter("delete from opsteward.audit_entries where id = %s and tenant_id = %s", entry_id)
    assert log.verify() == (1, [f"entry 3 ({entry_id}): removed"])


def test_a_removed_seal_is_named(log: Log) -> None:
    entry_id = log.entries[2][1]
    log.alter("delete from opsteward.audit_seals where seq = 3 and tenant_id = %s")
    code, problems = log.verify()
    assert code == 1
    assert problems == [
        "entries 3 to 3: their seals are missing",
        f"entry {entry_id}: has no seal and does not wait for one",
    ]


def test_an_entry_removed_with_its_seal_is_named(log: Log) -> None:
    entry_id = log.entries[2][1]
    log.alter("delete from opsteward.audit_seals where seq = 3 and tenant_id = %s")
    log.alter("delete from opsteward.audit_entries where id = %s and tenant_id = %s", entry_id)
    assert log.verify() == (1, ["entries 3 to 3: their seals are missing"])


def test_a_cut_tail_is_named(log: Log) -> None:
    for _, entry_id, _ in log.entries[7:]:
        log.alter("delete from opsteward.audit_entries where id = %s and tenant_id = %s", entry_id)
    log.alter("delete from opsteward.audit_seals where seq > 7 and tenant_id = %s")
    assert log.verify() == (1, ["entries 8 to 9: cut off the end of the chain"])


def test_a_cut_tail_without_its_record_is_named(log: Log) -> None:
    """With the row that says where the chain ends gone as well."""
    log.alter("delete from opsteward.audit_entries where id = %s and tenant_id = %s", log.entries[8][1])
    log.alter("delete from opsteward.audit_seals where seq > 8 and tenant_id = %s")
    log.alter("delete from opsteward.audit_heads where tenant_id = %s")
    code, problems = log.verify()
    assert code == 1
    assert problems[0] == "the end of the chain is not on record: entries after 8 may be missing"
    assert [problem.partition(" at ")[0] for problem in problems[1:]] in (
        [],  # cut off before anybody looked
        ["entries 9 to 9: witness of this machine saw them sealed"],
    )


def test_an_emptied_log_is_noticed(log: Log) -> None:
    for table in ("audit_entries", "audit_seals", "audit_heads", "audit_pending"):
        log.alter(f"delete from opsteward.{table} where tenant_id = %s")
    code, problems = log.verify()
    assert code == 1
    # what the instance itself has written meanwhile shows as well that what was before it is gone
    assert "the log is empty" in problems[0] or "committed, but not there" in problems[0]


def test_an_entry_removed_before_its_seal_is_named(log: Log) -> None:
    """In one statement, so that the sealer can't come between: added (which lists it as waiting), and removed."""
    entry_id = uuid4()
    log.live.sql(
        f"do $$ begin {COPY.format(new=entry_id, old=log.entries[0][1])};"
        f" delete from opsteward.audit_entries where id = '{entry_id}'; end $$"
    )
    assert log.verify() == (1, [f"entry {entry_id}: removed before it was sealed"])


def test_an_entry_slipped_in_is_named(log: Log) -> None:
    """Past the trigger that lists what waits for its seal."""
    entry_id = uuid4()
    copy = COPY.format(new=entry_id, old=log.entries[0][1])
    log.live.sql(f"do $$ begin set local session_replication_role = replica; {copy}; end $$")
    assert log.verify() == (1, [f"entry {entry_id}: has no seal and does not wait for one"])


def test_the_log_of_another_tenant_is_another(log: Log, live: Live) -> None:
    other = live.tenant(f"b{uuid4().hex[:12]}")
    untouched = sealed_log(live, other)
    log.alter("delete from opsteward.audit_seals where seq = 2 and tenant_id = %s")
    assert untouched.verify() == (0, [])
    assert log.verify()[0] == 1


def test_looking_needs_the_permission(live: Live, log: Log) -> None:
    viewer = live.operator(log.tenant, "tony", "viewer")
    done = viewer.cli("audit", "verify")
    assert done.returncode == 4
    assert "audit.read" in done.stderr
    problem_of(viewer.http.get("/api/v1/audit"), 403)
    auditor = live.operator(log.tenant, "frances", "auditor")
    assert auditor.cli("audit", "verify").returncode == 0

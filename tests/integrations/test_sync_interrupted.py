"""The plug is pulled in the middle of a sync, the directory's or ours: afterwards both sides agree, and nothing was
written twice. An undo restores what was there. At ten points each, by hand:

    SYNC_TEST_POINTS=10 python -m pytest tests/integrations/test_sync_interrupted.py -s
"""

from __future__ import annotations

import asyncio
import csv
import os
import random
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from real_parts import Postgres, system
from record_servers import Slapd, slapd_server

from opsteward.core.blocking_calls import in_thread
from opsteward.core.errors import ConnectorError
from opsteward.integrations import files, ldap, postgresql
from opsteward.integrations.ldap.client import LdapClient
from opsteward.integrations.ldap.connector import LdapConnector
from opsteward.systems import record_connections
from support.instance import Instance, Tenant
from support.preloaded import program
from support.syncing import Syncing

POINTS = int(os.environ.get("SYNC_TEST_POINTS", "1"))
BASE = "ou=plug,dc=example,dc=org"
ODD = ["Doe, John", 'a+b="c"', "日本 語", "#hash", "O'Neil"]
TO_LDAP: dict[str, Any] = {
    "source_resource": "people", "target_resource": "people", "key": "uid", "missing": "delete",
    "guard": {"max_deletions": 20},
    "fields": [{"target": "uid", "source": "login"}, {"target": "cn", "source": "name"},
               {"target": "sn", "source": "last"}, {"target": "mail", "source": "mail"},
               {"target": "manager", "source": "boss", "transforms": [{"to_dn": f"uid={{}},{BASE}"}]}],
}  # fmt: skip


class People:
    """The source: a CSV file, changed by the dice."""

    def __init__(self, folder: Path, dice: random.Random) -> None:
        self.path, self.dice = folder / "people.csv", dice
        self.rows: dict[int, dict[str, str]] = {}
        self.next = 0
        self.join(30)

    def join(self, count: int) -> None:
        for number in range(self.next, self.next + count):
            row = {"id": str(number), "login": f"u, {number}" if number % 3 == 0 else f"u{number}", "boss": ""}
            if number % 4:
                row["boss"] = self.rows[number // 2]["login"] if number // 2 in self.rows else ""
            self.rows[number] = row | {"name": f"Zoë {number}", "last": ODD[number % 5], "mail": f"{number}@ex.org"}
        self.next += count
        self.write()

    def move(self) -> None:
        """Joiners, movers and leavers."""
        for number in self.dice.sample(sorted(self.rows), 8):
            self.rows[number] |= {"name": f"Moved {self.next} {number}", "mail": f"moved{self.next}@ex.org"}
        for number in self.dice.sample(sorted(self.rows), 4):
            gone = self.rows.pop(number)["login"]
            for row in self.rows.values():
                row["boss"] = "" if row["boss"] == gone else row["boss"]
        self.join(8)

    def write(self) -> None:
        with self.path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, ["id", "login", "name", "last", "mail", "boss"])
            writer.writeheader()
            writer.writerows(self.rows.values())


@pytest.fixture
def slapd() -> Iterator[Slapd]:
    with slapd_server() as server:
        yield server


@pytest.fixture
def people(tmp_path: Path) -> People:
    return People(tmp_path, random.Random(4))


@pytest.fixture
async def syncing(instance: Instance, tenant: Tenant, tmp_path: Path) -> Syncing:
    return Syncing(instance, tenant.id, [files.build([tmp_path]), ldap.INTEGRATION, postgresql.INTEGRATION])


async def source_of(syncing: Syncing, folder: Path) -> UUID:
    return await syncing.system("hr", "file_system", f"file://{folder}", resources={"people": {"file": "people.csv"}})


async def to_ldap(syncing: Syncing, slapd: Slapd, folder: Path) -> UUID:
    login = {"username": "cn=admin,dc=example,dc=org", "password": "admin-secret"}
    target = await syncing.system("ldap", "ldap", slapd.endpoint, login, resources={"people": {
        "base": BASE, "parent": BASE, "attributes": ["uid", "cn", "sn", "mail", "manager"]}})  # fmt: skip
    client = LdapClient(LdapConnector.config_for(system(slapd.endpoint), login))
    await client.add(BASE, {"objectClass": [b"organizationalUnit"], "ou": [b"plug"]})
    await client.close()
    return await syncing.mapping(await source_of(syncing, folder), target, TO_LDAP)


async def agreed(
    syncing: Syncing, mapping: UUID, people: People, slapd: Slapd, before: int, wanted: Counter[str]
) -> None:
    """Both sides say the same, a second sync has nothing to do, and each entry was written once."""
    found = {line.removeprefix("uid: ") for entry in slapd.content() for line in entry.splitlines()
             if line.startswith(("uid: ", "uid:: ")) and BASE in entry.splitlines()[0]}  # fmt: skip
    assert len(found) == len(people.rows)
    again = await syncing.run(mapping)
    assert (again.status, await syncing.changes(again)) == ("succeeded", [])
    made = slapd.audit()[before:]
    twice = {line: times for line, times in Counter(made).items() if times > 1}
    assert not twice, twice
    kinds = Counter(line.partition(" ")[0] for line in made)
    assert all(kinds[kind] <= wanted[kind] for kind in kinds), (kinds, wanted)


async def finish(syncing: Syncing, operation: Any) -> None:
    """As the queue does: the task is tried again until it has ended."""
    for attempt in range(5):
        try:
            done = await syncing.apply(operation)
        except ConnectorError as error:
            assert error.retryable, error
            continue
        assert done.status == "succeeded", (attempt, done.error, await syncing.changes(done))
        return
    raise AssertionError("it never ended")


async def begun(syncing: Syncing, mapping: UUID) -> tuple[Any, Counter[str]]:
    planned = await syncing.plan(mapping)
    assert planned.status == "awaiting_approval", planned
    await syncing.approve(planned)
    counts = planned.counts
    return planned, Counter(add=counts.get("create", 0), modify=counts.get("update", 0), delete=counts.get("delete", 0))


@pytest.mark.slow(reason="a directory server is killed and started again at each point")
async def test_a_directory_that_is_killed_in_the_middle_of_a_sync_agrees_afterwards(
    syncing: Syncing, slapd: Slapd, people: People, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_connections, "retry_pause", lambda error, attempt: 0.01)  # it is back at once
    mapping = await to_ldap(syncing, slapd, tmp_path)
    ask, calls, kill_at = LdapClient._ask, 0, people.dice.randrange(2, 60)

    async def dying(self: LdapClient, what: Any) -> Any:
        nonlocal calls, kill_at
        calls += 1
        if calls != kill_at:
            return await ask(self, what)
        asked = asyncio.ensure_future(ask(self, what))
        await asyncio.sleep(people.dice.random() * 0.002)  # before, while or after it answers
        slapd.kill()
        slapd.start()
        return await asked

    monkeypatch.setattr(LdapClient, "_ask", dying)
    for point in range(POINTS):
        planned, wanted = await begun(syncing, mapping)
        before, calls, kill_at = len(slapd.audit()), 0, people.dice.randrange(2, 60)
        await finish(syncing, planned)
        assert calls > kill_at, "it was not killed"
        print(f"directory killed at its call {kill_at} of {calls}")
        kill_at = 0
        await agreed(syncing, mapping, people, slapd, before, wanted)
        if point + 1 < POINTS:
            people.move()


@pytest.mark.slow(reason="a process of its own is started and killed at each point")
async def test_a_process_that_is_killed_in_the_middle_of_a_sync_is_followed_by_one_that_ends_it(
    instance: Instance, syncing: Syncing, slapd: Slapd, people: People, tmp_path: Path
) -> None:
    mapping = await to_ldap(syncing, slapd, tmp_path)
    for point in range(POINTS):
        planned, wanted = await begun(syncing, mapping)
        before, call = len(slapd.audit()), people.dice.randrange(2, 60)
        when = people.dice.choice(["before", "after"])
        script = Path(__file__).parent / "dying_sync.py"
        process = program(script, instance.home, syncing.tenant_id, tmp_path, planned.id, call, when)
        assert await in_thread(process.wait, 60) == -signal.SIGKILL, process.told()
        print(f"our process killed {when} its call {call}")
        await finish(syncing, planned)
        await agreed(syncing, mapping, people, slapd, before, wanted)
        if point + 1 < POINTS:
            people.move()


async def test_undo_restores_a_directory_exactly(
    syncing: Syncing, slapd: Slapd, people: People, tmp_path: Path
) -> None:
    mapping = await to_ldap(syncing, slapd, tmp_path)
    await syncing.run(mapping)
    await _undone(syncing, mapping, people, slapd.content)


async def test_undo_restores_a_table_exactly(
    syncing: Syncing, postgres: Postgres, people: People, tmp_path: Path
) -> None:
    with psycopg.connect(postgres.dsn(), autocommit=True) as admin:
        admin.execute("drop table if exists undone; create table undone (id serial primary key, login text unique,"
                      " name text, last text, mail text, by_us timestamptz default clock_timestamp(), raw bytea"
                      " default '\\x00ff', doc jsonb default '{\"a\": [1, 2.5]}', price numeric(8,3) default 1.250);"
                      " grant all on undone to shop; grant all on all sequences in schema public to shop")  # fmt: skip

        def dump() -> list[str]:
            with admin.cursor().copy("copy undone to stdout") as rows:
                return sorted(bytes(row).decode() for row in rows)

        fields = [{"target": name, "source": name} for name in ("login", "name", "last", "mail")]
        target = await syncing.system("db", "database", postgres.endpoint(), {"username": "shop"},
                                      resources={"undone": {"table": "undone", "key": "id"}})  # fmt: skip
        mapping = await syncing.mapping(
            await source_of(syncing, tmp_path), target,
            {**TO_LDAP, "target_resource": "undone", "key": "login", "fields": fields},
        )  # fmt: skip
        await syncing.run(mapping)
        await _undone(syncing, mapping, people, dump)


async def test_undo_restores_a_file_byte_by_byte(syncing: Syncing, people: People, tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    target.write_bytes(b'\xef\xbb\xbf"login";"name";"note"\r\n' + b"".join(
        f'"u{number}";"Old {number}";"kept ""{number}"""\r\n'.encode() for number in range(1, 60, 2)))  # fmt: skip
    out = await syncing.system("out", "file_system", f"file://{tmp_path}",
                                  resources={"out": {"file": "out.csv", "key": "login"}})  # fmt: skip
    fields = [{"target": "login", "source": "login"}, {"target": "name", "source": "name"}]
    mapping = await syncing.mapping(
        await source_of(syncing, tmp_path), out, {**TO_LDAP, "target_resource": "out", "key": "login",
                                                     "fields": fields})  # fmt: skip
    before = target.read_bytes()
    first = await syncing.run(mapping)
    assert first.status == "succeeded" and target.read_bytes() != before
    undone = await syncing.undo(first)
    assert undone.status == "succeeded" and target.read_bytes() == before
    await syncing.run(mapping)
    await _undone(syncing, mapping, people, target.read_bytes)


async def _undone(syncing: Syncing, mapping: UUID, people: People, content: Callable[[], Any]) -> None:
    before = content()
    people.move()
    done = await syncing.run(mapping)
    assert done.status == "succeeded", (done.error, await syncing.changes(done))
    assert {name for name in ("create", "update", "delete") if done.counts.get(name)} == {"create", "update", "delete"}
    assert content() != before
    undone = await syncing.undo(done)
    assert undone.status == "succeeded", (undone.error, [c for c in await syncing.changes(undone) if c.problem])
    assert content() == before

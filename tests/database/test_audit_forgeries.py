"""Who holds the database, as its superuser, forges the audit log in every way that we thought of: each is named.

Each forgery is done on a log of six entries, sealed and witnessed; then the sealer runs, the witness looks, and the
log is verified, as a running instance would. What the database alone can't tell is told by the witness.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from opsteward.core.crypto import SecretBox
from opsteward.core.db import Database
from opsteward.telemetry import audit
from opsteward.telemetry.audit.chain import end_hash
from opsteward.telemetry.audit.verification import Verdict
from opsteward.telemetry.audit.witness_files import HOME_FILE, Witnesses
from opsteward.telemetry.audit.witnessing import Witnessing
from opsteward.telemetry.audit.writer import AuditWriter
from support.instance import Tenant

E, S, P, H = (f"opsteward.audit_{table}" for table in ("entries", "seals", "pending", "heads"))
COLUMNS = (
    "tenant_id, at, actor, verb, object_type, object_id, correlation_id, detail, writer, writer_number,"
    " writer_before, mark"
)
OF = "tenant_id = '{tenant}'"
NTH = f"(select entry_id from {S} where {OF} and seq = {{seq}})"
RESEAL = (
    f"delete from {S} where {OF}; delete from {H} where {OF}; delete from {P} where {OF};"
    f" insert into {P} (tenant_id, entry_id) select tenant_id, id from {E} where {OF};"
)


@dataclass(kw_only=True)
class Log:
    """A tenant's log, its sealer and the witness of one machine."""

    tenant: Tenant
    witnesses: Witnesses
    home: Path
    db: Database | None = None

    @property
    def key(self) -> bytes:
        return self.tenant.instance.services.box.audit_key()

    def forge(self, statements: str, **values: object) -> None:
        """As superuser, in one transaction and past all triggers."""
        filled = statements.format(tenant=self.tenant.id, **values)
        past_triggers = "perform set_config('session_replication_role', 'replica', true)"
        self.tenant.instance.sql(f"do $$ begin {past_triggers}; {filled} end $$")

    async def write(self, count: int = 1) -> None:
        async with (self.db or self.tenant.instance.services.web).unit_of_work(self.tenant.id) as session:
            for number in range(count):
                await audit.record(
                    session, actor="system:test", verb="test", object_type="test", object_id=str(number),
                    detail={"number": number},
                )  # fmt: skip

    async def seal(self) -> None:
        sealed = 1
        while sealed:
            async with self.tenant.instance.services.app.unit_of_work(self.tenant.id) as session:
                sealed = await audit.seal(session, key=self.key)

    async def look(self) -> None:
        await Witnessing(self.db or self.tenant.instance.services.app, self.witnesses, key=self.key).look()

    async def verify(self, *, with_witness: bool = True) -> Verdict:
        views = self.witnesses.views(self.tenant.id) if with_witness else ()
        async with self.tenant.instance.services.app.unit_of_work(self.tenant.id) as session:
            return await audit.verify(session, key=self.key, witnesses=views)


@pytest.fixture
async def log(tenant: Tenant, tmp_path: Path) -> Log:
    """Three entries of the tenant's making, then three more, each committed alone."""
    one = Log(tenant=tenant, witnesses=Witnesses(tenant.instance.services.box.audit_key(), tmp_path), home=tmp_path)
    for _ in range(3):
        await one.write()
    await one.seal()
    await one.look()
    assert (await one.verify()).ok
    return one


#: What is done; what verification says of it (each a part of a problem); whether it is seen without a witness.
FORGERIES: dict[str, tuple[str, tuple[str, ...], bool]] = {
    "an entry altered": (
        f"update {E} set actor = 'operator:x' where id = {NTH.format(tenant='{tenant}', seq=2)};",
        ("entry 2", "altered after it was sealed"),
        True,
    ),
    "altered and all sealed anew": (
        f"update {E} set detail = '{{{{}}}}' where id = {NTH.format(tenant='{tenant}', seq=5)};{RESEAL}",
        ("kept out of the chain, it is not as its writer marked it", "sealed anew"),
        True,
    ),
    "removed and all sealed anew": (
        f"delete from {E} where id = {NTH.format(tenant='{tenant}', seq=5)};{RESEAL}",
        ("committed, but not there", "saw them sealed"),
        True,
    ),
    "the last removed and all sealed anew": (
        f"delete from {E} where id = {NTH.format(tenant='{tenant}', seq=6)};{RESEAL}",
        ("entries 6 to 6: witness of this machine saw them sealed",),
        False,
    ),
    "its mark taken away, and sealed anew": (
        f"update {E} set mark = null, writer = null where id = {NTH.format(tenant='{tenant}', seq=4)};{RESEAL}",
        ("kept out of the chain, it has no mark",),
        True,
    ),
    "its time altered, so that it comes first, and sealed anew": (
        f"update {E} set at = at - interval '1 day' where id = {NTH.format(tenant='{tenant}', seq=6)};{RESEAL}",
        ("kept out of the chain, it is not as its writer marked it",),
        True,
    ),
    "its number among its writer's altered": (
        f"update {E} set writer_before = 0, writer_number = 99 where id = {NTH.format(tenant='{tenant}', seq=6)};",
        ("entry 6", "altered after it was sealed"),
        True,
    ),
    "two reordered": (
        f"update {S} set seq = -seq where {OF} and seq in (4, 5); update {S} set seq = 9 + seq where {OF} and seq < 0;",
        ("entry 4", "not in its place"),
        True,
    ),
    "an entry copied under another id": (
        f"insert into {E} (id, {COLUMNS}) select '{uuid4()}', {COLUMNS} from {E} where id ="
        f" {NTH.format(tenant='{tenant}', seq=4)};"
        f" insert into {P} (tenant_id, entry_id) select e.tenant_id, e.id from {E} e where e.{OF} and not exists"
        f" (select from {S} s where s.entry_id = e.id);",
        ("kept out of the chain, it is not as its writer marked it",),
        True,
    ),
    "an entry made up": (
        f"insert into {E} (id, tenant_id, at, actor, verb, object_type, object_id, correlation_id, detail) values"
        f" ('{{new}}', '{{tenant}}', now(), 'operator:x', 'v', 'o', 'i', '', '{{{{}}}}');"
        f" insert into {P} (tenant_id, entry_id) values ('{{tenant}}', '{{new}}');",
        ("kept out of the chain, it has no mark",),
        True,
    ),
    "a sealed entry put down to be sealed again": (
        f"insert into {P} (tenant_id, entry_id) values ('{{tenant}}', {NTH.format(tenant='{tenant}', seq=4)});",
        ("kept out of the chain, it is in the chain already",),
        True,
    ),
    "the end cut off, with its record": (
        f"delete from {E} where id = {NTH.format(tenant='{tenant}', seq=6)}; delete from {S} where {OF} and seq = 6;"
        f" delete from {H} where {OF};",
        ("saw them sealed",),
        True,
    ),
    "all seals removed": (f"delete from {S} where {OF};", ("entries 1 to 6: cut off the end",), True),
    "the log emptied": (
        f"delete from {E} where {OF}; delete from {S} where {OF}; delete from {H} where {OF};",
        ("saw them sealed",),
        True,
    ),
}


@pytest.mark.parametrize("name", FORGERIES)
async def test_a_forgery_is_named(log: Log, name: str) -> None:
    statements, told, without_witness = FORGERIES[name]
    log.forge(statements.replace("{new}", str(uuid4())))
    await log.seal()
    assert (await log.verify(with_witness=False)).ok is not without_witness
    found = await log.verify()
    assert not found.ok
    for part in told:
        assert any(part in problem for problem in found.problems), found.problems
    await log.look()
    await log.write()
    await log.seal()
    assert not (await log.verify()).ok, "it is not named any more once further entries were sealed"


async def test_an_entry_of_another_tenant_is_none_of_ours(log: Log, other_tenant: Tenant) -> None:
    log.forge(
        f"insert into {E} (id, {COLUMNS}) select '{{new}}', '{{tenant}}'::uuid, {COLUMNS.partition(', ')[2]} from {E}"
        f" where tenant_id = '{{other}}' limit 1;"
        f" insert into {P} (tenant_id, entry_id) values ('{{tenant}}', '{{new}}');",
        new=uuid4(),
        other=other_tenant.id,
    )
    await log.seal()
    assert any("it is not as its writer marked it" in problem for problem in (await log.verify()).problems)


async def test_what_waits_can_neither_be_altered_nor_removed_unseen(log: Log) -> None:
    """Removed with the note that it waits, it is missed by the next entry of its writer."""
    await log.write()
    log.forge(f"update {E} set actor = 'operator:x' where {OF} and not exists (select from {S} where entry_id = id);")
    assert any("not as a process of ours wrote it" in problem for problem in (await log.verify()).problems)
    await log.seal()
    assert any("kept out of the chain" in problem for problem in (await log.verify()).problems)


async def test_what_was_dropped_while_it_waited_is_missed(log: Log) -> None:
    await log.write()
    log.forge(
        f"delete from {E} where {OF} and not exists (select from {S} where entry_id = id); delete from {P} where {OF};"
    )
    await log.write()
    await log.seal()
    assert any("committed, but not there" in problem for problem in (await log.verify()).problems)


async def test_what_is_refused_is_in_the_log_for_good(log: Log) -> None:
    made_up = uuid4()
    log.forge(FORGERIES["an entry made up"][0].replace("{new}", str(made_up)))
    await log.seal()
    await log.seal()
    async with log.tenant.instance.services.web.unit_of_work(log.tenant.id) as session:
        [entry] = [e for e in await audit.list_entries(session) if e.verb == "audit.entry_refused"]
    assert (entry.actor, entry.object_id) == ("system:sealer", str(made_up))


async def test_rolled_back_and_repeated_entries_are_no_gaps(log: Log) -> None:
    services = log.tenant.instance.services
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            async with services.web.unit_of_work(log.tenant.id) as session:
                await audit.record(session, actor="a", verb="v", object_type="o", object_id="i")
                raise ZeroDivisionError
        entry_id = uuid4()
        for _ in range(2):
            async with services.web.unit_of_work(log.tenant.id) as session:
                await audit.record(session, actor="a", verb="v", object_type="o", object_id="i", entry_id=entry_id)
        async with services.web.unit_of_work(log.tenant.id) as session:
            await audit.record(session, actor="a", verb="v", object_type="o", object_id="i")
            with pytest.raises(ZeroDivisionError):
                async with session.begin_nested():
                    await audit.record(session, actor="a", verb="v", object_type="o", object_id="i")
                    raise ZeroDivisionError
        row = {"actor": "a", "verb": "v", "object_type": "o", "object_id": "i", "detail": {}}
        async with services.app.unit_of_work(log.tenant.id) as session:
            await audit.record_all(session, [row] * 5)
    await log.seal()
    assert (await log.verify()).problems == []


async def test_whatever_a_detail_holds_its_mark_is_right_when_read_back(log: Log) -> None:
    """The database keeps numbers as decimals, and keys in another order."""
    details = [
        {"f": [0.1, 1.0, -0.0, 1e16, 1e22, 1e300, 1e-7, 5e-324, 1.7976931348623157e308, 123456789.123456789]},
        {"i": [0, -1, 2**53 + 1, 10**40], "b": [True, None, False]},
        {"z": {"b": 1, "a": {"y": [], "x": {}}}, "ä": 'ß\u2028\U0001f600\\"/\x7f', "": ""},
        {10: "integer keys", 9: (1, 2)},
    ]
    async with log.tenant.instance.services.web.unit_of_work(log.tenant.id) as session:
        for detail in details:
            await audit.record(session, actor="a", verb="v", object_type="o", object_id="i", detail=detail)  # type: ignore[arg-type]
    await log.seal()
    assert (await log.verify()).problems == []


# The witnesses


async def test_a_witness_that_was_away_is_behind_and_no_problem(log: Log) -> None:
    await log.write(3)
    await log.seal()
    found = await log.verify()
    assert found.ok
    [report] = found.witnesses
    assert (report.agrees_to, report.newest, found.sealed) == (6, 6, 9)


async def test_a_new_machine_has_seen_nothing_yet(log: Log, tmp_path: Path) -> None:
    (log.home / HOME_FILE).unlink()
    found = await log.verify()
    assert found.ok
    assert (found.witnesses[0].agrees_to, found.witnesses[0].newest_at) == (0, None)
    await log.look()
    assert (await log.verify()).witnesses[0].agrees_to == 6


async def test_a_database_from_a_backup_is_named_by_what_it_lacks(log: Log) -> None:
    """Until the witness's file is put aside, by somebody who knows of the backup."""
    await log.write(4)
    await log.seal()
    await log.look()
    newer = f"(select entry_id from {S} where {OF} and seq > 6)"
    log.forge(
        f"delete from {E} where id in {newer}; delete from {S} where {OF} and seq > 6;"
        f" update {H} set seq = 6, hash = '{{head}}' where {OF};",
        head=_head_at(log, 6),
    )
    services = log.tenant.instance.services
    log.db = Database(services.urls.app, name="restarted", session_info=AuditWriter(log.key).session_info)
    assert (await log.verify(with_witness=False)).ok
    found = await log.verify()
    [problem] = found.problems
    assert problem.startswith("entries 7 to 10: witness of this machine saw them sealed at 20")
    assert found.witnesses[0].agrees_to == 6
    await log.look()
    await log.write(8)
    await log.seal()
    await log.look()
    assert any("from entry 7 on it was sealed anew" in problem for problem in (await log.verify()).problems)
    (log.home / HOME_FILE).rename(log.home / "before-the-backup")
    assert (await log.verify()).ok
    await log.db.close()


def _head_at(log: Log, seq: int) -> str:
    sealed = f"select hash from {S} where tenant_id = %s and seq = %s"
    [(last,)] = log.tenant.instance.sql(sealed, log.tenant.id, seq)
    return end_hash(log.tenant.id, seq=seq, last=str(last), key=log.key)


@pytest.fixture
def elsewhere(log: Log, tmp_path: Path) -> Iterator[Path]:
    """A second place, as a mount from another machine."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    log.witnesses = Witnesses(log.key, log.home, [folder])
    yield folder


async def test_the_second_place_tells_what_who_has_the_home_as_well_did(log: Log, elsewhere: Path) -> None:
    """With database and home one has the key: a whole log made anew verifies, but for the witness out of reach."""
    await log.write()
    await log.seal()
    await log.look()
    log.forge(f"delete from {E} where {OF}; delete from {S} where {OF}; delete from {H} where {OF};")
    (log.home / HOME_FILE).unlink()
    await log.write(9)
    await log.seal()
    own, other = log.witnesses.views(log.tenant.id)
    assert (own.name, len(own.statements)) == ("of this machine", 0)
    assert other.name.startswith("elsewhere/audit-heads-")
    found = await log.verify()
    assert any("witness elsewhere/" in problem and "sealed anew" in problem for problem in found.problems)


async def test_a_witness_that_cannot_be_read_or_was_written_by_others_is_named(log: Log, elsewhere: Path) -> None:
    await log.write()
    await log.seal()
    await log.look()
    [file] = elsewhere.iterdir()
    lines = file.read_text().splitlines()
    file.write_text("\n".join([*lines, lines[-1].replace('"seq":7', '"seq":8'), "nonsense", "{}", '{"half']))
    problems = (await log.verify()).problems
    assert [problem.partition(": ")[2] for problem in problems] == [
        f"line {len(lines) + n} was not written by this installation" for n in (1, 2, 3)
    ]
    await log.write()
    await log.seal()
    await log.look()  # goes on after the half line
    assert log.witnesses.views(log.tenant.id)[1].statements[-1].seq == 8
    file.unlink()
    elsewhere.rmdir()
    assert any("its folder can't be read" in problem for problem in (await log.verify()).problems)
    await log.write()
    await log.seal()
    await log.look()  # the home's own file is written all the same
    assert log.witnesses.newest()[log.tenant.id].seq == 9


async def test_the_file_is_its_owners_alone(log: Log) -> None:
    assert (log.home / HOME_FILE).stat().st_mode & 0o777 == 0o600


async def test_another_installations_witness_vouches_for_nothing(log: Log) -> None:
    foreign = Witnesses(SecretBox(b"f" * 32).audit_key(), log.home)
    assert foreign.views(log.tenant.id)[0].statements == []
    assert foreign.newest() == {}


async def test_a_writer_with_another_key_is_refused(log: Log) -> None:
    writing = AuditWriter(SecretBox(b"f" * 32).audit_key()).session_info
    forger = Database(log.tenant.instance.services.urls.app, name="forger", session_info=writing)
    async with forger.unit_of_work(log.tenant.id) as session:
        await audit.record(session, actor="a", verb="v", object_type="o", object_id="i")
    await forger.close()
    await log.seal()
    assert any("kept out of the chain" in problem for problem in (await log.verify()).problems)

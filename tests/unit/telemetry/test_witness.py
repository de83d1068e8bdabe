"""The witnesses' files: what is added is there, in order and bounded, whoever else adds."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from opsteward.telemetry.audit import witness_files
from opsteward.telemetry.audit.witness_files import HOME_FILE, Statement, Witnesses

KEY = b"k" * 32
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
ONE = UUID(int=1)


def said(seq: int, tenant: UUID = ONE, *, hours: float = 0, breaks: bool = False, hashed: str = "") -> Statement:
    at = BEGIN + timedelta(hours=hours)
    return Statement(tenant_id=tenant, seq=seq, hash=hashed or f"{seq:064}", at=at, breaks=breaks)


def test_what_was_said_is_read_back(tmp_path: Path) -> None:
    witnesses, other = Witnesses(KEY, tmp_path), uuid4()
    assert witnesses.newest() == {}
    assert witnesses.add([said(1), said(5, other), said(3)]) == []
    assert witnesses.newest() == {ONE: said(3), other: said(5, other)}
    [view] = witnesses.views(ONE)
    assert list(view.statements) == [said(1), said(3)]
    assert view.troubles == []


@pytest.mark.parametrize(
    "change", [('"seq":1', '"seq":2'), ("2026-01-01", "2026-01-02"), ('"digest":"', '"digest":"0')]
)
def test_an_altered_line_says_nothing(tmp_path: Path, change: tuple[str, str]) -> None:
    witnesses = Witnesses(KEY, tmp_path)
    witnesses.add([said(1)])
    file = tmp_path / HOME_FILE
    file.write_text(file.read_text().replace(*change, 1))
    [view] = witnesses.views(ONE)
    assert (list(view.statements), list(view.troubles)) == ([], ["line 1 was not written by this installation"])


def test_a_huge_or_binary_file_is_read_in_bounds(tmp_path: Path) -> None:
    (tmp_path / HOME_FILE).write_bytes(b"\xff" * 100_000 + b"\n" + b"\0\n" * 50 + b"[" * 900 + b"\n")
    [view] = Witnesses(KEY, tmp_path).views(ONE)
    assert view.statements == []
    assert len(view.troubles) == 10


def test_the_homes_file_is_thinned_out_to_what_still_vouches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each day the last, and both sides of a break; also when it is thinned out again."""
    monkeypatch.setattr(witness_files, "_THIN_OUT_AT", 20_000)
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    witnesses = Witnesses(KEY, tmp_path, [folder])
    lines = [said(n, hours=n) for n in range(1, 50)]
    lines += [said(20, hours=50, breaks=True, hashed="f" * 64), said(60, hours=51)]
    witnesses.add(lines)
    witnesses.add([said(n, hours=n) for n in range(61, 100)])
    own, other = witnesses.views(ONE)
    assert [one.seq for one in own.statements] == [23, 47, 49, 20, 71, 95, 99]
    assert len(other.statements) == 90
    witnesses.add([said(n, hours=n) for n in range(100, 190)])
    own, _ = witnesses.views(ONE)
    assert [one.seq for one in own.statements] == [23, 47, 49, 20, 71, 95, 119, 143, 167, 189]
    assert [one.seq for one in own.statements if one.breaks] == [20]
    assert (tmp_path / HOME_FILE).stat().st_mode & 0o777 == 0o600


def test_several_at_once_lose_no_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(witness_files, "_THIN_OUT_AT", 3_000)
    tenants = [uuid4() for _ in range(4)]

    def add(tenant: UUID) -> None:
        own = Witnesses(KEY, tmp_path)
        for seq in range(1, 30):
            assert own.add([said(seq, tenant)]) == []

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(add, tenants))
    assert {tenant: one.seq for tenant, one in Witnesses(KEY, tmp_path).newest().items()} == dict.fromkeys(tenants, 29)


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """No file of this process grows beyond `size` bytes: a write up to there is cut short, the next one fails."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_no_half_line_and_is_made_up_for(tmp_path: Path) -> None:
    witnesses = Witnesses(KEY, tmp_path)
    witnesses.add([said(1)])
    file = tmp_path / HOME_FILE
    with room_for(file.stat().st_size + 50):
        [trouble] = witnesses.add([said(2)])
        witnesses.add([said(3)])
    assert HOME_FILE in trouble
    assert witnesses.owes
    [view] = witnesses.views(ONE)
    assert (list(view.statements), list(view.troubles)) == ([said(1)], [])
    assert witnesses.add([]) == []
    assert not witnesses.owes
    [view] = witnesses.views(ONE)
    assert (list(view.statements), list(view.troubles)) == ([said(1), said(3)], [])


def test_half_a_line_of_a_machine_that_went_down_is_no_tampering(tmp_path: Path) -> None:
    witnesses = Witnesses(KEY, tmp_path)
    witnesses.add([said(1), said(2)])
    file = tmp_path / HOME_FILE
    file.write_bytes(file.read_bytes()[:-40])
    witnesses.add([said(3)])
    [view] = witnesses.views(ONE)
    assert (list(view.statements), list(view.troubles)) == ([said(1), said(3)], [])

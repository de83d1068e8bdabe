"""Homes as they come: copied, restored, moved, killed in the middle, full, closed, of another version.

Each works, or is refused in one sentence with a remedy.
"""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from opsteward.accounts.tenants import create_tenant
from opsteward.app.services import build_services, leave_server
from opsteward.app.settings import load_settings
from opsteward.cli.doctor import _examine
from opsteward.core.embedded_postgres import EmbeddedPostgres
from opsteward.core.errors import Invalid, OpsError, Unavailable
from opsteward.core.home import HomeLocks, prepare_home
from opsteward.core.secret_key import load_secret
from support.homes import temporary_home, without_settings
from support.instance import Instance

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount or to be somebody else")


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    without_settings(monkeypatch)
    with temporary_home() as folder:
        yield folder


def _serves(home: Path) -> bool:
    server = EmbeddedPostgres(home)
    server.ensure_running()
    with psycopg.connect(server.url("opsteward")) as conn:
        return conn.execute("select count(*) from opsteward.installation").fetchone() == (1,)


def _refusal(home: Path) -> str:
    with pytest.raises(OpsError) as caught:
        build_services(load_settings(home=home))
    error = caught.value
    assert error.remedy or all(problem.remedy for problem in error.problems)
    assert "Traceback" not in error.detail
    return error.detail


def _end(server: EmbeddedPostgres, how: signal.Signals) -> int:
    pid = server.pid()
    assert pid is not None
    os.kill(pid, how)
    deadline = time.monotonic() + 20
    while Path(f"/proc/{pid}/cwd").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    return pid


def test_a_killed_server_starts_again_though_its_pid_is_another_programs(home: Path) -> None:
    assert _serves(home)
    server = EmbeddedPostgres(home)
    _end(server, signal.SIGKILL)
    file = home / "postgres" / "postmaster.pid"
    lines = file.read_text().splitlines()
    other = subprocess.Popen(["sleep", "600"], user=file.stat().st_uid if os.geteuid() == 0 else None)
    try:
        file.write_text("\n".join([str(other.pid), *lines[1:]]) + "\n")
        assert server.pid() is None
        assert _serves(home)
    finally:
        other.kill()
        other.wait()


def test_a_home_copied_while_it_runs_has_a_server_of_its_own(home: Path) -> None:
    assert _serves(home)
    with temporary_home(empty=True) as copy:
        subprocess.run(["cp", "-a", f"{home}/.", str(copy)], check=True)
        assert EmbeddedPostgres(copy).pid() is None
        assert _serves(copy)
        assert EmbeddedPostgres(copy).pid() != EmbeddedPostgres(home).pid()
    assert EmbeddedPostgres(home).pid() is not None


def test_a_home_copied_without_its_modes_starts(home: Path) -> None:
    (home / "postgres").chmod(0o755)
    shutil.rmtree(home / "run", ignore_errors=True)
    assert _serves(home)
    assert stat.S_IMODE((home / "postgres").stat().st_mode) == 0o700


@pytest.mark.parametrize("name", ["with two  spaces", "ünïcödé 家", "plus+percent%20", "it's"])
def test_a_home_of_an_odd_name_serves(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    without_settings(monkeypatch)
    with temporary_home() as folder:
        odd = folder / name
        odd.mkdir(mode=0o711)
        for entry in list(folder.iterdir()):
            if entry != odd:
                entry.rename(odd / entry.name)
        try:
            services = build_services(load_settings(home=odd))
            with psycopg.connect(services.urls.web) as conn:
                assert conn.execute("select 1").fetchone() == (1,)
        finally:
            leave_server(load_settings(home=odd).core)


def test_a_home_whose_name_no_socket_can_have_is_refused(home: Path) -> None:
    for char in ',"$`\\\n':
        assert "its path has one of" in _refusal(home / f"a{char}b")
    assert "too long" in _refusal(home / ("ü" * 45))


def test_a_home_of_another_major_version_is_refused(home: Path) -> None:
    (home / "postgres" / "PG_VERSION").write_text("16\n")
    assert "its database is of PostgreSQL 16, and this Opsteward brings 18" in _refusal(home)


def test_a_home_that_has_lost_files_is_refused_and_nothing_made_anew(home: Path) -> None:
    (home / "postgres" / "global" / "pg_control").unlink()
    assert "incomplete" in _refusal(home)
    assert (home / "postgres" / "PG_VERSION").exists()


@as_root
def test_a_home_of_another_users_server_is_refused(home: Path) -> None:
    os.chown(home / "postgres", 65534, 65534)
    assert "its database belongs to nobody" in _refusal(home)


def test_a_damaged_control_file_is_said_in_the_servers_words(home: Path) -> None:
    control = home / "postgres" / "global" / "pg_control"
    control.write_bytes(b"\0" * control.stat().st_size)
    assert "PostgreSQL" in _refusal(home)


@as_root
@pytest.mark.parametrize("size", ["8m", "40m"])
def test_a_first_start_on_a_full_disk_says_so_and_goes_on_when_there_is_room(size: str, home: Path) -> None:
    disk = home / "disk"
    disk.mkdir(mode=0o711)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0711", "none", str(disk)], check=True)
    try:
        said = _refusal(disk)
        assert "is full" in said or "No space left" in said
        assert not list(disk.glob("postgres.*")), "nothing half made stays"
        subprocess.run(["mount", "-o", "remount,size=300m", str(disk)], check=True)
        build_services(load_settings(home=disk))
        leave_server(load_settings(home=disk).core)
        assert EmbeddedPostgres(disk).pid() is None
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


@as_root
def test_a_home_on_a_disk_that_can_only_be_read_is_refused(home: Path) -> None:
    disk = home / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "none", str(disk)], check=True)
    try:
        assert "Read-only file system" in _refusal(disk)
        assert "Read-only file system" in _refusal(disk / "below")
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@as_root
def test_a_home_that_another_user_owns_is_refused_to_an_ordinary_one(home: Path) -> None:
    """As the user `nobody`, in a process of its own."""
    script = (
        "from pathlib import Path; from opsteward.core.home import *; from opsteward.core.errors import *\n"
        f"home = Path({str(home)!r})\n"
        "try:\n prepare_home(home)\n with HomeLocks.of(home).starting(): print('taken')\n"
        "except OpsError as error: print(error.detail)"
    )
    try:
        said = subprocess.run(
            [sys.executable, "-c", script], user=65534, group=65534, extra_groups=[], cwd="/",
            env={"PYTHONPATH": os.pathsep.join(sys.path)}, capture_output=True, text=True, check=False,
        )  # fmt: skip
    except PermissionError:
        pytest.skip("this Python is closed to other users, who so can't even try")
    assert "can't be used: Permission denied" in said.stdout, said.stderr


def test_the_locks_are_closed_to_others(home: Path) -> None:
    with HomeLocks.of(home).starting():
        assert stat.S_IMODE((home / "locks").stat().st_mode) == 0o700
        assert stat.S_IMODE((home / "locks" / "start").stat().st_mode) == 0o600


def test_a_start_that_others_hold_up_ends_and_names_them(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opsteward.core.home._WAIT_LIMIT", 1.0)
    script = (
        "import sys; from pathlib import Path; from opsteward.core.home import HomeLocks\n"
        f"with HomeLocks.of(Path({str(home)!r})).starting():\n print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as p:
        assert p.stdout is not None
        assert p.stdout.readline() == "held\n"
        with pytest.raises(Unavailable, match=rf"process {p.pid} has been starting"):
            EmbeddedPostgres(home).ensure_running()
        p.kill()
    EmbeddedPostgres(home).ensure_running()


# -- the secret key ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "is missing, though this home was in use"),
        (b"", "is empty"),
        (b"AAAA", "is cut off: 3 bytes of 32"),
        (b"\xff\xfe not a key", "is damaged"),
        (b"QUFB" * 11, "another secret key"),
    ],
)
def test_a_used_home_starts_with_its_own_key_alone(home: Path, content: bytes | None, said: str) -> None:
    key = home / "secret.key"
    kept = key.read_bytes()
    key.unlink()
    if content is not None:
        key.write_bytes(content)
        key.chmod(0o600)
    assert said in _refusal(home)
    assert (key.read_bytes() if key.exists() else None) == content, "nothing replaced in silence"
    assert EmbeddedPostgres(home).pid() is None
    key.write_bytes(kept)
    build_services(load_settings(home=home))


def test_a_key_that_is_written_is_whole_and_private(tmp_path: Path) -> None:
    prepare_home(tmp_path / "home")
    load_secret(None, tmp_path / "home")
    (key,) = (tmp_path / "home").iterdir()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert len(key.read_bytes()) == 44


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o644])
def test_doctor_tells_of_a_key_that_others_may_read(home: Path, mode: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPSTEWARD_HOME", str(home))
    key = home / "secret.key"
    assert {f.check: f.status for f in _examine()}["secret key"] == "ok"
    key.chmod(mode)
    (finding,) = [f for f in _examine() if f.check == "secret key"]
    assert finding.status == "failed"
    assert f"{mode:04o}" in finding.detail
    assert "chmod 600" in finding.remedy


def test_doctor_makes_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPSTEWARD_HOME", str(tmp_path))
    assert {f.check: f.status for f in _examine()}["secret key"] == "ok"
    (tmp_path / "token").write_text("x")
    assert {f.check: f.status for f in _examine()}["secret key"] == "failed"
    assert not (tmp_path / "secret.key").exists()


def test_a_foreign_key_setting_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPSTEWARD_SECRET_KEY", "QUFB" * 11)
    with pytest.raises(Invalid, match="another secret key"):
        build_services(load_settings(home=home))


@as_root
async def test_a_token_that_does_not_fit_on_the_disk_makes_no_tenant(instance: Instance, tmp_path: Path) -> None:
    disk, name = tmp_path / "disk", f"t-{uuid4().hex}"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k,mode=0711", "none", str(disk)], check=True)
    try:
        (disk / "filler").write_bytes(b"x" * 4096)
        with pytest.raises(Unavailable, match="is full"):
            await create_tenant(instance.services.web, name=name, operator="ada", actor="system:test", home=disk)
        assert [path.name for path in disk.iterdir()] == ["filler"], "no half of a token stays"
        (disk / "filler").unlink()
        made = await create_tenant(instance.services.web, name=name, operator="ada", actor="system:test", home=disk)
        assert (disk / "token").read_text() == made.token
        assert (disk / "token").stat().st_mode & 0o777 == 0o600
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)

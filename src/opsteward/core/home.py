"""The home folder: made private, locked while something in it starts or stops, and its troubles said in our words."""

from __future__ import annotations

import errno
import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from opsteward.core.errors import Invalid, Unavailable

_WAIT_LIMIT = 120.0  # seconds; a first start under load takes some twenty
_SAY_AFTER = 3.0
_SAY_EVERY = 15.0
_FULL = (errno.ENOSPC, errno.EDQUOT)


def prepare_home(home: Path) -> None:
    """Make the home: closed to others; for root open to pass through (not to read), for the server's own user.

    Raises Invalid or Unavailable that says what is wrong with it.
    """
    mode = 0o711 if os.geteuid() == 0 else 0o700
    with home_troubles(home):
        if not home.exists():
            home.mkdir(mode=mode, parents=True)
            home.chmod(mode)
        elif not home.is_dir():
            raise Invalid.field("OPSTEWARD_HOME", "is not a folder", "name a folder, or a path that does not exist yet")
        elif os.geteuid() == 0 and home.stat().st_uid == 0:
            home.chmod(mode)


@contextmanager
def home_troubles(home: Path) -> Iterator[None]:
    """What the system refuses us in the home, as an error with its remedy."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise Unavailable(
                f"the disk of {home} is full", remedy="free space there, or give Opsteward a larger disk"
            ) from error
        where = error.filename or home
        raise Invalid.field(
            "OPSTEWARD_HOME",
            f"{where} can't be used: {error.strerror or error}",
            "name a folder that belongs to the user who runs Opsteward, on a disk that can be written",
        ) from error


def sync_folder(folder: Path) -> None:
    """Names made or changed in the folder outlive a power loss."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_private(path: Path, text: str, *, replace: bool) -> None:
    """Write a file that only its owner may read, whole or not at all, also when the power fails.

    Raises FileExistsError when it is there and `replace` is false; OSError.
    """
    half = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    fd = os.open(half, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(fd, "w") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            half.rename(path)
        else:
            os.link(half, path)
        sync_folder(path.parent)
    finally:
        half.unlink(missing_ok=True)


class HomeLocks:
    """The two locks of one home, in a folder that nobody else can enter; the kernel frees them with the process.

    `starting()` is held by who starts, migrates or stops; `join()` marks this process as a user of the embedded
    server until `leave()` or its end.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._folder = home / "locks"
        self._turn = threading.RLock()
        self._depth = 0
        self._fd = -1
        self._user_fd = -1

    @staticmethod
    def of(home: Path) -> HomeLocks:
        """One for each home in this process."""
        with _registering:
            return _known.setdefault(home.absolute(), HomeLocks(home.absolute()))

    @contextmanager
    def starting(self) -> Iterator[int]:
        """One process at a time; a thread that holds it may take it again. Gives the lock's descriptor: a program
        that inherits it keeps the lock until it ends.

        Raises Unavailable, with the holder's process id, when it isn't free in time.
        """
        if not self._turn.acquire(timeout=_WAIT_LIMIT):
            raise self._not_free()
        try:
            if not self._depth:
                self._fd = self._acquire()
            self._depth += 1
            try:
                yield self._fd
            finally:
                self._depth -= 1
                if not self._depth:
                    os.close(self._fd)
        finally:
            self._turn.release()

    def join(self) -> None:
        """From now on this process uses the server. Call it with `starting()` held."""
        if self._user_fd < 0:
            self._user_fd = self._open("users")
            fcntl.flock(self._user_fd, fcntl.LOCK_SH)

    def leave(self) -> bool:
        """This process uses the server no longer. Returns whether no other process does. With `starting()` held."""
        if self._user_fd >= 0:
            os.close(self._user_fd)
            self._user_fd = -1
        fd = self._open("users")
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(fd)
        return True

    def _open(self, name: str) -> int:
        with home_troubles(self._home):
            self._folder.mkdir(mode=0o700, exist_ok=True)
            if self._folder.stat().st_mode & 0o077:
                self._folder.chmod(0o700)
            return os.open(self._folder / name, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)

    def _acquire(self) -> int:
        fd = self._open("start")
        began = time.monotonic()
        say_at = began + _SAY_AFTER
        try:
            while True:
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    moment = time.monotonic()
                    if moment - began > _WAIT_LIMIT:
                        raise self._not_free() from None
                    if moment > say_at:
                        say_at = moment + _SAY_EVERY
                        # what seals a text imports this file, and connectors do without the log's library
                        from opsteward.core.log import get_logger

                        log = get_logger(__name__)
                        log.warning("core.home.waits_for_other_process", home=str(self._home), holder=self._holder())
                    time.sleep(0.05)
            with home_troubles(self._home):
                os.truncate(fd, 0)
                with suppress(OSError):  # a full disk: only the name of the holder is missing then
                    os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        except BaseException:
            os.close(fd)
            raise
        return fd

    def _holder(self) -> str:
        try:
            pid = int((self._folder / "start").read_text())
        except (OSError, ValueError):
            return "another process"
        if Path(f"/proc/{pid}").exists():
            return f"process {pid}"
        return f"what process {pid}, which has ended, left running"

    def _not_free(self) -> Unavailable:
        return Unavailable(
            f"{self._holder()} has been starting or stopping Opsteward in {self._home} for over {_WAIT_LIMIT:g} s",
            remedy="see what that process does and end it if it hangs, then start again",
        )


_registering = threading.Lock()
_known: dict[Path, HomeLocks] = {}

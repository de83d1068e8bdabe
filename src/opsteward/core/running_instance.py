"""Which home an installation has here, and where the instance that runs in it is reached.

The command line asks here before anything heavy is imported: only the standard library at the top.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from opsteward.core.json_types import JsonObject

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 8080
_TOLD = "running"  # the file's name; locked as long as the instance lives
_TRIES, _PAUSE = 20, 0.05  # a reader holds the lock for a moment only
_ANY = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, never listened on


def default_home() -> Path:
    """`/var/lib/opsteward` for root, else the platform's user data folder."""
    if sys.platform != "win32" and os.geteuid() == 0:
        return Path("/var/lib/opsteward")
    from platformdirs import user_data_path

    return user_data_path("opsteward")


def toml_file() -> Path:
    """`opsteward.toml` in the working folder, else in `OPSTEWARD_HOME`."""
    here = Path("opsteward.toml")
    home = os.environ.get("OPSTEWARD_HOME")
    return here if here.exists() or not home else Path(home) / "opsteward.toml"


def present_home() -> Path:
    """The home that an instance started here and now would have."""
    given = os.environ.get("OPSTEWARD_HOME") or _configured().get("home")
    return Path(given).expanduser().absolute() if isinstance(given, str) else default_home()


def configured_url() -> tuple[str, str] | None:
    """(the address that environment or `opsteward.toml` set for an instance, what sets it), if one of them does."""
    of_file = _configured()
    host = os.environ.get("OPSTEWARD_HOST") or of_file.get("host")
    port = os.environ.get("OPSTEWARD_PORT") or of_file.get("port")
    if not (host or port) or str(port) == "0":
        return None
    by_environment = "OPSTEWARD_HOST" in os.environ or "OPSTEWARD_PORT" in os.environ
    source = "OPSTEWARD_HOST and OPSTEWARD_PORT" if by_environment else str(toml_file().absolute())
    return local_url(str(host or DEFAULT_HOST), str(port or DEFAULT_PORT)), source


def local_url(host: str, port: int | str) -> str:
    """How programs of this machine reach who listens there."""
    host = _ANY.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextmanager
def told_in_home(home: Path, url: str) -> Iterator[None]:
    """Let the command line find this instance by its home, until it ends, however it ends.

    Beside another instance of the same home nothing is written: that one stays the one that is found.
    """
    try:
        descriptor = os.open(home / _TOLD, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:  # a home that is only read: OPSTEWARD_URL says it then
        yield
        return
    try:
        if _locked(descriptor):
            os.ftruncate(descriptor, 0)
            os.write(descriptor, json.dumps({"url": url, "pid": os.getpid()}).encode())
        yield
    finally:
        os.close(descriptor)  # gives back the lock; what is written counts no more


def running_url(home: Path) -> str | None:
    """Where the instance that runs in this home is reached; None when none runs, or its home can't be read."""
    try:
        descriptor = os.open(home / _TOLD, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:  # somebody holds it: the instance lives
        try:
            return str(json.loads(os.read(descriptor, 4096))["url"])
        except (ValueError, KeyError, TypeError):
            return None
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return None


def _locked(descriptor: int) -> bool:
    for _ in range(_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_PAUSE)
        except OSError:  # a file system without locks
            return False
        else:
            return True
    return False


def _configured() -> JsonObject:
    """What `opsteward.toml` says; nothing where it can't be read, which the server says at its start."""
    path = toml_file()
    if not path.is_file():
        return {}
    import tomllib

    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}

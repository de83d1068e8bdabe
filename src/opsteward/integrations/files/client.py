"""Opens the files of one folder, local or remote, and replaces them whole. Blocking; the only user of fsspec."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from opsteward.core.errors import AuthFailed, Invalid, NotFound, Unreachable
from opsteward.integrations.files.config import FilesConfig, allowed_path


class Folder:
    """One folder. Raises NotFound for a missing file, AuthFailed where it may not be read, Unreachable else."""

    def __init__(self, config: FilesConfig) -> None:
        self._config = config

    def names(self) -> list[str]:
        """The plain files of the folder, or the one file that the endpoint names."""
        with _told("the folder"):
            if self._config.remote:
                fs, root = self._remote()
                return sorted(str(p).rsplit("/", 1)[-1] for p in fs.ls(root, detail=False))
            if self._config.folder.is_file():
                return [self._config.folder.name]
            return sorted(e.name for e in os.scandir(self._config.folder) if e.is_file() and e.name[0] != ".")

    def fingerprint(self, name: str) -> str:
        """Another one after each change of the file."""
        with _told(name):
            if self._config.remote:
                fs, root = self._remote()
                info = fs.info(f"{root}/{name}")
                told = [info.get(each) for each in ("size", "mtime", "ETag", "LastModified", "created", "islink")]
                return hashlib.sha256(repr(told).encode()).hexdigest()[:32]
            found = self._path(name).stat()
            return f"{found.st_ino}-{found.st_size}-{found.st_mtime_ns}"

    @contextmanager
    def opened(self, name: str) -> Iterator[IO[bytes]]:
        """The file, to read."""
        with _told(name):
            if self._config.remote:
                fs, root = self._remote()
                with fs.open(f"{root}/{name}", "rb") as stream:
                    yield cast("IO[bytes]", stream)
            else:
                with self._path(name).open("rb") as stream:
                    yield stream

    def replace(self, name: str, write: Callable[[IO[bytes]], None]) -> None:
        """Write the file anew: others see the old one or the new one, whole, whatever happens."""
        with _told(name):
            if self._config.remote:
                fs, root = self._remote()
                with fs.transaction, fs.open(f"{root}/{name}", "wb") as stream:
                    write(cast("IO[bytes]", stream))
                return
            path = self._path(name)
            handle, draft = tempfile.mkstemp(prefix=f".{name}.", dir=path.parent)
            try:
                with os.fdopen(handle, "wb") as stream:
                    write(stream)
                    stream.flush()
                    os.fsync(stream.fileno())
                mode = path.stat().st_mode & 0o777 if path.exists() else 0o640
                Path(draft).chmod(mode)
                Path(draft).replace(path)
            except BaseException:
                Path(draft).unlink(missing_ok=True)
                raise

    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """One writer of ours at a time, over all processes of this machine."""
        if self._config.remote:
            yield
            return
        with _told(name), (self._base() / f".{name}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _base(self) -> Path:
        return self._config.folder.parent if self._config.folder.is_file() else self._config.folder

    def _path(self, name: str) -> Path:
        # a link inside the folder must not lead out of it
        try:
            return allowed_path(self._base() / name, (self._base(),))
        except Invalid:
            raise AuthFailed(f"{name} leads out of its folder", extra={"kind": "policy"}) from None

    def _remote(self) -> tuple[Any, str]:
        try:
            import fsspec
        except ImportError:
            raise Invalid.field(
                "endpoint", "remote files need the extra", "pip install 'opsteward[remote-files]'"
            ) from None
        login = self._config.credentials
        options = (
            {"key": login.username, "secret": login.password.get_secret_value()} if login.username else {"anon": True}
        )
        try:
            fs, root = fsspec.core.url_to_fs(self._config.remote, **options)
        except (ImportError, ValueError):
            raise Invalid.field(
                "endpoint", "is of a kind that can't be opened", "install the driver of its kind"
            ) from None
        return fs, str(root).rstrip("/")


@contextmanager
def _told(what: str) -> Iterator[None]:
    with contextlib.ExitStack():
        try:
            yield
        except FileNotFoundError:
            raise NotFound(f"{what} is not there") from None
        except PermissionError:
            raise AuthFailed(
                f"{what} may not be used by the user who runs Opsteward", extra={"kind": "permission"}
            ) from None
        except OSError as error:
            raise Unreachable(f"{what} can't be used: {error.strerror or 'the store failed'}") from None

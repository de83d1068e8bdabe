"""The keys that encrypt stored credentials, in `$OPSTEWARD_HOME/credentials.keys`: one a line, the newest first.

Without the file there is none, and the installation's secret key serves. The file is read again when it has changed, so
that running processes take part in a rotation.
"""

from __future__ import annotations

import base64
import hashlib
import os
from pathlib import Path

from opsteward.core.errors import Invalid
from opsteward.core.home import home_troubles, write_private

NAME = "credentials.keys"
_BYTES = 32
ID_BYTES = 8


class CredentialKeys:
    """The keys of one home. Raises Invalid for a file that is damaged or can't be read."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._seen: tuple[int, int, int] | None = None
        self._keys: dict[bytes, bytes] = {}

    def current(self) -> tuple[bytes, bytes] | None:
        """The id and the key that new credentials are encrypted with; None: the installation's secret key."""
        return next(iter(self._read().items()), None)

    def find(self, key_id: bytes) -> bytes | None:
        """The key of this id."""
        return self._read().get(key_id)

    def add_new(self) -> None:
        """Make a key that is the current one from now on, before all others."""
        self._write([os.urandom(_BYTES), *self._read().values()])

    def keep_current_only(self) -> None:
        """Forget every key but the current one: what they encrypted is lost."""
        self._write(list(self._read().values())[:1])

    def _write(self, keys: list[bytes]) -> None:
        text = "".join(f"{base64.b64encode(key).decode()}\n" for key in keys)
        with home_troubles(self._home):
            write_private(self._home / NAME, text, replace=True)

    def _read(self) -> dict[bytes, bytes]:
        path = self._home / NAME
        try:
            found = path.stat()
            seen = (found.st_ino, found.st_mtime_ns, found.st_size)
            if seen != self._seen:
                lines = path.read_text(encoding="ascii").split()
                keys = [base64.b64decode(line, validate=True) for line in lines]
                if not keys or any(len(key) != _BYTES for key in keys):
                    raise ValueError
                self._keys = {hashlib.sha256(b"id" + key).digest()[:ID_BYTES]: key for key in keys}
                self._seen = seen
        except FileNotFoundError:
            self._seen, self._keys = None, {}
        except ValueError:
            raise Invalid.field(str(path), "is damaged", "put it back from a backup") from None
        except OSError as error:
            problem = f"can't be read: {error.strerror}"
            raise Invalid.field(str(path), problem, "let the user who runs Opsteward read it") from None
        return self._keys

"""The installation's secret key: `OPSTEWARD_SECRET_KEY`, or `$OPSTEWARD_HOME/secret.key`, made at the very first start.

It is made once and never again: without it stored credentials can't be decrypted and the audit log can't be verified,
so a home that was in use does not start with another one. The database holds the key's fingerprint.
"""

from __future__ import annotations

import base64
import os
import stat
from pathlib import Path

from opsteward.core.errors import Invalid
from opsteward.core.home import home_troubles, write_private

NAME = "secret.key"
_BYTES = 32
_RESTORE = (
    "put back the secret.key of this installation from its backup; without it the stored credentials, the webhooks'"
    " secrets and the proof of the audit log are lost, and a new installation in another home is the only way on"
)


def load_secret(configured: str | None, home: Path) -> bytes:
    """The secret, made and written when the home was never used. Call it with the home's lock held.

    Raises Invalid for a key that is missing in a used home, is damaged or can't be read.
    """
    secret = read_secret(configured, home)
    if secret is not None:
        return secret
    if was_used(home):
        raise _bad(home, "is missing, though this home was in use", _RESTORE)
    secret = os.urandom(_BYTES)
    with home_troubles(home):
        write_private(home / NAME, base64.b64encode(secret).decode(), replace=False)
    return secret


def read_secret(configured: str | None, home: Path) -> bytes | None:
    """The secret of the setting, else of the file; None when there is neither. Raises Invalid as `load_secret` does."""
    if configured:
        try:
            secret = base64.b64decode(configured.strip(), validate=True)
        except ValueError:
            raise Invalid.field("OPSTEWARD_SECRET_KEY", "is not base64", "use 32 random bytes, base64") from None
        if len(secret) < _BYTES:
            raise Invalid.field("OPSTEWARD_SECRET_KEY", "shorter than 32 bytes", "use 32 random bytes, base64")
        return secret
    path = home / NAME
    try:
        secret = base64.b64decode(path.read_bytes().strip(), validate=True)
    except FileNotFoundError:
        return None
    except ValueError:
        raise _bad(home, "is damaged: it is not base64", _RESTORE) from None
    except OSError as error:
        raise _bad(home, f"can't be read: {error.strerror}", "let the user who runs Opsteward read it") from error
    if len(secret) < _BYTES:
        what = "is empty" if not secret else f"is cut off: {len(secret)} bytes of {_BYTES}"
        raise _bad(home, what, _RESTORE if was_used(home) else "remove it: this home was never used")
    return secret


def was_used(home: Path) -> bool:
    """Whether a start came so far that something may hang on the key: it is made before all else."""
    return (home / "postgres" / "PG_VERSION").exists() or (home / "token").exists()


def open_to_others(home: Path) -> str | None:
    """How the key's file is open to other users, for people; None when it isn't, or there is none."""
    path = home / NAME
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return None
    return f"other users may read {path} (mode {mode:04o})" if mode & 0o077 else None


def _bad(home: Path, problem: str, remedy: str) -> Invalid:
    return Invalid.field(str(home / NAME), problem, remedy)

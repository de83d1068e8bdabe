"""Files outside the database that keep where each tenant's audit chain ended, and when: a chain that was cut off or
made anew later contradicts them.

One line (JSON) says one thing: tenant, number and hash of the last seal, time, and a keyed digest of it. Each
machine keeps its own file in its home, and in every further folder that is configured; lines are only ever added,
except that the home's own file is thinned out when it gets large. No word of the database here.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from uuid import UUID

from opsteward.core.clock import iso
from opsteward.core.crypto import canonical_json
from opsteward.core.json_types import JsonObject
from opsteward.telemetry.audit.chain import line_digest

HOME_FILE = "audit-heads.jsonl"
_PATTERN = "audit-heads*.jsonl"
_THIN_OUT_AT = 8_000_000  # bytes
_LINE_LIMIT = 1000  # bytes


@dataclass(frozen=True, kw_only=True)
class Statement:
    """At this time the chain of the tenant ended with seal `seq`, whose hash was `hash`. `breaks`: it did not go on
    from the statement before."""

    tenant_id: UUID
    seq: int
    hash: str
    at: datetime
    breaks: bool = False


@dataclass(frozen=True, kw_only=True)
class WitnessView:
    """What one file says of one tenant; `troubles` are in words."""

    name: str
    statements: Sequence[Statement] = ()
    troubles: Sequence[str] = field(default=())


class Witnesses:
    """The files of this machine. All of it blocks: call it on a thread."""

    def __init__(self, key: bytes, home: Path, folders: Sequence[Path] = ()) -> None:
        """`key` is `SecretBox.audit_key()`; `folders` are further places, on other machines perhaps."""
        self._key = key
        self._home = home
        self._folders = list(folders)
        machine = hashlib.sha256(str(home).encode()).hexdigest()[:8]
        self._own_name = f"audit-heads-{socket.gethostname()}-{machine}.jsonl"
        self._owed: dict[Path, list[Statement]] = {}

    @property
    def owes(self) -> bool:
        """Whether a place could not be written to, and waits for what was said since."""
        return bool(self._owed)

    def add(self, statements: Sequence[Statement]) -> list[str]:
        """Write them down in every place, on disk when it returns, with what a place is owed. Returns what went wrong,
        place by place; the next call tries again."""
        troubles = []
        for path in (self._home / HOME_FILE, *(folder / self._own_name for folder in self._folders)):
            due = [*self._owed.pop(path, ()), *statements]
            try:
                with self._locked():
                    _append(path, "".join(self._line(one) + "\n" for one in due).encode())
            except OSError as error:
                self._owed[path] = _last_of_each(due)
                troubles.append(f"{path.name}: {error.strerror or error}")
        with suppress(OSError):
            self._thin_out(self._home / HOME_FILE)
        return troubles

    def newest(self) -> dict[UUID, Statement]:
        """The last thing that the home's own file says of each tenant; empty where there is none."""
        found: dict[UUID, Statement] = {}
        with suppress(FileNotFoundError):
            for one in self._read(self._home / HOME_FILE):
                if isinstance(one, Statement):
                    found[one.tenant_id] = one
        return found

    def views(self, tenant_id: UUID) -> list[WitnessView]:
        """What each file says of this tenant: the home's own, and every machine's in the further folders."""
        found = [self._view(self._home / HOME_FILE, "of this machine", tenant_id)]
        for folder in self._folders:
            if not folder.is_dir():
                found.append(WitnessView(name=folder.name, troubles=["its folder can't be read"]))
                continue
            found += [
                self._view(path, f"{folder.name}/{path.name}", tenant_id) for path in sorted(folder.glob(_PATTERN))
            ]
        return found

    def _view(self, path: Path, name: str, tenant_id: UUID) -> WitnessView:
        statements, troubles = [], []
        try:
            for one in self._read(path):
                if isinstance(one, str):
                    troubles.append(one)
                elif one.tenant_id == tenant_id:
                    statements.append(one)
        except FileNotFoundError:
            pass  # it has seen nothing yet: said by its report, which agrees up to 0
        except OSError as error:
            troubles.append(f"can't be read: {error.strerror}")
        return WitnessView(name=name, statements=statements, troubles=troubles[:10])

    def _line(self, one: Statement) -> str:
        line: JsonObject = {"tenant": str(one.tenant_id), "seq": one.seq, "hash": one.hash, "at": iso(one.at)}
        if one.breaks:
            line["breaks"] = True
        return canonical_json(line | {"digest": line_digest(line, key=self._key)})

    def _read(self, path: Path) -> Iterator[Statement | str]:
        """Its statements in their order, and what is wrong with a line. The last line may be half a one: the machine
        went down while it was written."""
        with path.open("rb") as file:
            for number, raw in enumerate(iter(lambda: file.readline(_LINE_LIMIT), b""), start=1):
                said = self._statement(raw)
                if said is not None:
                    yield said
                elif raw.endswith(b"\n"):
                    yield f"line {number} was not written by this installation"

    def _statement(self, raw: bytes) -> Statement | None:
        try:
            line = json.loads(raw)
            digest = line.pop("digest")
            if digest != line_digest(line, key=self._key):
                return None
            return Statement(
                tenant_id=UUID(line["tenant"]),
                seq=line["seq"],
                hash=line["hash"],
                at=datetime.fromisoformat(line["at"]),
                breaks=line.get("breaks", False),
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            return None

    def _thin_out(self, path: Path) -> None:
        """Of each tenant and day its last statement, and those around a break: the last one vouches for all before."""
        if path.stat().st_size < _THIN_OUT_AT:
            return
        with self._locked():
            kept = self._kept(one for one in self._read(path) if isinstance(one, Statement))
            text = "".join(self._line(one) + "\n" for one in kept).encode()
            if len(text) > _THIN_OUT_AT // 2:
                return
            aside = path.with_suffix(".new")
            aside.unlink(missing_ok=True)
            _append(aside, text)
            aside.replace(path)

    def _kept(self, statements: Iterable[Statement]) -> list[Statement]:
        last: dict[tuple[object, ...], Statement] = {}
        parts: dict[UUID, int] = {}
        for one in statements:
            parts[one.tenant_id] = parts.get(one.tenant_id, 0) + one.breaks
            last[one.tenant_id, parts[one.tenant_id], one.breaks or one.at.date()] = one
        return sorted(last.values(), key=lambda one: one.at)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One process of this home at a time: thinning out replaces the file."""
        with os.fdopen(os.open(self._home / "audit-heads.lock", os.O_CREAT | os.O_RDWR, 0o600)) as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield


def _last_of_each(statements: Iterable[Statement]) -> list[Statement]:
    """Of each tenant what was said last, and every break."""
    kept = {(one.tenant_id, one.seq if one.breaks else None): one for one in statements}
    return sorted(kept.values(), key=lambda one: one.at)


def _append(path: Path, text: bytes) -> None:
    """At the file's end and on the disk, or not at all: half a line, of a full disk or a crash, is taken off."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_APPEND, 0o600)
    try:
        size = _whole_lines(descriptor)
        os.ftruncate(descriptor, size)
        if size and os.pread(descriptor, 1, size - 1) != b"\n":  # more than a line, and none of ours
            text = b"\n" + text
        try:
            while text:
                text = text[os.write(descriptor, text) :]
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)


def _whole_lines(descriptor: int) -> int:
    """Where the last whole line ends, in bytes."""
    size = os.fstat(descriptor).st_size
    last = os.pread(descriptor, _LINE_LIMIT, max(0, size - _LINE_LIMIT))
    end = last.rfind(b"\n")
    return size if end < 0 and size > _LINE_LIMIT else size - len(last) + end + 1

"""What changed since a cookie, by the content synchronisation of RFC 4533: the request and its answers in BER."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from opsteward.core.errors import BadReply

REQUEST, STATE, DONE = (f"1.3.6.1.4.1.4203.1.9.1.{n}" for n in (1, 2, 3))
_INFO = "1.3.6.1.4.1.4203.1.9.1.4"
#: The server has forgotten where we were: read all anew.
REFRESH_REQUIRED = 4096
_PRESENT, _DELETED = 0, 3


@dataclass
class Changes:
    """`entries` are the messages of new and changed ones; with `names_all` what is not named anywhere is gone."""

    entries: list[Mapping[str, Any]] = field(default_factory=list)
    present: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    cookie: bytes | None = None
    names_all: bool = False


def request(cookie: bytes) -> tuple[str, bool, bytes]:
    """The control that asks once for the changes since the cookie."""
    return REQUEST, True, _tagged(0x30, _tagged(0x0A, b"\x01") + _tagged(0x04, cookie))


def changes_of(messages: Sequence[Mapping[str, Any]], controls: Mapping[str, Any]) -> Changes:
    """Reads the answer to such a request. Raises BadReply for what is none."""
    changes = Changes()
    deletes_told = False
    for message in messages:
        if message["type"] == "searchResEntry":
            state = _control(message.get("controls") or {}, STATE)
            if state is None:
                raise BadReply("the directory named an entry without saying what became of it")
            parts = _parts(state)
            what, entry_id = parts[0][1][0], str(UUID(bytes=parts[1][1]))
            if what == _DELETED:
                changes.deleted.append(entry_id)
            elif what == _PRESENT:
                changes.present.append(entry_id)
            else:
                changes.entries.append(message)
            changes.cookie = next((value for tag, value in parts[2:] if tag == 0x04), changes.cookie)
        elif message["type"] == "intermediateResponse" and str(message.get("responseName")) == _INFO:
            deletes_told |= _read_info(bytes(message["responseValue"]), changes)
    done = _control(controls, DONE)
    if done is None:
        raise BadReply("the directory did not end its answer as the standard says")
    for tag, value in _parts(done):
        if tag == 0x04:
            changes.cookie = value
        elif tag == 0x01:
            deletes_told |= value != b"\x00"
    # without a delete phase whatever is neither sent nor called present has been removed
    changes.names_all = not deletes_told
    return changes


def _read_info(content: bytes, changes: Changes) -> bool:
    """One sync info message; whether it says that deletions are told one by one."""
    (tag, value), *_ = _elements(content)
    if tag == 0x80:  # a new cookie
        changes.cookie = value
        return False
    deletes = tag == 0xA1
    ids: list[str] = []
    for inner, found in _elements(value):
        if inner == 0x04:
            changes.cookie = found
        elif inner == 0x01 and tag == 0xA3:
            deletes = found != b"\x00"
        elif inner == 0x31:
            ids += [str(UUID(bytes=each)) for _, each in _elements(found)]
    (changes.deleted if deletes else changes.present).extend(ids)
    return deletes


def _control(controls: Mapping[str, Any], oid: str) -> bytes | None:
    found = controls.get(oid)
    return None if found is None else bytes(found["value"] if isinstance(found, Mapping) else found)


def _parts(content: bytes) -> list[tuple[int, bytes]]:
    """What a sequence holds."""
    return list(_elements(next(_elements(content))[1]))


def _elements(content: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    try:
        while at < len(content):
            tag, length = content[at], content[at + 1]
            at += 2
            if length & 0x80:
                size = length & 0x7F
                length = int.from_bytes(content[at : at + size], "big")
                at += size
            if at + length > len(content):
                raise IndexError
            yield tag, content[at : at + length]
            at += length
    except IndexError:
        raise BadReply("the directory sent a control that is cut off") from None


def _tagged(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    told = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(told)]) + told + content

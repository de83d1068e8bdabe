"""The answers to a search, read from the connection: entries by a few lines of BER, all else by the library.

The library makes of an entry many objects that nobody here looks at, which is ten times the work of reading it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ldap3

_BLOCK = 256 * 1024
#: Bytes of one answer: an entry with all its photos is well below it.
MESSAGE_LIMIT = 64 * 1024 * 1024
_ENTRY, _SEQUENCE, _SET, _TEXT, _NUMBER = 0x64, 0x30, 0x31, 0x04, 0x02
_RANGE = b";range="
_MORE_FOLLOWS = frozenset({"searchResEntry", "searchResRef", "intermediateResponse"})

Message = dict[str, Any]


def read_entries_quickly(connection: ldap3.Connection) -> None:
    """From now on this connection reads its answers by what follows here."""
    strategy: Any = connection.strategy
    strategy._get_response = lambda message_id, _timeout: _answers(connection, message_id)


def _answers(connection: ldap3.Connection, message_id: int) -> Any:
    """What the library's own reader gives: all messages of this answer, in its form."""
    from ldap3.core.exceptions import LDAPSocketReceiveError
    from ldap3.strategy.base import RESPONSE_COMPLETE, SESSION_TERMINATED_BY_SERVER
    from ldap3.utils.asn1 import decode_message_fast

    strategy: Any = connection.strategy
    found: list[Any] = []
    names: dict[bytes, str] = {}
    data, at = b"", 0
    while True:
        end = _end_of_message(data, at)
        if end is None:
            try:
                more = connection.socket.recv(_BLOCK)
            except OSError as error:
                raise LDAPSocketReceiveError(f"error receiving data: {error}") from None
            if not more:
                return SESSION_TERMINATED_BY_SERVER
            data, at = data[at:] + more, 0
            continue
        message = data[at:end]
        at = end
        entry = _entry(message, message_id, names)
        if entry is None:
            decoded = decode_message_fast(message)
            if decoded["messageID"] == 0:
                return SESSION_TERMINATED_BY_SERVER
            if decoded["messageID"] != message_id:
                raise LDAPSocketReceiveError("an answer to another question")
            entry = strategy.decode_response_fast(decoded)
        found.append(entry)
        if entry["type"] not in _MORE_FOLLOWS:
            return [*found, RESPONSE_COMPLETE]


def _end_of_message(data: bytes, at: int) -> int | None:
    """Where the message ends that begins here; None while it is not all there. Raises ValueError for what is none."""
    there = len(data) - at
    if there < 2:
        return None
    if data[at] != _SEQUENCE:
        raise ValueError("no message")
    head = 2 + (data[at + 1] & 0x7F if data[at + 1] & 0x80 else 0)
    if head > 2 + 4:
        raise ValueError("a message too long")
    if there < head:
        return None
    end = _span(data, at)[1]
    if end - at > MESSAGE_LIMIT:
        raise ValueError("a message too long")
    return end if end <= len(data) else None


def _span(data: bytes, at: int) -> tuple[int, int]:
    """Where the content of the element begins and ends that stands here."""
    size = data[at + 1]
    at += 2
    if size & 0x80:
        count = size & 0x7F
        size = int.from_bytes(data[at : at + count], "big")
        at += count
    return at, at + size


def _entry(data: bytes, message_id: int, names: dict[bytes, str]) -> Message | None:
    """The entry of this message; None for one that the library is to read. Raises ValueError, IndexError."""
    at, _ = _span(data, 0)
    at, end = _span(data, at)
    if int.from_bytes(data[at:end], "big") != message_id or data[end] != _ENTRY:
        return None
    at, end = _span(data, end)
    if end != len(data) or _RANGE in data:  # with controls, or a part of a long list
        return None
    _expect(data, at, _TEXT)
    start, stop = _span(data, at)
    _expect(data, stop, _SEQUENCE)
    at, last = _span(data, stop)
    if last != end:
        raise ValueError("an entry of another length")
    attributes: dict[str, list[bytes]] = {}
    while at < end:
        at, name, values = _attribute(data, at)
        known = names.get(name)
        if known is None:
            known = names[name] = name.decode("utf-8", "replace")
        attributes[known] = values
    if at != end:
        raise ValueError("an entry of another length")
    return {"type": "searchResEntry", "raw_dn": data[start:stop], "raw_attributes": attributes}


def _attribute(data: bytes, at: int) -> tuple[int, bytes, list[bytes]]:
    """Where it ends, its name and its values. Lengths below 128 are read in place: nearly all are."""
    _expect(data, at, _SEQUENCE)
    at, end = _span(data, at)
    _expect(data, at, _TEXT)
    start, at = _span(data, at)
    name = data[start:at]
    _expect(data, at, _SET)
    at, last = _span(data, at)
    values = []
    while at < end:
        if data[at] != _TEXT:
            raise ValueError("no value")
        size = data[at + 1]
        if size & 0x80:
            start, at = _span(data, at)
        else:
            start = at + 2
            at = start + size
        values.append(data[start:at])
    if not at == last == end or at > len(data):
        raise ValueError("an attribute of another length")
    return at, name, values


def _expect(data: bytes, at: int, tag: int) -> None:
    if data[at] != tag:
        raise ValueError("an element of another kind")

"""The answers to a search, read from the connection: entries by a few lines of BER, all else by the library.

The library makes of an entry many objects that nobody here looks at, which is ten times the work of reading it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from opsteward.core.errors import BadReply

if TYPE_CHECKING:
    import ldap3

_BLOCK = 256 * 1024
#: Bytes of one answer: an entry with all its photos is well below it.
MESSAGE_LIMIT = 64 * 1024 * 1024
#: Of all answers to one question, which are held together: a page of entries with photos is well below it.
ANSWER_LIMIT = 256 * 1024 * 1024
_ENTRY, _SEQUENCE, _SET, _TEXT, _NUMBER = 0x64, 0x30, 0x31, 0x04, 0x02
_RANGE = b";range="
_MORE_FOLLOWS = frozenset({"searchResEntry", "searchResRef", "intermediateResponse"})

Message = dict[str, Any]


def read_entries_quickly(connection: ldap3.Connection) -> None:
    """From now on this connection reads its answers by what follows here."""
    strategy: Any = connection.strategy
    strategy._get_response = lambda message_id, _timeout: _answers(connection, message_id)


def _answers(connection: ldap3.Connection, message_id: int) -> Any:
    """What the library's own reader gives: all messages of this answer, in its form. Raises BadReply for too many."""
    from ldap3.core.exceptions import LDAPSocketReceiveError
    from ldap3.strategy.base import RESPONSE_COMPLETE, SESSION_TERMINATED_BY_SERVER
    from ldap3.utils.asn1 import decode_message_fast

    strategy: Any = connection.strategy
    found: list[Any] = []
    names: dict[bytes, str] = {}
    # whether the library is to look for parts of long lists: it would read each entry once more
    connection.auto_range = False
    data, at, size = b"", 0, 0
    while True:
        end = _end_of_message(data, at)
        if end is None or end > len(data):
            more = _received(connection, at_least=(end or 0) - len(data))
            if not more:
                return SESSION_TERMINATED_BY_SERVER
            size += len(more)
            if size > ANSWER_LIMIT:
                raise BadReply(f"the directory sent more than {ANSWER_LIMIT >> 20} MB for one question")
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
            connection.auto_range |= entry["type"] == "searchResEntry"
        found.append(entry)
        if entry["type"] not in _MORE_FOLLOWS:
            return [*found, RESPONSE_COMPLETE]


def _received(connection: ldap3.Connection, *, at_least: int) -> bytes:
    """What comes next, and so much of it, unless the connection ends."""
    from ldap3.core.exceptions import LDAPSocketReceiveError

    found = bytearray()  # grows in place: a large message comes in thousands of parts
    while True:
        try:
            part = connection.socket.recv(_BLOCK)
        except OSError as error:
            raise LDAPSocketReceiveError(f"error receiving data: {error}") from None
        found += part
        if not part or len(found) >= at_least:
            return bytes(found)


def _end_of_message(data: bytes, at: int) -> int | None:
    """Where the message ends that begins here, which may not be there yet; None while its length is not. Raises
    ValueError for what is none."""
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
    return end


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
    return {"type": "searchResEntry", "raw_dn": data[start:stop], "raw_attributes": Attributes(data, at, end, names)}


class Attributes:
    """The attributes of an entry, read when they are asked for: what is read and let go at once costs a third less than
    what is kept for a moment."""

    __slots__ = ("_at", "_data", "_end", "_names")

    def __init__(self, data: bytes, at: int, end: int, names: dict[bytes, str]) -> None:
        self._data = data
        self._at = at
        self._end = end
        self._names = names

    def items(self) -> Iterator[tuple[str, list[bytes]]]:
        """The name of each with its values, as they were sent. Raises BadReply for what is no list of attributes."""
        try:
            yield from _attributes(self._data, self._at, self._end, self._names)
        except (ValueError, IndexError):
            raise BadReply("the directory sent an entry that is no LDAP") from None


def _attributes(data: bytes, at: int, end: int, names: dict[bytes, str]) -> Iterator[tuple[str, list[bytes]]]:
    # lengths below 128 are read in place, since nearly all are
    while at < end:
        if data[at] != _SEQUENCE:
            raise ValueError
        size = data[at + 1]
        at, stop = _span(data, at) if size & 0x80 else (at + 2, at + 2 + size)
        if stop > end or data[at] != _TEXT:
            raise ValueError
        size = data[at + 1]
        start, at = _span(data, at) if size & 0x80 else (at + 2, at + 2 + size)
        name = data[start:at]
        if data[at] != _SET:
            raise ValueError
        size = data[at + 1]
        at, last = _span(data, at) if size & 0x80 else (at + 2, at + 2 + size)
        if last != stop:
            raise ValueError
        values: list[bytes] = []
        while at < stop:
            if data[at] != _TEXT:
                raise ValueError
            size = data[at + 1]
            start, at = _span(data, at) if size & 0x80 else (at + 2, at + 2 + size)
            values.append(data[start:at])
        if at != stop:
            raise ValueError
        yield names.get(name) or names.setdefault(name, name.decode("utf-8", "replace")), values
    if at != end:
        raise ValueError


def _expect(data: bytes, at: int, tag: int) -> None:
    if data[at] != tag:
        raise ValueError("an element of another kind")

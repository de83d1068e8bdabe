"""GELF's datagrams beside those of syslog: put together from their chunks, and expanded. Bounded in bytes and time.

See https://go2docs.graylog.org/current/getting_in_log_data/gelf.html: a chunk is two magic bytes, the message's id (8),
its place and how many there are; what is not whole within five seconds is given up.
"""

from __future__ import annotations

import zlib
from collections import Counter

_CHUNK = b"\x1e\x0f"
_HEAD = 12  # bytes before a chunk's content
_CHUNKS_LIMIT = 128
_WITHIN = 5.0  # seconds
_HELD_LIMIT = 8_388_608  # bytes of all messages that are not whole
_OF_ONE_LIMIT = _HELD_LIMIT // 4  # of one sender, so that it leaves room to others
_COST = 300  # bytes of a chunk beside its content
_GZIP = b"\x1f\x8b"


class GelfDatagrams:
    """Of one socket. What is neither a chunk nor compressed is handed on as it is."""

    def __init__(self, limit: int) -> None:
        """`limit`: bytes of an expanded message."""
        self._limit = limit
        #: The oldest first.
        self._held: dict[tuple[str, bytes], tuple[float, int, dict[int, bytes]]] = {}
        #: Of each sender: the ids of its messages in that order, and the bytes of all of them.
        self._ids: dict[str, dict[bytes, None]] = {}
        self._bytes: Counter[str] = Counter()
        self._all_bytes = 0
        #: Chunks that were given up.
        self.lost = 0

    def whole(self, datagram: bytes, sender: str, at: float) -> bytes | None:
        """The message that is whole with this datagram; None while parts are missing. `at`: seconds of any clock that
        only goes on."""
        if datagram.startswith(_CHUNK) and len(datagram) > _HEAD:
            joined = self._joined(datagram, sender, at)
            return None if joined is None else self._expanded(joined)
        return self._expanded(datagram)

    def _joined(self, chunk: bytes, sender: str, at: float) -> bytes | None:
        place, number = chunk[10], chunk[11]
        if not 0 < number <= _CHUNKS_LIMIT or place >= number:
            self.lost += 1
            return None
        self._give_up(sender, at)
        key = (sender, chunk[2:10])
        if key not in self._held:
            self._held[key] = (at, number, {})
            self._ids.setdefault(sender, {})[key[1]] = None
        _, expected, parts = self._held[key]
        if place not in parts and number == expected:
            parts[place] = chunk[_HEAD:]
            self._bytes[sender] += len(chunk) + _COST
            self._all_bytes += len(chunk) + _COST
        if len(parts) < expected:
            return None
        self._forget(key)
        return b"".join(parts[number] for number in range(expected))

    def _give_up(self, sender: str, at: float) -> None:
        """The oldest go: those that are late, and as many as there is no room for, of the sender and of all."""
        while self._bytes[sender] > _OF_ONE_LIMIT:
            self._lose((sender, next(iter(self._ids[sender]))))
        while self._held:
            oldest = next(iter(self._held))
            if at - self._held[oldest][0] <= _WITHIN and self._all_bytes <= _HELD_LIMIT:
                return
            self._lose(oldest)

    def _lose(self, key: tuple[str, bytes]) -> None:
        self.lost += len(self._held[key][2])
        self._forget(key)

    def _forget(self, key: tuple[str, bytes]) -> None:
        _, _, parts = self._held.pop(key)
        sender, name = key
        size = sum(len(part) + _HEAD + _COST for part in parts.values())
        self._all_bytes -= size
        self._bytes[sender] -= size
        del self._ids[sender][name]
        if not self._ids[sender]:
            del self._ids[sender], self._bytes[sender]

    def _expanded(self, message: bytes) -> bytes:
        if message.startswith(_GZIP):
            return self._inflated(message, 31)
        if len(message) > 2 and message[0] & 15 == 8 and int.from_bytes(message[:2], "big") % 31 == 0:
            return self._inflated(message, 15)
        return message

    def _inflated(self, message: bytes, bits: int) -> bytes:
        """What can't be expanded, or not to its end, is text that happens to begin so."""
        stream = zlib.decompressobj(bits)
        try:
            expanded = stream.decompress(message, self._limit + 1)
        except zlib.error:
            return message
        return expanded if stream.eof or len(expanded) > self._limit else message

"""GELF's datagrams beside those of syslog: put together from their chunks, and expanded. Bounded in bytes and time.

See https://go2docs.graylog.org/current/getting_in_log_data/gelf.html: a chunk is two magic bytes, the message's id (8),
its place and how many there are; what is not whole within five seconds is given up.
"""

from __future__ import annotations

import zlib

_CHUNK = b"\x1e\x0f"
_HEAD = 12  # bytes before a chunk's content
_CHUNKS_LIMIT = 128
_WITHIN = 5.0  # seconds
_HELD_LIMIT = 8_388_608  # bytes of all messages that are not whole
_COST = 300  # bytes of a chunk beside its content
_GZIP = b"\x1f\x8b"


class GelfDatagrams:
    """Of one socket. What is neither a chunk nor compressed is handed on as it is."""

    def __init__(self, limit: int) -> None:
        """`limit`: bytes of an expanded message."""
        self._limit = limit
        self._held: dict[tuple[str, bytes], tuple[float, int, dict[int, bytes]]] = {}
        self._bytes = 0
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
        self._give_up(at)
        key = (sender, chunk[2:10])
        _, expected, parts = self._held.setdefault(key, (at, number, {}))
        if place not in parts and number == expected:
            parts[place] = chunk[_HEAD:]
            self._bytes += len(chunk) + _COST
        if len(parts) < expected:
            return None
        self._forget(key)
        return b"".join(parts[number] for number in range(expected))

    def _give_up(self, at: float) -> None:
        """The oldest go: those that are late, and as many as there is no room for."""
        for key, (since, _, parts) in list(self._held.items()):
            if at - since <= _WITHIN and self._bytes <= _HELD_LIMIT:
                return
            self.lost += len(parts)
            self._forget(key)

    def _forget(self, key: tuple[str, bytes]) -> None:
        _, _, parts = self._held.pop(key)
        self._bytes -= sum(len(part) + _HEAD + _COST for part in parts.values())

    def _expanded(self, message: bytes) -> bytes:
        if message.startswith(_GZIP):
            return self._inflated(message, 31)
        if len(message) > 2 and message[0] & 15 == 8 and int.from_bytes(message[:2], "big") % 31 == 0:
            return self._inflated(message, 15)
        return message

    def _inflated(self, message: bytes, bits: int) -> bytes:
        """What can't be expanded is text that happens to begin so."""
        try:
            return zlib.decompressobj(bits).decompress(message, self._limit + 1)
        except zlib.error:
            return message

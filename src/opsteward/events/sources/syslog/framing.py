"""Messages out of a stream (RFC 6587): counted, or ended by a line feed or NUL, mixed as senders do."""

from __future__ import annotations

import re
from collections.abc import Iterator

_COUNTED = re.compile(rb"([1-9]\d{0,8}) (?=<)")
_MAYBE_COUNTED = re.compile(rb"[1-9]\d{0,8} ?")
_NEXT = re.compile(rb"\n(?=<\d{1,3}>)|\n(?=[1-9]\d{0,8} <)|\0")
_LINE_END = re.compile(rb"[\n\0]")
_BEGINS = re.compile(rb"<\d{1,3}>")
#: A whole head of a message, where nothing stands between it and the message before.
_HEAD = re.compile(rb"<\d{1,3}>(?=1 (?:-|\d{4}-\d\d-\d\dT)[^<\n]|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d )")
_UNDECIDED = re.compile(rb"<\d{0,3}|[1-9]\d{0,8} ?")


def messages_of(datagram: bytes) -> list[bytes]:
    """A datagram is one message, but for those of senders that put several lines into it, each with its own priority or
    each a JSON object."""
    lines = [line for line in datagram.split(b"\n") if line.strip(b"\0\r ")]
    if len(lines) > 1 and (
        all(_BEGINS.match(line) for line in lines)
        or all(line.startswith(b"{") and line.rstrip(b"\0\r ").endswith(b"}") for line in lines)
    ):
        return lines
    return [datagram]


class Frames:
    """Cuts one connection's stream. A message is at most `limit` bytes long; what goes beyond is left out, and counted.

    Lines that follow a message with a priority and have none of their own go on with it, as of a stack trace; such a
    message ends when the next begins, or when `flush` says that nothing more has come for a while.

    Some senders put nothing at all between messages. Where a connection has had no line end and no count yet, the head
    of the next message ends one, and what is left when nothing has come for long (`give_up`) is whole. Where it has had
    one, a head within a line is but text: else who can put words into a log could forge a message.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = bytearray()
        self._skip = 0  # bytes of a counted message beyond the limit
        self._skip_line = False  # the same of a line
        self._framed = False  # whether a line end or a count has been seen
        self._endless = 0  # until then: bytes at the beginning that were searched, so that none is searched twice
        self.cut = 0

    @property
    def waits(self) -> bool:
        """Whether something is held that may be whole."""
        return bool(self._held)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The messages that are whole with these further bytes."""
        self._held += data
        while (message := self._next(more_may_come=True)) is not None:
            if message.strip(b"\0\r\n "):
                yield message

    def flush(self) -> Iterator[bytes]:
        """What is held, as if nothing more came; a counted message goes on waiting for its bytes."""
        while (message := self._next(more_may_come=False)) is not None:
            if message.strip(b"\0\r\n "):
                yield message

    def give_up(self) -> Iterator[bytes]:
        """What is held of a sender that ends its messages by nothing."""
        yield from self.flush()
        if not self._framed and _BEGINS.match(self._held):
            yield self._taken(len(self._held))

    def end(self) -> Iterator[bytes]:
        """What is held when the connection is closed."""
        yield from self.flush()
        rest = self._taken(len(self._held))
        if found := _COUNTED.match(rest):
            rest = rest[found.end() :]
            self.cut += 1
        if rest.strip(b"\0\r\n "):
            yield rest

    def _taken(self, size: int) -> bytes:
        """The first bytes of what is held, which is no longer held."""
        taken = bytes(self._held[:size])
        del self._held[:size]
        self._endless = max(0, self._endless - size)
        return taken

    def _next(self, *, more_may_come: bool) -> bytes | None:
        held = self._held
        if self._skip:
            self._skip -= len(self._taken(self._skip))
        if self._skip_line:
            end = _LINE_END.search(held)
            self._taken(len(held) if end is None else end.end())
            if end is None:
                return None
            self._skip_line = False
        while held and held[0] in b"\n\r\0":
            self._taken(1)
        if not held:
            return None
        if found := _COUNTED.match(held):
            self._framed = True
            return self._counted(int(found[1]), found.end())
        if more_may_come and _MAYBE_COUNTED.fullmatch(held):
            return None
        return self._line(more_may_come=more_may_come)

    def _counted(self, size: int, start: int) -> bytes | None:
        kept = min(size, self._limit)
        if len(self._held) < start + kept:
            return None
        message = self._taken(start + kept)[start:]
        if size > kept:
            self.cut += 1
            self._skip = size - kept
        return message

    def _line(self, *, more_may_come: bool) -> bytes | None:
        held = self._held
        goes_on = _BEGINS.match(held) is not None
        begin = 0 if self._framed else self._endless
        end = (_NEXT if goes_on else _LINE_END).search(held, begin)
        if not self._framed:
            self._framed = end is not None or held.find(b"\n", begin) >= 0
            self._endless = len(held)
        if end is None and not self._framed and (not more_may_come or len(held) > self._limit):
            end = _HEAD.search(held, 1)
        if end is None and len(held) > self._limit:
            self.cut += 1
            self._skip_line = True
            return self._taken(len(held))[: self._limit]
        if end is None:
            return None if more_may_come or not held.endswith(b"\n") else self._taken(len(held))
        message = self._taken(end.start())
        if end.re is not _HEAD:
            self._taken(end.end() - end.start())
        if len(message) > self._limit:
            self.cut += 1
        return message[: self._limit]

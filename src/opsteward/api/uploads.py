"""A file that is sent as a body: small ones are held, large ones are kept piece by piece as they come."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import islice
from uuid import UUID

from starlette.requests import ClientDisconnect

from opsteward.core.db import Database, leave_to_the_log_writer
from opsteward.core.errors import Invalid, TooLarge
from opsteward.directory.imports import jobs
from opsteward.directory.imports.jobs import ImportOrder
from opsteward.directory.imports.reading import records
from opsteward.directory.imports.records import Reading, Unreadable
from opsteward.directory.imports.text_encoding import EncodingFinder


class Body:
    """The pieces of a body as they come; what was looked at comes again."""

    def __init__(self, stream: AsyncIterator[bytes]) -> None:
        self._stream = stream
        self.begun = b""
        self.whole = False

    async def look(self, size: int) -> None:
        """Until so many bytes have come, or all: `begun` has them, `whole` says which."""
        parts = [self.begun]
        held = len(self.begun)
        while held <= size and not self.whole:
            block = await anext(self._stream, None)
            self.whole = block is None
            parts.append(block or b"")
            held += len(block or b"")
        self.begun = b"".join(parts)

    async def blocks(self) -> AsyncIterator[bytes]:
        """All of it, in pieces of a fixed size."""
        buffer = bytearray(self.begun)
        self.begun = b""
        while True:
            while len(buffer) >= jobs.PART_BYTES:
                yield bytes(buffer[: jobs.PART_BYTES])
                del buffer[: jobs.PART_BYTES]
            block = await anext(self._stream, None)
            if block is None:
                break
            buffer += block
        if buffer:
            yield bytes(buffer)


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What is known of an upload when all of it is there."""

    size: int
    encoding: str
    note: str
    content: hashlib._Hash


def too_large(limit: int) -> TooLarge:
    """The refusal of a body beyond the limit."""
    return TooLarge(f"the body is larger than {limit} bytes", remedy="send less at once")


def held(content: bytes, order: ImportOrder, encoding: str) -> Kept:
    """A small upload. Raises Invalid for text in no encoding that is known."""
    finder = EncodingFinder(given=encoding)
    finder.look(content)
    found, note = finder.found()
    return Kept(size=len(content), encoding=found, note=note, content=hashlib.sha256(content))


def holds_more_than(most: int, content: bytes, order: ImportOrder, encoding: str) -> bool:
    """Whether a small upload has more rows than that; one that can't be read has not."""
    reading = Reading(
        format=order.format, encoding=encoding, mapping=order.mapping, delimiter=order.delimiter, strict=order.strict
    )
    try:
        return next(islice(records(iter([content]), reading, lambda _: None), most, None), None) is not None
    except (Unreadable, UnicodeError):
        return False


async def keep(
    db: Database, tenant_id: UUID, body: Body, *, order: ImportOrder, encoding: str, actor: str, limit: int
) -> tuple[UUID, Kept]:
    """Store a large upload piece by piece under a new job. Raises TooLarge, Invalid; nothing is left of it then."""
    finder = EncodingFinder(given=encoding)
    async with db.unit_of_work(tenant_id) as session:
        job_id = await jobs.begin(session, order=order, actor=actor)
    content, size, number = hashlib.sha256(), 0, 0
    try:
        async for block in body.blocks():
            size += len(block)
            if size > limit:
                raise too_large(limit)
            content.update(block)
            finder.look(block)
            async with db.unit_of_work(tenant_id) as session:
                await leave_to_the_log_writer(session)  # accepting it waits until all of it is on disk
                await jobs.keep_part(session, job_id=job_id, number=number, data=block)
            number += 1
        found, note = finder.found()
    except (TooLarge, Invalid, ClientDisconnect):
        async with db.unit_of_work(tenant_id) as session:
            await jobs.discard(session, job_id=job_id)
        raise
    return job_id, Kept(size=size, encoding=found, note=note, content=content)

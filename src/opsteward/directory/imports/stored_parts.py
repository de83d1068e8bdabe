"""The stored parts of a job's file, as a reader on a thread takes them, and how much of the file its rows have used."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from uuid import UUID

from opsteward.core.db import Database
from opsteward.directory.imports import jobs
from opsteward.directory.imports.records import Record, Unreadable


class Parts:
    """The parts in order, fetched through the event loop's database. Raises Unreadable where one is missing."""

    def __init__(
        self, db: Database, tenant_id: UUID, job_id: UUID, size: int, loop: asyncio.AbstractEventLoop | None = None
    ) -> None:
        """`loop`: the event loop of the database, where this is made on a thread."""
        self._db = db
        self._tenant_id = tenant_id
        self._job_id = job_id
        self.loop = loop or asyncio.get_running_loop()
        self._number = 0
        self.used = Used(size)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        data = asyncio.run_coroutine_threadsafe(self._fetch(), self.loop).result()
        if data is None:
            if not self.used.is_whole:
                raise Unreadable("the upload is not whole: send the file again")
            raise StopIteration
        self._number += 1
        self.used.read(data)
        return data

    async def _fetch(self) -> bytes | None:
        async with self._db.unit_of_work(self._tenant_id) as session:
            return await jobs.part(session, job_id=self._job_id, number=self._number)


class Used:
    """How much of a file its rows so far have used. What is read but not yet a row does not count."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._read = 0
        self._row = 0
        #: The bytes and the rows that lie before the last part, and the bytes that a row of it is taken to have.
        self._bytes_before = self._rows_before = 0
        self._bytes_of_row = 0.0

    @property
    def is_whole(self) -> bool:
        """Whether all of the file was read."""
        return self._read == self._size

    def read(self, data: bytes) -> None:
        """The next part is read."""
        if self._row:
            self._bytes_before, self._rows_before = self._read, self._row
            self._bytes_of_row = self._read / self._row
        else:  # no row has one line or object for more than one: the share is rather too small than too large
            self._bytes_of_row = len(data) / max(1, data.count(b"\n"), data.count(b"{"))
        self._read += len(data)

    def counted(self, records: Iterator[Record]) -> Iterator[Record]:
        """The same records; each is counted as it is taken."""
        for record in records:
            self._row = record.row
            yield record

    def share(self, row: int) -> float:
        """Of the file that the rows up to this one have used, 0-1."""
        if not self._size:
            return 1.0
        used = self._bytes_before + max(0, row - self._rows_before) * self._bytes_of_row
        return min(used, self._read) / self._size

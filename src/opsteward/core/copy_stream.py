"""Lines of PostgreSQL's COPY, passed on from one server to another without a Python object for each."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Generator

    from psycopg.pq.abc import PGconn
    from sqlalchemy.ext.asyncio import AsyncSession

#: Bytes from which on lines are handed on.
_BLOCK = 512 * 1024


async def copy_lines(session: AsyncSession, statement: str, lines: bytes) -> None:
    """`copy ... from stdin` of these lines, in this unit of work."""
    raw = await (await session.connection()).get_raw_connection()
    async with raw.driver_connection.cursor() as cursor, cursor.copy(statement.encode()) as copying:  # type: ignore[union-attr]
        await copying.write(lines)


async def copy_stream(session: AsyncSession, statement: str, content: AsyncIterator[bytes]) -> int:
    """`copy ... from stdin` of all that comes, in this unit of work; how many bytes it took."""
    raw = await (await session.connection()).get_raw_connection()
    size = 0
    async with raw.driver_connection.cursor() as cursor, cursor.copy(statement.encode()) as copying:  # type: ignore[union-attr]
        async for block in content:
            size += len(block)
            await copying.write(block)
    return size


async def copied_blocks(connection: Any, statement: Any, params: object = None) -> AsyncIterator[bytes]:
    """What `copy ... to stdout` gives on a connection of psycopg, whole lines of some 500 kB at a time.

    Raises as psycopg does.
    """
    block, is_over = bytearray(), False
    async with connection.cursor() as cursor, cursor.copy(statement, params) as copying:
        while not is_over and (line := await copying.read()):
            block += line
            is_over = _take_what_came(connection.pgconn, block)
            if len(block) >= _BLOCK:
                yield bytes(block)
                block.clear()
        if is_over:
            await connection.wait(_outcome(connection.pgconn))
    if block:
        yield bytes(block)


def _take_what_came(connection: PGconn, block: bytearray) -> bool:
    """Add the lines that are there already; whether they were the last. To wait for each by itself takes longer than
    all else that is done with it."""
    length = 0
    while len(block) < _BLOCK:
        length, line = connection.get_copy_data(1)
        if length == 0:
            connection.consume_input()
            length, line = connection.get_copy_data(1)
        if length <= 0:
            break
        block += line
    return length < 0


def _outcome(connection: PGconn) -> Generator[Any, Any, None]:
    """Raises what kept the lines from being all."""
    from psycopg.errors import error_from_result
    from psycopg.generators import fetch_many
    from psycopg.pq import ExecStatus

    for result in (yield from fetch_many(connection)):
        if result.status != ExecStatus.COMMAND_OK:
            raise error_from_result(result)

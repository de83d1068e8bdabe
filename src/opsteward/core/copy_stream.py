"""Bytes of PostgreSQL's COPY passed on from one server to another, without a Python object for each row."""

from __future__ import annotations

from collections.abc import AsyncIterator

from sqlalchemy.ext.asyncio import AsyncSession


async def copy_stream(session: AsyncSession, statement: str, content: AsyncIterator[bytes]) -> int:
    """`copy ... from stdin` in this unit of work, with content in COPY's text format; how many bytes it took."""
    raw = await (await session.connection()).get_raw_connection()
    size = 0
    async with raw.driver_connection.cursor() as cursor, cursor.copy(statement.encode()) as copying:  # type: ignore[union-attr]
        async for block in content:
            size += len(block)
            await copying.write(block)
    return size

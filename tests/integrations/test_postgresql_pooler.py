"""A pooler between us and the server: it is told as such, and nothing of ours is left in sessions that others use."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator

import pytest
from real_parts import Postgres, free_port, system

from opsteward.contracts.records import Change, Operation
from opsteward.core.errors import Unreachable
from opsteward.core.http_client import failure_kind
from opsteward.integrations.postgresql.checks import ConnectCheck
from opsteward.integrations.postgresql.connector import PostgresConnector

_SSL, _GSS = 80877103, 80877104
TABLE = {"resources": {"stock": {"table": "stock", "key": "id"}}}


class Pooler:
    """Before a real server, like PgBouncer: takes no `options`, or leaves them out (`ignore_startup_parameters`)."""

    def __init__(self, postgres: Postgres, *, ignores: bool) -> None:
        self.postgres, self.ignores, self.statements = postgres, ignores, 0
        self.port = free_port()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            size, code = struct.unpack("!ii", await reader.readexactly(8))
            body = await reader.readexactly(size - 8)
            if code not in (_SSL, _GSS):
                break
            writer.write(b"N")
        words = body.rstrip(b"\0").split(b"\0")
        given = dict(zip(words[::2], words[1::2], strict=True))
        if not self.ignores and b"options" in given:
            told = b"SFATAL\0C08P01\0Munsupported startup parameter: options\0\0"
            writer.write(b"E" + struct.pack("!i", len(told) + 4) + told)
            await writer.drain()
            writer.close()
            return
        passed = b"".join(name + b"\0" + value + b"\0" for name, value in given.items() if name != b"options") + b"\0"
        there, back = await asyncio.open_connection("127.0.0.1", self.postgres.port)
        back.write(struct.pack("!ii", len(passed) + 8, code) + passed)

        async def pass_on(source: asyncio.StreamReader, to: asyncio.StreamWriter, *, counts: bool) -> None:
            while data := await source.read(65536):
                self.statements += counts and data[:1] in b"QP"
                to.write(data)
            to.close()

        await asyncio.gather(pass_on(reader, back, counts=True), pass_on(there, writer, counts=False))


@pytest.fixture(params=[False, True], ids=["refuses", "ignores"])
async def pooler(request: pytest.FixtureRequest, postgres: Postgres) -> AsyncIterator[Pooler]:
    made = Pooler(postgres, ignores=request.param)
    server = await asyncio.start_server(made.serve, "127.0.0.1", made.port)
    yield made
    server.close()


async def test_a_pooler_is_named_and_says_nothing_of_the_servers_health(pooler: Pooler) -> None:
    target = system(f"postgresql://127.0.0.1:{pooler.port}/shop", **TABLE)
    via = PostgresConnector(PostgresConnector.config_for(target, {"username": "shop"}))
    change = Change(key="1", operation=Operation.UPDATE, native_id="1", values={"n": 7})
    for asked in (lambda: ConnectCheck().run(via, target), via.probe, lambda: via.write("stock", [change])):
        with pytest.raises(Unreachable, match="pooler") as refused:
            await asked()
        assert failure_kind(refused.value) == "policy" and "server's own address" in refused.value.detail
    await via.close()
    assert pooler.statements == 0  # nothing was set there, and nothing changed


async def test_the_server_itself_is_used_as_before(postgres: Postgres) -> None:
    target = system(postgres.endpoint(), **TABLE)
    via = PostgresConnector(PostgresConnector.config_for(target, {"username": "shop"}))
    assert (await ConnectCheck().run(via, target)).status == "pass"
    await via.close()

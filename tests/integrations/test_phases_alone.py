"""The phases of troubleshooting by themselves, from Python, on real servers and without an instance."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest
from real_parts import free_port

import opsteward.troubleshooting as public
from opsteward.core.errors import Invalid
from opsteward.troubleshooting import Target, assess, causes_among, diagnose_target, verify


async def test_a_target_that_is_gone_is_diagnosed_and_assessed_and_not_verified() -> None:
    port = free_port()
    web = Target(f"http://127.0.0.1:{port}/", name="shop", needs=["shop-way"])
    way = Target(f"tcp://127.0.0.1:{port}", name="shop-way")
    found = [await diagnose_target(web), await diagnose_target(way)]
    assert [each.health_status for each in found] == ["down", "down"]
    assert "tcp_refused" in {issue.type for issue in found[0].issues}
    causes = causes_among(found, [web, way])
    assert causes[0].probability >= causes[-1].probability
    assert any(cause.follows_from for cause in causes if cause.system == "shop")
    facts = await assess([web, way])
    assert facts.health == {"shop": "down", "shop-way": "down"}
    assert not await verify([web], within=0.0)


async def test_a_target_that_is_well_is_verified_by_two_looks() -> None:
    looks = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal looks
        looks += b"GET " in await reader.readline()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        assert await verify([Target(f"http://127.0.0.1:{port}/")], within=10.0)
    assert looks >= 2


async def test_an_endpoint_that_nothing_checks_is_refused() -> None:
    with pytest.raises(Invalid, match="nothing"):
        await diagnose_target(Target("gopher://example/"))


def test_every_public_name_is_there_and_none_is_loaded_before_it_is_asked_for() -> None:
    assert all(getattr(public, name) is not None for name in public.__all__)
    assert public.SystemInfo is public.SystemFacts
    lean = "import sys, opsteward.troubleshooting; sys.exit('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", lean], check=False).returncode == 0

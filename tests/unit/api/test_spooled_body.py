"""A body while it comes: what is added is read again, a large one lies on disk, without a name and for no longer."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from opsteward.api.middleware.spooled_body import HELD_BYTES, SpooledBody
from opsteward.core.errors import Unavailable


@pytest.mark.parametrize(
    "sizes", [[], [0], [1, 2], [HELD_BYTES], [HELD_BYTES + 1], [100_000] * 9, [HELD_BYTES] * 3 + [5]]
)
async def test_what_was_added_is_read_again(tmp_path: Path, sizes: list[int]) -> None:
    parts = [bytes([65 + number % 26]) * size for number, size in enumerate(sizes)]
    body = SpooledBody(tmp_path)
    for part in parts:
        await body.add(part)
        assert not [*tmp_path.iterdir()], "a file with a name outlives a killed process"
    assert await body.read() == b"".join(parts)
    body.close()


async def test_a_body_of_which_the_rest_never_comes_costs_little_memory(tmp_path: Path) -> None:
    tracemalloc.start()
    bodies = [SpooledBody(tmp_path) for _ in range(8)]
    for body in bodies:
        for _ in range(128):
            await body.add(b"x" * 65_536)  # 8 MB each
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 8 * 2 * HELD_BYTES
    assert len(await bodies[0].read()) == 8 * 1024 * 1024
    for body in bodies:
        body.close()


async def test_no_room_on_the_disk_is_said(tmp_path: Path) -> None:
    body = SpooledBody(tmp_path / "gone")
    await body.add(b"x" * HELD_BYTES)
    with pytest.raises(Unavailable, match="can't be kept on disk"):
        await body.add(b"x")
    body.close()

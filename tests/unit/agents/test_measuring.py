"""Memory in use: of the container where it has a limit, without what could be given back."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from opsteward.agents.process_measurement import memory_in_use


def container(folder: Path, *, limit: str, used: int, cached: int) -> Path:
    (folder / "memory.max").write_text(limit)
    (folder / "memory.current").write_text(str(used))
    (folder / "memory.stat").write_text(f"anon 1\ninactive_file {cached}\n")
    return folder


def test_a_containers_limit_counts(tmp_path: Path) -> None:
    assert memory_in_use(container(tmp_path, limit="1000", used=999, cached=9)) == pytest.approx(0.99)


@pytest.mark.parametrize("limit", ["max", "0", ""])
def test_without_a_limit_the_machine_counts(tmp_path: Path, limit: str) -> None:
    share = memory_in_use(container(tmp_path, limit=limit, used=999, cached=0))
    assert share == pytest.approx(psutil.virtual_memory().percent / 100, abs=0.1)

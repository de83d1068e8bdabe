"""Homes that can't hold a server are refused before anything is touched."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from opsteward.core.embedded_postgres import EmbeddedPostgres
from opsteward.core.errors import Invalid
from opsteward.core.home import prepare_home


def test_a_home_with_too_long_a_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=r"OPSTEWARD_HOME.*too long"):
        EmbeddedPostgres(tmp_path / ("x" * 100)).ensure_running()


def test_a_home_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Invalid, match=r"OPSTEWARD_HOME.*not a folder"):
        prepare_home(tmp_path / "file")


@pytest.mark.skipif(os.geteuid() != 0, reason="only for root must parents be open to another user")
def test_for_root_a_closed_parent_is_refused_and_left_closed() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # tmp_path may be too long for a home
        closed = Path(folder)
        assert closed.stat().st_mode & 0o777 == 0o700
        with pytest.raises(Invalid, match="closed to other users"):
            EmbeddedPostgres(closed / "home").ensure_running()
        assert closed.stat().st_mode & 0o777 == 0o700

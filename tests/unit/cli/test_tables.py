"""Tables: one row a line at 80 columns and piped, whatever stands in them, and nothing that plays with a terminal."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from rich.cells import cell_len

from opsteward.cli import show
from support.naughty import NAUGHTY as STRINGS

ID = "01a218ed-6ff7-7ff0-851a-fbe6c51d7f21"
LONG = {"id": ID, "name": "张伟" * 60, "full_name": "محمد " * 30, "note": "e\u0301" * 200, "status": "completed"}


def printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int | None) -> Any:
    """Prints as to a terminal of this width, or to a pipe for None; gives what stood on standard output."""
    monkeypatch.setattr(show, "_terminal_width", lambda: width)
    monkeypatch.setattr(show, "colours", lambda: False)

    def table(rows: list[dict[str, Any]], columns: list[str], **more: Any) -> list[str]:
        show.table(rows, columns, empty="none", **more)
        return capsys.readouterr().out.splitlines()

    return table


@pytest.mark.parametrize("width", [80, 60, 40, 20])
def test_a_row_is_a_line_that_fits(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int
) -> None:
    lines = printed(monkeypatch, capsys, width)([LONG] * 3, ["id", "name", "full_name", "note", "status"])
    assert len(lines) == 4
    assert all(cell_len(line.replace("\u2068", "").replace("\u2069", "")) <= width for line in lines)
    assert all(line.startswith("c51d7f21") for line in lines[1:])
    assert width < 40 or "\u2026" in lines[1]


def test_what_does_not_fit_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(show, "_terminal_width", lambda: 30)
    show.table([LONG], ["name", "status", "note"], empty="", whole=("status",))
    assert "without: status, note" in capsys.readouterr().err


def test_piped_nothing_is_cut(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(monkeypatch, capsys, None)([LONG] * 2, ["id", "name", "note"])
    assert len(lines) == 3
    assert lines[1].split()[:3] == [ID, LONG["name"], LONG["note"]]


@pytest.mark.parametrize("width", [80, None])
def test_no_text_plays_with_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int | None
) -> None:
    rows = [{"id": ID, "name": text, "status": "open"} for text in STRINGS]
    lines = "".join(f"{line}\n" for line in printed(monkeypatch, capsys, width)(rows, ["id", "name", "status"]))
    assert lines.count("\n") == len(rows) + 1
    own = "\u2068\u2069\n"
    assert not {c for c in lines if not (c.isprintable() or c in own or c in "\u00a0\u3000\u200c\u200d")}


def test_control_characters_are_spelt_out() -> None:
    assert show.plain("a\x1b[31mb\u202ec\nd") == "a\\x1b[31mb\\u202ec d"


def test_colour_only_on_a_terminal_that_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not show.colours()
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert show.colours()
    monkeypatch.setenv("NO_COLOR", "1")
    assert not show.colours()

"""The examples of a page, in the order in which a reader meets them, and how they are typed.

A page's indented blocks are a terminal; each fenced `python` block is a program; a fenced block after "Write `FILE`" is
that file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

_PROGRAMS = r"opsteward|curl|make|export|cat|echo|printf|\.|(?:\.venv|env)/bin/\S+|[A-Z_]+=\S+ opsteward"
_COMMAND = re.compile(rf"(?:{_PROGRAMS}) ")
_FENCED = r"^```(?P<language>\w+)\n(?P<fenced>.*?)^```"
_INDENTED = r"(?P<indented>(?:^ {4}[^\n]*\n|^\n(?= {4}))+)"
_BLOCK = re.compile(f"{_FENCED}|{_INDENTED}", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"Write `([\w.-]+)`[^`]*\Z")


@dataclass(frozen=True, kw_only=True)
class Example:
    """One command with all its lines, a file to be written, or a block of Python."""

    kind: Literal["command", "file", "python"]
    text: str
    file: str = ""


def examples(page: Path) -> list[Example]:
    """All that a reader of the page types, in order."""
    text = page.read_text(encoding="utf-8")
    found: list[Example] = []
    for block in _BLOCK.finditer(text):
        named = _FILE.search(text[: block.start()])
        if named and block["fenced"]:
            found.append(Example(kind="file", text=block["fenced"], file=named[1]))
        elif block["language"] == "python":
            found.append(Example(kind="python", text=block["fenced"]))
        elif block["indented"]:
            found += [Example(kind="command", text=one) for one in _commands(block["indented"])]
    return found


def _commands(block: str) -> list[str]:
    """The commands of a block; a line that goes on in the next belongs to it. A block of output has none."""
    lines = [line.removeprefix("    ") for line in block.strip("\n").splitlines()]
    if not _COMMAND.match(lines[0] + " "):
        return []
    commands: list[str] = []
    open_until = ""
    for line in lines:
        if open_until or (commands and _goes_on(commands[-1])):
            commands[-1] += "\n" + line
        elif line.strip():
            commands.append(line)
        here = re.search(r"<<'(\w+)'", line)
        open_until = here[1] if here else "" if line == open_until else open_until
    return commands


def _goes_on(command: str) -> bool:
    said = re.sub(r"\s# .*", "", command)
    return said.endswith("\\") or said.count("'") % 2 == 1

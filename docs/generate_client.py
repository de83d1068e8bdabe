"""Writes modules of the Python client: its blocking form from the async one, the rest from the OpenAPI document."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import client_operations

CLIENT = Path(__file__).parents[1] / "src" / "opsteward" / "client"
_NAMES = (
    (r"\basync (def|with|for)\b", r"\1"),
    (r"\bawait ", ""),
    (r"`async with` block", "`with` block"),
    (r"\bAsync(Opsteward|Verbs)\b", r"\1"),
    (r"\basynchronous_verbs\b", "blocking_verbs"),
)
_HEAD = '"""The blocking form of the verbs, written from the async one by `python docs/generate.py`."""'


def sources() -> Iterator[tuple[str, str]]:
    """Each written module: its name within the client, its text."""
    yield "blocking.py", blocking()
    yield from client_operations.sources(_formatted)


def blocking() -> str:
    """The text of `client/blocking.py`. Raises subprocess.CalledProcessError when it is no Python."""
    source = (CLIENT / "asynchronous.py").read_text(encoding="utf-8")
    text = _HEAD + source[source.index("\n") :]
    for pattern, name in _NAMES:
        text = re.sub(pattern, name, text)
    return _formatted(text, "blocking.py")


@cache
def _formatted(text: str, name: str) -> str:
    """Without imports that it does not need, as our other files are."""
    text = _ruff(text, name, "check", "--fix-only", "--exit-zero", "--select", "F401,I")
    return _ruff(text, name, "format")


def _ruff(text: str, name: str, *arguments: str) -> str:
    command = [sys.executable, "-m", "ruff", *arguments, "--quiet", "--stdin-filename", str(CLIENT / name), "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout  # noqa: S603 - our own text

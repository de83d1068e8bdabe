"""Writes the blocking form of the Python client from the async one."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

CLIENT = Path(__file__).parents[1] / "src" / "opsteward" / "client"
_NAMES = (
    (r"\basync (def|with|for)\b", r"\1"),
    (r"\bawait ", ""),
    (r"`async with` block", "`with` block"),
    (r"\bAsync(Opsteward|Transport)\b", lambda found: "Opsteward" if found[1] == "Opsteward" else "BlockingTransport"),
)
_HEAD = '"""The blocking form of the verbs, written from the async one by `python docs/generate.py`."""'


def sources() -> Iterator[tuple[str, str]]:
    """Each written module: its name within the client, its text."""
    yield "blocking.py", blocking()


def blocking() -> str:
    """The text of `client/blocking.py`. Raises subprocess.CalledProcessError when it is no Python."""
    source = (CLIENT / "asynchronous.py").read_text(encoding="utf-8")
    text = _HEAD + source[source.index("\n") :]
    for pattern, name in _NAMES:
        text = re.sub(pattern, name, text)
    command = [sys.executable, "-m", "ruff", "format", "--stdin-filename", str(CLIENT / "blocking.py"), "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout  # noqa: S603 - our own text

"""SQL of a call: one statement that reads, with `:name` for each value."""

from __future__ import annotations

import re

_PARTS = re.compile(
    r"[eE]'(?:[^'\\]|\\.|'')*'"  # a text with escapes
    r"|'(?:[^']|'')*'"
    r'|"(?:[^"]|"")*"'
    r"|--[^\n]*"
    r"|/\*.*?\*/"
    r"|\$([A-Za-z_]\w*|)\$.*?\$\1\$"  # a text in dollars
    r"|::"  # a cast
    r"|:([A-Za-z_]\w*)"  # a value
    r"|;|%",
    re.DOTALL,
)
_READING = ("select", "with", "values", "table")


class NotAStatement(ValueError):
    """The text can't be used as the statement of a call; the words say why, and `remedy` how to mend it."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.remedy = remedy


def read_statement(text: str) -> tuple[str, frozenset[str]]:
    """The statement with `%(name)s` for each `:name`, and these names. Raises NotAStatement."""
    stripped = text.strip().rstrip(";").strip()
    names: set[str] = set()

    def put(match: re.Match[str]) -> str:
        found = match[0]
        if match[2] is not None:
            names.add(match[2])
            return f"%({match[2]})s"
        if found == ";":
            raise NotAStatement("holds more than one statement", "write a call for each")
        return found.replace("%", "%%")

    made = _PARTS.sub(put, stripped)
    bare = re.sub(r"--[^\n]*|/\*.*?\*/", " ", stripped, flags=re.DOTALL).strip().lstrip("(").strip()
    first = re.match(r"[A-Za-z]+", bare)
    if first is None or first[0].lower() not in _READING:
        raise NotAStatement(
            f"begins with {bare[:20]!r}: a direct call only reads",
            f"begin with {', '.join(_READING)}; what changes something is an action",
        )
    return made, frozenset(names)

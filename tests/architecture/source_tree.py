"""The source that the house rules are checked on, read once: paths, text and syntax trees. Nothing is imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "opsteward"

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """One file. `name` is its path inside the package: `core/db.py`."""

    name: str
    text: str
    tree: ast.Module = field(repr=False)

    @property
    def room(self) -> str:
        """The first part of its path; empty for files of the package itself."""
        return self.name.rpartition("/")[0].partition("/")[0]

    def functions(self) -> Iterator[tuple[str, Function]]:
        """Every function with its dotted name inside the file, methods and inner functions too."""
        yield from _functions(self.tree, "")


def _functions(node: ast.AST, prefix: str) -> Iterator[tuple[str, Function]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function | ast.ClassDef):
            if isinstance(child, Function):
                yield prefix + child.name, child
            yield from _functions(child, f"{prefix}{child.name}.")
        else:
            yield from _functions(child, prefix)


def snippet(text: str, name: str = "room/snippet.py") -> Module:
    """A file that exists only in a test: to see that a rule can fail."""
    return Module(name, text, ast.parse(text))


@cache
def modules() -> tuple[Module, ...]:
    """All files of the product."""
    return tuple(
        snippet(path.read_text(encoding="utf-8"), path.relative_to(PACKAGE).as_posix())
        for path in sorted(PACKAGE.rglob("*.py"))
    )


def dotted(node: ast.expr) -> str:
    """`a.b.c` for such an expression, else nothing."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


def imported_names(tree: ast.AST) -> dict[str, str]:
    """What each imported name stands for: `{"sa": "sqlalchemy", "now": "opsteward.core.clock.now"}`."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                bound = alias.asname or alias.name.partition(".")[0]
                names[bound] = alias.name if alias.asname else bound
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return names


def meaning(node: ast.expr, names: dict[str, str]) -> str:
    """What a dotted expression means, with the file's imports written out: `now` -> `opsteward.core.clock.now`."""
    head, dot, rest = dotted(node).partition(".")
    return f"{names.get(head, head)}{dot}{rest}"

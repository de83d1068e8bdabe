"""Which room's SQL text names which tables: read from the source, not from a database."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

#: Words that make a text with `opsteward.<name>` in it one of SQL.
_SQL = re.compile(r"\b(select|insert into|update|delete from|copy|analyze|truncate|join|from)\b", re.IGNORECASE)
_TABLE = re.compile(r"\b(opsteward|dbos)\.(\w+)\b(?![.(])")
_IMPORT = re.compile(r"^ *(from opsteward[\w.]* import|import opsteward).*$", re.MULTILINE)
_COMMENT = re.compile(r"--.*$", re.MULTILINE)


@cache
def tables_named(path: Path) -> set[str]:
    """As `schema.name`, whatever stands so in a file's SQL: its tables, and what is called without arguments."""
    text = path.read_text(encoding="utf-8")
    if not _TABLE.search(_IMPORT.sub("", text)):
        return set()  # most files, and parsing them all takes long
    pieces = [text] if path.suffix == ".sql" else _strings(ast.parse(text))
    found = {match for piece in pieces if _SQL.search(piece) for match in _TABLE.findall(_COMMENT.sub("", piece))}
    return {f"{schema}.{name}" for schema, name in found}


def _strings(tree: ast.Module) -> Iterator[str]:
    """The text of every string, also of one with values in it; docstrings are none."""
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    described = {id(node.body[0].value) for node in ast.walk(tree) if isinstance(node, documented) and node.body
                 and isinstance(node.body[0], ast.Expr)}  # fmt: skip
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else "?" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in described:
            yield node.value

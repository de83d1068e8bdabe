"""Files that a command is given, read and written whole: what is wrong is said with name, line and remedy."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn, cast

from opsteward.cli.failures import Failure, reason_of
from opsteward.core.format_words import why_no_json
from opsteward.core.json_types import Json, JsonObject

MAX_BYTES = 256 * 1024 * 1024
_NDJSON = (".ndjson", ".jsonl")
_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb\xbf": "utf-8-sig"}


def read_bytes(file: Path) -> bytes:
    """Raises Failure."""
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise Failure(f"{file}: {reason_of(error)}") from None
    if len(content) > MAX_BYTES:
        raise Failure(f"{file}: is larger than {MAX_BYTES // 2**20} MB; send it in parts")
    return content


def read_text(file: Path) -> str:
    """UTF-8, or UTF-16 with its mark; a mark is no part of the text. Raises Failure for what is no text."""
    content = read_bytes(file)
    encoding = next((name for mark, name in _MARKS.items() if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise Failure(f"{file}: line {line} holds bytes that are no {encoding[:6]} text; save it as UTF-8") from None
    if "\0" in text:
        raise Failure(f"{file}: is no text file; name one")
    return text


def write_text(file: Path, text: str, *, replace: bool) -> None:
    """Into a file, which is whole or not there; in the place of another only with `replace`. Raises Failure."""
    partly = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        partly.write_text(text, encoding="utf-8")
        if replace:
            partly.replace(file)
        else:
            os.link(partly, file)  # unlike a rename it never takes the place of another file
    except OSError as error:
        raise Failure(f"{file}: {reason_of(error)}") from None
    finally:
        partly.unlink(missing_ok=True)


def read_json(file: Path) -> Json:
    """One JSON document. Raises Failure."""
    text = read_text(file)
    if not text.strip():
        raise Failure(f"{file}: is empty; write JSON into it")
    return parsed(text, str(file))


def read_objects(file: Path) -> list[tuple[str, JsonObject]]:
    """The JSON objects of a list, of one object, or one a line (NDJSON), each with the place where it stands.

    Raises Failure that names all that are none.
    """
    text = read_text(file)
    lines = file.suffix.lower() in _NDJSON or (text.lstrip()[:1] == "{" and not _is_json(text))
    found: list[tuple[str, Json]] = []
    problems: list[str] = []
    if lines and len(list(_lines(text))) > 1:
        for number, line in _lines(text):
            try:
                found.append((f"line {number}", parsed(line, f"{file}: line {number}", of_line=True)))
            except Failure as failure:
                problems += failure.problems
    else:
        value = read_json(file)
        found = [(f"entry {n}", one) for n, one in enumerate(value, 1)] if isinstance(value, list) else [("", value)]
    objects: list[tuple[str, JsonObject]] = []
    for place, one in found:
        if isinstance(one, dict):
            objects.append((place, one))
        else:
            problems.append(f"{file}: {f'{place} ' if place else ''}is {_named(one)}; write a JSON object")
    if problems:
        raise Failure(*problems)
    return objects


def parsed(text: str, where: str, *, of_line: bool = False) -> Json:
    """Raises Failure that names the place where it is no JSON."""

    def refused(name: str) -> NoReturn:
        raise Failure(f"{where}: {name} is no number of JSON; write an ordinary one")

    try:
        return cast(Json, json.loads(text, parse_constant=refused))
    except json.JSONDecodeError as error:
        line = "" if of_line or "\n" not in text.strip() else f"line {error.lineno}, "
        raise Failure(
            f"{where}: {line}column {error.colno} is no JSON ({why_no_json(error)}); correct it there"
        ) from None
    except RecursionError:
        raise Failure(f"{where}: is nested too deeply; send it flatter") from None
    except ValueError:
        raise Failure(f"{where}: holds a number of too many digits; write a shorter one, or text") from None


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _lines(text: str) -> Iterator[tuple[int, str]]:
    return ((number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip())


def _named(value: object) -> str:
    names = {type(None): "null", bool: "a truth value", int: "a number", float: "a number", str: "text", list: "a list"}
    return names.get(type(value), "no object")

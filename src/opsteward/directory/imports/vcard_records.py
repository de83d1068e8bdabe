"""Users as vCards (RFC 6350, and the versions before it): address books that groupware exports."""

from __future__ import annotations

import quopri
import re
from collections.abc import Iterator

from opsteward.core.json_types import JsonObject
from opsteward.directory.imports.records import MAX_RECORD, Blocks, Record, Unreadable
from opsteward.directory.imports.text_encoding import lines

_ESCAPED = re.compile(r"\\(.)")
#: Properties that are a field as they stand; those of several parts are taken apart below.
_FIELDS = {"FN": "full_name", "UID": "number", "NICKNAME": "nickname"}
_LARGE = ("PHOTO", "LOGO", "SOUND", "KEY")


def vcard_records(blocks: Blocks, encoding: str) -> Iterator[Record]:
    """One record for each card."""
    row = at = 0
    card: JsonObject | None = None
    for number, line in _unfolded(lines(blocks, encoding)):
        name, _, value = line.partition(":")
        kind, *parameters = name.upper().split(";")
        kind = kind.rpartition(".")[2]
        if kind == "BEGIN" and value.strip().upper() == "VCARD":
            card, at = {}, number
        elif kind == "END" and card is not None:
            row += 1
            group = card.pop("kind", "individual") not in ("individual", "")
            yield Record(row, at, None, skipped="is no person") if group else Record(row, at, card)
            card = None
        elif card is not None:
            _take(card, kind, parameters, value)
    if card is not None:
        raise Unreadable("the file ends within this card", row=row + 1, line=at)


def _unfolded(text: Iterator[str]) -> Iterator[tuple[int, str]]:
    held, at = "", 0
    for number, raw in enumerate(text, start=1):
        line = raw.rstrip("\r\n")
        soft = held.endswith("=") and "QUOTED-PRINTABLE" in held.partition(":")[0].upper()
        if held and (line[:1] in (" ", "\t") or soft):
            if len(held) <= MAX_RECORD and not held.upper().startswith(_LARGE):
                held = held[:-1] + line if soft else held + line[1:]
            continue
        if held:
            yield at, held
        held, at = line, number
    if held:
        yield at, held


def _take(card: JsonObject, kind: str, parameters: list[str], value: str) -> None:
    if "ENCODING=QUOTED-PRINTABLE" in parameters or "QUOTED-PRINTABLE" in parameters:
        value = quopri.decodestring(value.encode()).decode("utf-8", "replace")
    if kind in _FIELDS:
        card.setdefault(_FIELDS[kind], _text(value))
    elif kind == "EMAIL":
        said = ",".join(parameters)
        rank = ("PREF" not in said, "HOME" in said)
        listed = card.setdefault("emails", [])
        assert isinstance(listed, list)
        listed.append({"value": _text(value).removeprefix("mailto:"), "primary": not rank[0],
                       "type": "home" if rank[1] else "work"})  # fmt: skip
    elif kind == "N":
        last, first = [*_parts(value), "", ""][:2]
        card |= {"last_name": last, "first_name": first}
    elif kind == "ORG" and len(parts := _parts(value)) > 1:
        card["department"] = parts[-1]
    elif kind == "KIND":
        card["kind"] = value.strip().lower()


def _parts(value: str) -> list[str]:
    return [_text(part) for part in re.split(r"(?<!\\);", value)]


def _text(value: str) -> str:
    return _ESCAPED.sub(lambda found: " " if found[1] in "nN" else found[1], value).strip()

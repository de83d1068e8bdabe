"""Users as vCards (RFC 6350, and the versions before it): address books that groupware exports."""

from __future__ import annotations

import quopri
import re
from collections.abc import Iterator

from opsteward.core.json_types import JsonObject
from opsteward.directory.imports.records import MAX_RECORD, Blocks, Record, Unreadable
from opsteward.directory.imports.text_encoding import ENCODINGS, lines

_ESCAPED = re.compile(r"\\(.)")
#: Properties that are a field as they stand; those of several parts are taken apart below.
_FIELDS = {"FN": "full_name", "UID": "number", "NICKNAME": "nickname"}
#: Those that are read.
_READ = frozenset((*_FIELDS, "EMAIL", "N", "ORG", "KIND"))
#: Of an address that is not said to be preferred.
_NO_PREFERENCE = 101
_LARGE = ("PHOTO", "LOGO", "SOUND", "KEY")


def vcard_records(blocks: Blocks, encoding: str) -> Iterator[Record]:
    """One record for each card."""
    row = at = 0
    card: JsonObject | None = None
    problem = ""
    for number, line in _unfolded(lines(blocks, encoding)):
        name, _, value = line.partition(":")
        kind, *parameters = name.upper().split(";")
        kind = kind.rpartition(".")[2]
        if kind == "BEGIN" and value.strip().upper() == "VCARD":
            if card is not None:
                row += 1
                yield Record(row, at, None, "is a card without an end: END:VCARD is missing")
            card, at, problem = {}, number, ""
        elif kind == "END" and card is not None:
            row += 1
            card.pop("preference", None)
            group = card.pop("kind", "individual") not in ("individual", "")
            if problem or not group:
                yield Record(row, at, None if problem else card, problem)
            else:
                yield Record(row, at, None, skipped="is no person")
            card = None
        elif card is not None:
            if len(line) > MAX_RECORD:
                raise Unreadable(f"has a property longer than {MAX_RECORD} characters", row=row + 1, line=number)
            problem = _take(card, kind, parameters, value) or problem
    if card is not None:
        raise Unreadable("the file ends within this card", row=row + 1, line=at)


def _unfolded(text: Iterator[str]) -> Iterator[tuple[int, str]]:
    """Properties with the lines folded onto them; of one that is too long, and of pictures, not all is held."""
    held: list[str] = []
    at = size = 0
    quoted = keep = False
    for number, raw in enumerate(text, start=1):
        line = raw.rstrip("\r\n")
        soft = quoted and held[-1].endswith("=")
        if held and (line[:1] in (" ", "\t") or soft):
            if soft:
                held[-1] = held[-1][:-1]
            more = line if soft else line[1:]
            if keep and size <= MAX_RECORD:
                held.append(more)
                size += len(more)
            elif quoted:
                held[-1] = more[-1:]  # whether the next line belongs to it too
            continue
        if held:
            yield at, "".join(held)
        held, at, size = [line], number, len(line)
        name = line.partition(":")[0].upper()
        quoted, keep = "QUOTED-PRINTABLE" in name, not name.startswith(_LARGE)
    if held:
        yield at, "".join(held)


def _take(card: JsonObject, kind: str, parameters: list[str], value: str) -> str:
    """Why the card can't be read; empty where it can."""
    if "ENCODING=QUOTED-PRINTABLE" in parameters or "QUOTED-PRINTABLE" in parameters:
        charset = next((one.removeprefix("CHARSET=") for one in parameters if one.startswith("CHARSET=")), "UTF-8")
        try:
            value = quopri.decodestring(value.encode()).decode(ENCODINGS[charset.lower()])
        except (KeyError, UnicodeDecodeError):
            return f"{kind[:40]} is no text in {charset[:40]}: export the card as UTF-8" if kind in _READ else ""
    if kind in _FIELDS:
        card.setdefault(_FIELDS[kind], _text(value))
    elif kind == "EMAIL":
        listed = card.setdefault("emails", [])
        assert isinstance(listed, list)
        entry: JsonObject = {
            "value": _text(value).removeprefix("mailto:"), "primary": False,
            "type": "home" if "HOME" in ",".join(parameters) else "work",
        }  # fmt: skip
        if (rank := _preference(parameters)) < card.get("preference", _NO_PREFERENCE):  # type: ignore[operator]
            card["preference"] = rank
            for other in listed:
                other["primary"] = False  # type: ignore[index, call-overload]
            entry["primary"] = True
        listed.append(entry)
    elif kind == "N":
        last, first = [*_parts(value), "", ""][:2]
        card |= {"last_name": last, "first_name": first}
    elif kind == "ORG" and len(parts := _parts(value)) > 1:
        card["department"] = parts[-1]
    elif kind == "KIND":
        card["kind"] = value.strip().lower()
    return ""


def _preference(parameters: list[str]) -> int:
    """From 1, which is the most, to 100 (RFC 6350); before version 4 a mark says which is preferred."""
    for one in parameters:
        name, _, value = one.partition("=")
        if name == "PREF" and value.isdecimal() and len(value) < 4:
            return int(value)
        if one == "PREF" or (name == "TYPE" and "PREF" in value.strip('"').split(",")):
            return 1
    return _NO_PREFERENCE


def _parts(value: str) -> list[str]:
    return [_text(part) for part in re.split(r"(?<!\\);", value)]


def _text(value: str) -> str:
    return _ESCAPED.sub(lambda found: " " if found[1] in "nN" else found[1], value).strip()

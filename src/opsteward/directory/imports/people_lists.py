"""Where in an answer or an export of another system the people are: one list of them, found by what its entries say.

Two that are as good as each other are refused; people who were deleted there are never taken for users.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from opsteward.core.json_types import Json, JsonObject
from opsteward.directory.imports.account_status import Said, standing_kind, standing_of, word_status
from opsteward.directory.imports.columns import ALIASES, plain_name
from opsteward.directory.imports.flat_objects import WRAPPERS, flat
from opsteward.directory.types import UserStatus

#: Where interfaces put the list of users, in the order of preference.
ENVELOPES = ("users", "value", "resources", "data", "results", "items", "employees", "members", "entries")
_MAX_DEPTH = 10
#: Characters: a longer name says nothing.
_LONGEST_NAME = 200
_STATES = ("status", "state")
_LOOKED_AT = 20
#: Lists of those who are no users any more, or not yet.
_GONE = re.compile(
    r"delet|remov|former|terminat|inactive|archiv|trash|purg|offboard|disabled|suspend|blocked|reject|failed|error"
    r"|invalid|leaver|resign|expired|revoked|banned|previous|invit|pending|declined|retire|departed|dismiss|separat|alumn"
    r"|ausgeschied|ausgetret|ehemalig|gekuendigt|^ancien|^exemp|^exmitarbeiter|^exstaff|^quit|^gone|^laidoff|no(?:longer|t)"
)
#: Letters of a word for a state that a list may be called.
_SHORTEST_STATE = 4
#: How much of paths is said.
_SAID_PATHS, _SAID_PART, _SAID_NOTES = 5, 60, 100
#: Lists of what belongs to the entries of another list.
_BESIDE = frozenset(("included", "includes", "expansions", "groups", "roles", "contacts", "serviceaccounts"))
#: What no person has.
_OF_GROUPS = frozenset(("members", "membercount", "grouptypes", "clientid", "hostname", "repositories"))


class Ambiguous(ValueError):
    """Nobody can tell which list is meant; `str` says what is there."""


@dataclass
class People:
    """The people of an answer, and what of it was left out."""

    listed: list[Json]
    notes: list[str] = field(default_factory=list)


@dataclass
class _Place:
    entries: list[Json] = field(default_factory=list)
    people: bool = False


def people_in(value: Json) -> People | None:
    """The list of people that an object holds, at whatever depth; None for what is one person. Raises Ambiguous."""
    if not isinstance(value, dict) or _is_named(value):
        return None
    places: dict[tuple[str, ...], _Place] = {}
    for path, entries in _lists(value, (), 0):
        place = places.setdefault(path, _Place())
        place.entries += entries
    for place in places.values():
        looked = [one for one in place.entries[:_LOOKED_AT] if isinstance(one, dict)]
        place.people = bool(looked) and sum(map(is_person, looked)) * 2 > len(looked)
    found = {path: place for path, place in places.items() if place.people}
    if not found:
        return _by_its_name(value)
    usable = {path: one for path, one in found.items() if not _is_aside(path)}
    if not usable:
        gone = ", ".join(_said_path(path) for path in islice(found, _SAID_PATHS))
        raise Ambiguous(f"holds no list of users but {gone[:200]}: send the users, or that list alone if it is meant")
    if len(usable) > 1:
        several = islice(usable.items(), _SAID_PATHS)
        every = ", ".join(f"{_said_path(path)} ({len(one.entries)})" for path, one in several)
        raise Ambiguous(f"holds several lists of people: {every[:300]}: send the one that is meant by itself")
    [(path, place)] = usable.items()
    notes = [f"the list {_said_path(one)} is left out" for one in islice(found, _SAID_NOTES) if one != path]
    return People(place.entries, notes)


def is_person(entry: JsonObject) -> bool:
    """Whether an object has what only people and their accounts have."""
    names = {plain_name(name): one for name, one in flat(entry, {}).items() if one not in (None, "")}
    if not names.keys().isdisjoint(_OF_GROUPS):
        return False
    fields = {ALIASES[name].field for name in names if name in ALIASES}
    return "email" in fields or ("username" in fields and len(fields & {"full_name", "first_name", "last_name"}) > 0)


def _is_named(value: JsonObject) -> bool:
    names = {name.casefold(): one for name, one in value.items()}
    if "username" in names and not isinstance(names["username"], dict | list):
        return True
    return not any(isinstance(names.get(name), list) for name in ENVELOPES) and is_person(
        {name: one for name, one in value.items() if not isinstance(one, list) or plain_name(name) == "emails"}
        | {name: one for name, one in value.items() if isinstance(one, list) and len(one) == 1}
    )


def _is_aside(path: tuple[str, ...]) -> bool:
    return any(_is_name_aside(plain_name(name[:_LONGEST_NAME])) for name in path)


def _is_name_aside(plain: str) -> bool:
    if plain in _BESIDE or _GONE.search(plain):
        return True
    said = word_status(plain) if len(plain) >= _SHORTEST_STATE or not plain.isascii() else None
    return said not in (None, UserStatus.ACTIVE)


def _said_path(path: tuple[str, ...]) -> str:
    return ".".join(part[:_SAID_PART] for part in path)


def _out_of_use(value: JsonObject) -> str:
    """What an object says of all people in it: that they are not in use; empty where it says nothing of the kind."""
    for name, one in value.items():
        flag = isinstance(one, bool)
        if len(name) > _LONGEST_NAME or not (flag or (isinstance(one, str) and not one.isdecimal())):
            continue
        plain = plain_name(name)
        if (kind := "word" if plain in _STATES and not flag else standing_kind(plain)) is None:
            continue
        status, bad = standing_of([Said(name, kind, one)])
        if bad is None and status in (UserStatus.INACTIVE, UserStatus.SUSPENDED, UserStatus.ARCHIVED):
            return f"{name[:_SAID_PART]} ({str(one)[:_SAID_PART]})"
    return ""


def _lists(value: Json, path: tuple[str, ...], depth: int) -> Iterator[tuple[tuple[str, ...], list[Json]]]:
    """All lists of objects that lie in no entry of another such list of people, by where they are."""
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, list):
        entries = [one for one in value if isinstance(one, dict)]
        if not entries:
            return
        if any(map(is_person, entries[:_LOOKED_AT])):
            yield path, value
            return
        for one in entries:
            yield from _lists(one, path, depth + 1)
    elif isinstance(value, dict):
        if (keyed := _by_key(value)) is not None:
            yield path or ("users",), keyed
            return
        if path and is_person(value):
            yield path, [value]  # a list of one, as XML writes it
            return
        said = "" if _is_aside(path) else _out_of_use(value)
        for name, inner in value.items():
            if isinstance(inner, dict | list):
                for found in _lists(inner, (*path, name), depth + 1):
                    if said and not _is_aside(found[0]):
                        raise Ambiguous(f"has {said} beside the list {_said_path(found[0])}: give each person a status")
                    yield found


def _by_key(value: JsonObject) -> list[Json] | None:
    """The people of an object that has each under a key of its own: a username, an address, or an id."""
    if not value or not all(isinstance(one, dict) for one in value.values()):
        return None
    if any(plain_name(name) in WRAPPERS or plain_name(name) in ENVELOPES for name in value):
        return None
    found: list[Json] = []
    for key, one in value.items():
        assert isinstance(one, dict)
        fields = {ALIASES[name].field for name in map(plain_name, flat(one, {})) if name in ALIASES}
        entry = one if "username" in fields or key.isdigit() or "@" in key else {"username": key, **one}
        if not is_person(entry) or (len(value) == 1 and "email" not in fields):
            return None
        found.append(entry)
    return found


def _by_its_name(value: JsonObject) -> People | None:
    """A list that its name, or being alone, makes the one of the users, whatever is in it."""
    named = {name.casefold(): one for name, one in value.items()}
    lists = {name: one for name, one in named.items() if isinstance(one, list)}
    found = next((lists[name] for name in ENVELOPES if name in lists), None)
    if found is None and len(lists) == 1 and not any(isinstance(one, str) and "@" in one for one in named.values()):
        [(name, alone)] = lists.items()  # nothing else here can be users, and this is none itself
        found = None if _is_aside((name,)) else alone or None
    return People(found) if found is not None and all(isinstance(one, dict) for one in found) else None

"""Objects of other systems' interfaces as one level of names and values: what is wrapped, sectioned or listed is laid
open, as far as a field of ours or a word on the account's state is in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce

from opsteward.core.json_types import Json, JsonObject
from opsteward.directory.imports.account_status import less_active, standing_kind, word_status
from opsteward.directory.imports.columns import ALIASES, SECTIONS, WEAK, Alias, plain_name
from opsteward.directory.user_fields import FIELD_NAMES

_OWN = frozenset(FIELD_NAMES)
#: Fields of ours that others have as objects too.
_LAID_OPEN = frozenset(("manager", "role", "department", "email", "status", "expires_at"))
_MAX_DEPTH = 8
#: Characters: a longer name, with those above it, means nothing.
_LONGEST_NAME = 200
#: Around a whole record: lists of search engines, graphs and feeds.
WRAPPERS = frozenset(("data", "node", "resource", "source", "document", "content", "record", "fields", "properties"))
#: What interfaces put of a user beside the rest, as an object or as pairs of name and value.
_ATTRIBUTES = frozenset(("attributes", "customattributes", "userattributes", "customfields"))
_OPEN = (
    WRAPPERS
    | _ATTRIBUTES
    | (SECTIONS - {"profile", "emails"})
    | {"employments", "positions", "hr", "hrinfo", "dates", "flags"}
)
#: Parts that are of other people, other accounts, or of the person's private life: nothing in them is a field.
_OTHERS = ("manager", "supervisor", "private", "personal", "home", "emergency", "alternate", "secondary", "recovery",
           "createdby", "updatedby", "modifiedby", "company", "group", "location", "address", "spouse")  # fmt: skip
#: Lists whose entries say by their type which of them is a field: (the type, the field).
_BY_TYPE = {
    "telecom": ("email", "email"), "contactpoints": ("email", "email"), "relations": ("manager", "manager"),
    "relationships": ("manager", "manager"), "externalids": ("organization", "employeeId"),
}  # fmt: skip
_ADDRESSES = frozenset(("emails", "emailaddresses", "mail", "email", "mails"))
#: The names under which an object holds the one value that it is, the best first.
_VALUES = ("#text", "value", "email", "address", "emailAddress", "datetime", "date", "iso", "tag", "text", "name",
           "displayName", "descriptor", "title", "label")  # fmt: skip
_STATES = ("#text", "value", "status", "state", "name", "displayName", "text", "label", "title", "descriptor", "key",
           "code")  # fmt: skip
#: What an object has that only names where the thing itself is to be had.
_OF_REFERENCES = frozenset(("id", "href", "url", "uri", "ref", "self", "link", "links", "deferred", "metadata", "type"))
_SOLE_VALUES = frozenset(("datetime", "text", "tag", "date", "oid", "numberlong", "base64"))
#: What stands beside a value that has a label.
_BESIDE_VALUES = frozenset(("label", "value", "type", "universalid", "display", "primary", "ref", "key", "verified",
                            "isverified", "visibility"))  # fmt: skip
#: How a manager is named by an object, the best name first.
_NAMES_OF_MANAGERS = ("username", "userprincipalname", "login", "samaccountname", "primaryemail", "workemail", "mail",
                      "email", "emailaddress", "uid", "value", "id", "uuid", "employeeid", "#text", "displayname",
                      "name", "fullname", "label", "title", "descriptor")  # fmt: skip
#: Sole names of a person in an object called "name".
_PARTS_OF_NAMES = {
    "given": "givenName", "givenname": "givenName", "first": "givenName", "firstname": "givenName",
    "family": "familyName", "familyname": "familyName", "last": "familyName", "lastname": "familyName",
    "surname": "familyName", "formatted": "displayName", "full": "displayName", "fullname": "displayName",
    "display": "displayName", "displayname": "displayName",
}  # fmt: skip


def flat(values: Mapping[str, Json], mapping: Mapping[str, str]) -> JsonObject:
    """One level. A shallow name goes before the same one further inside; names that the sender maps are as they are."""
    found: JsonObject = {}
    deep: list[tuple[str, Json]] = []
    for name, given in values.items():
        if name in mapping or (name in _OWN and name not in _LAID_OPEN):
            found[name] = given if name in mapping or name in ("profile_data", "tags") else _plain(given)
            continue
        inner = list(_laid_open(name, given, (), 0))
        if len(inner) == 1 and inner[0][0] == name:
            found[name] = inner[0][1]
        else:
            deep += inner
            if not inner:
                found[f"{name}: an object"] = None  # means no field, and is noted as left out
        if isinstance(given, dict):
            found |= _mapped(name, given, mapping)
    for name, one in deep:
        before = found.get(name)
        if before is not None and one is not None and (kind := _state_kind(name)):
            found[name] = less_active(kind, before, one)
        elif before is None:
            found[name] = one
    return found


def _mapped(name: str, value: Mapping[str, Json], mapping: Mapping[str, str]) -> Iterator[tuple[str, Json]]:
    """What lies within the object of that name under paths that the sender maps."""
    wanted = {key: field for key, field in mapping.items() if key.startswith(f"{name}.")}
    if not wanted:
        return
    for key, one in value.items():
        path = f"{name}.{key}"
        if path in wanted:
            yield path, one
        if isinstance(one, dict):
            yield from _mapped(path, one, wanted)


def _laid_open(name: str, given: Json, above: tuple[str, ...], depth: int) -> Iterator[tuple[str, Json]]:
    """What of one value is known here, by the name that it is known by."""
    full = ".".join((*above, name))
    kind = plain_name(name) if len(full) <= _LONGEST_NAME else ""
    if not kind or (kind == "role" and isinstance(given, dict | list)):
        return  # another system's role, with an id and rights of its own, is none of ours
    if kind in _BY_TYPE and isinstance(given, list):
        known, meant = _BY_TYPE[kind]
        yield meant, _of_kind(given, known)
        return
    if kind in ("organizations", "employments", "employment", "positions", "jobs") and isinstance(given, list):
        given = _main_one(given)
    field = _field(full) or (_field(name) if not above else None)
    if _state_kind(full) and isinstance(given, dict | list):
        yield full, _state(name, given)
        return
    value = _plain(_pairs(given) if kind in _ATTRIBUTES else given)
    if not isinstance(value, dict | list):
        if field or _state_kind(full) or not above:
            yield full, value
        return
    if field == "manager":
        if not _is_reference(manager := _manager(value)):
            yield full, manager
    elif kind in _ADDRESSES and not above:
        yield full, _address(value)
    elif kind == "name" and (parts := _parts_of_name(value)):
        yield from parts
    elif isinstance(value, dict):
        yield from _inside(name, value, above, depth)
    elif field or not above:
        yield full, value


def _inside(name: str, value: Mapping[str, Json], above: tuple[str, ...], depth: int) -> Iterator[tuple[str, Json]]:
    kind, full = plain_name(name), ".".join((*above, name))
    open_to_all = kind in _OPEN or name.startswith("urn:") or _is_profile(kind, value)
    alias = None if open_to_all else ALIASES.get(plain_name(full))
    if alias and alias.field != "profile_data" and (one := _one_value(name, value)) is not None:
        yield full, one
        return
    found = 0
    if depth < _MAX_DEPTH and not kind.startswith(_OTHERS):
        for key, inner in value.items():
            # what a section makes of a name counts if it is known as such: `account.status`
            named = not open_to_all or standing_kind(plain_name(f"{name}.{key}"[:_LONGEST_NAME])) is not None
            for pair in _laid_open(key, inner, (*above, name) if named else above, depth + 1):
                found += 1
                yield pair
    if alias and not found and _must_be_read(alias, value):
        yield full, None if _is_blank(value) else {**value}


def _must_be_read(alias: Alias, value: Mapping[str, Json]) -> bool:
    """Whether an object that says nothing is refused by its field's check, and not left out with a note."""
    return alias.field == "expires_at" or (alias.rank < WEAK and alias.field != "tags" and not _is_reference(value))


def _field(name: str) -> str | None:
    alias = ALIASES.get(plain_name(name))
    return alias.field if alias else None


def _state_kind(name: str) -> str | None:
    """How values under this name say whether the account is in use; None where they don't."""
    plain = plain_name(name)
    return standing_kind(plain) or ("word" if _field(name) == "status" else None)


def _state(name: str, value: Json) -> Json:
    """What an object in the place of a state says: by a flag, else in words, else by a number. What says nothing that
    can be read stays whole, and is refused; of several words the one that takes most counts."""
    while isinstance(value, list) and len(value) == 1:
        [value] = value
    if _is_blank(value):
        return None
    if not isinstance(value, dict):
        return value
    names = {plain_name(key): one for key, one in flat_level(value).items()}
    said = [_plain(names.get(key)) for key in dict.fromkeys((plain_name(name), *map(plain_name, _STATES)))]
    plain = [one for one in said if isinstance(one, str | int) and one != ""]
    flags = [one for one in plain if isinstance(one, bool)]
    words = [one for one in plain if isinstance(one, str) and not one.isdecimal() and word_status(one) is not None]
    if flags or not words:
        return next(iter(flags or plain), value)
    return reduce(lambda one, other: less_active("word", one, other), words)


def _is_blank(value: Json | Mapping[str, Json]) -> bool:
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return value in (None, "", [], {}) or (bool(inner) and all(map(_is_blank, inner)))


def _is_reference(value: Json | Mapping[str, Json]) -> bool:
    """Whether an object only says where another thing is to be had."""
    return isinstance(value, Mapping) and {key.strip("_$@#").lower() for key in value} <= _OF_REFERENCES


def _is_profile(kind: str, value: Mapping[str, Json]) -> bool:
    """Okta's profile is the user; ours is free data."""
    names = {plain_name(key) for key in value}
    return kind == "profile" and not names.isdisjoint(("login", "email", "givenname", "firstname", "username"))


def _plain(value: Json) -> Json:
    """Without what stands around one value: a label, a type, a list of one."""
    while True:
        if isinstance(value, list) and len(value) == 1:
            [value] = value
        elif isinstance(value, dict) and value and (sole := _sole(value)):
            value = value[sole]
        else:
            return value


def _sole(value: Mapping[str, Json]) -> str:
    names = {key.strip("_.$@#").lower().replace("_", ""): key for key in value}
    if len(names) == 1 and not names.keys().isdisjoint(_SOLE_VALUES) and not next(iter(value)).isalpha():
        return next(iter(value))
    if "value" in names and names.keys() <= _BESIDE_VALUES and ({"label", "isverified", "verified"} & names.keys()):
        return names["value"]
    return ""


def _one_value(name: str, value: Mapping[str, Json], known: Sequence[str] = _VALUES) -> Json:
    """What an object in the place of a text says: a department with an id, an address with its mark."""
    names = {plain_name(key): one for key, one in flat_level(value).items()}
    for key in (plain_name(name), *map(plain_name, known)):
        if isinstance(one := _plain(names.get(key)), str | int | bool) and one != "":
            return one
    parts = [one for part in ("year", "month", "day") if type(one := names.get(part)) is int]
    return f"{parts[0]:04}-{parts[1]:02}-{parts[2]:02}" if len(parts) == 3 else None


def flat_level(value: Mapping[str, Json]) -> Mapping[str, Json]:
    """With what lies in its attributes (`{"type": ..., "attributes": {...}}`)."""
    inner = value.get("attributes")
    return {**inner, **{k: v for k, v in value.items() if k != "attributes"}} if isinstance(inner, dict) else value


def _manager(value: Json) -> Json:
    if isinstance(value, list):
        value = next((one for one in value if one), None)
    if not isinstance(value, dict):
        return value
    names = {plain_name(key): _plain(one) for key, one in flat_level(value).items()}
    named = (names[key] for key in _NAMES_OF_MANAGERS if names.get(key))
    return next((one for one in named if isinstance(one, str | int)), None if _is_blank(value) else value)


def _parts_of_name(value: Json) -> list[tuple[str, Json]]:
    if isinstance(value, list):
        value = next((one for one in value if isinstance(one, dict)), None)
    if not isinstance(value, dict):
        return []
    parts = ((_PARTS_OF_NAMES.get(plain_name(key)), _plain(one)) for key, one in value.items())
    return [(name, " ".join(map(str, one)) if isinstance(one, list) else one) for name, one in parts if name]


def _pairs(value: Json) -> Json:
    """What some keep as lists of one value each, or as pairs of name and value, as an object."""
    if isinstance(value, list):
        pairs = [{key.lower(): one for key, one in pair.items()} for pair in value if isinstance(pair, dict)]
        named = next(
            (one for one in ("name", "key") if pairs and all({one, "value"} <= pair.keys() for pair in pairs)), ""
        )
        if len(pairs) < len(value) or not named:
            return value
        value = {str(pair[named]): pair["value"] for pair in pairs}
    if not isinstance(value, dict):
        return value
    return {key: one[0] if isinstance(one, list) and len(one) == 1 else one for key, one in value.items()}


def _address(listed: Json) -> Json:
    """The primary one of several addresses, or the first."""
    if isinstance(listed, dict):
        return _one_value("email", listed)
    if not isinstance(listed, list):
        return listed
    found = [{key.lower(): one for key, one in entry.items()} for entry in listed if isinstance(entry, dict)]
    found.sort(key=lambda one: (not one.get("primary"), one.get("type") == "home"))
    named = [_one_value("email", one) for one in found] or [one for one in listed if isinstance(one, str)]
    return next((one for one in named if one), None)


def _of_kind(listed: list[Json], kind: str) -> Json:
    """The value of that kind among what a person has several of."""
    entries = [one for one in listed if isinstance(one, dict)]
    return next((one.get("value") for one in entries if kind in (one.get("system"), one.get("type"))), None)


def _main_one(listed: list[Json]) -> Json:
    """Of several the one that is marked as the main one, or the first."""
    entries = [one for one in listed if isinstance(one, dict)]
    return next((one for one in entries if one.get("primary")), entries[0] if entries else None)

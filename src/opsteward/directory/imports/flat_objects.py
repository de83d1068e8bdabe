"""Objects of other systems' interfaces as one level of names and values: what is wrapped, sectioned or listed is laid
open, as far as a field of ours or a word on the account's state is in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from opsteward.core.json_types import Json, JsonObject
from opsteward.directory.imports.account_status import standing_kind
from opsteward.directory.imports.columns import ALIASES, SECTIONS, plain_name
from opsteward.directory.user_fields import FIELD_NAMES

_OWN = frozenset(FIELD_NAMES)
_MAX_DEPTH = 8
#: Around a whole record: lists of search engines, graphs and feeds.
WRAPPERS = frozenset(("data", "node", "resource", "source", "document", "content", "record", "fields", "properties"))
#: What interfaces put of a user beside the rest, as an object or as pairs of name and value.
_ATTRIBUTES = frozenset(("attributes", "customattributes", "userattributes", "customfields"))
_OPEN = WRAPPERS | _ATTRIBUTES | (SECTIONS - {"profile", "emails"}) | {"employments", "positions"}
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
_VALUES = ("value", "email", "address", "emailAddress", "datetime", "date", "iso", "tag", "text", "name", "displayName",
           "descriptor")  # fmt: skip
_STATES = ("value", "status", "state", "code", "name", "displayName", "text")
_SOLE_VALUES = frozenset(("datetime", "text", "tag", "date", "oid", "numberlong", "base64"))
#: What stands beside a value that has a label.
_BESIDE_VALUES = frozenset(("label", "value", "type", "universalid", "display", "primary", "ref", "key", "verified",
                            "isverified", "visibility"))  # fmt: skip
#: How a manager is named by an object, the best name first.
_NAMES_OF_MANAGERS = ("username", "userprincipalname", "login", "samaccountname", "primaryemail", "workemail", "mail",
                      "email", "emailaddress", "uid", "value", "id", "uuid", "employeeid")  # fmt: skip
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
        if name in mapping or (name in _OWN and name not in ("manager", "role", "department", "email", "status")):
            found[name] = given if name in mapping or name in ("profile_data", "tags") else _plain(given)
            continue
        inner = list(_laid_open(name, given, (), 0))
        if len(inner) == 1 and inner[0][0] == name:
            found[name] = inner[0][1]
        else:
            deep += inner
            if not inner:
                found[f"{name}.*"] = None  # is noted as left out
        if isinstance(given, dict):
            found |= {key: one for key, one in _mapped(name, given) if key in mapping}
    for name, one in deep:
        if found.get(name) is None:
            found[name] = one
    return found


def _mapped(name: str, value: Mapping[str, Json]) -> Iterator[tuple[str, Json]]:
    for key, one in value.items():
        yield f"{name}.{key}", one
        if isinstance(one, dict):
            yield from _mapped(f"{name}.{key}", one)


def _laid_open(name: str, given: Json, above: tuple[str, ...], depth: int) -> Iterator[tuple[str, Json]]:
    """What of one value is known here, by the name that it is known by."""
    kind = plain_name(name)
    if kind == "role" and isinstance(given, dict | list):
        return  # another system's role, with an id and rights of its own, is none of ours
    if kind in _BY_TYPE and isinstance(given, list):
        known, meant = _BY_TYPE[kind]
        yield meant, _of_kind(given, known)
        return
    if kind in ("organizations", "employments", "positions") and isinstance(given, list):
        given = _main_one(given)
    value = _pairs(given) if kind in _ATTRIBUTES else given
    value = _plain(value)
    full = ".".join((*above, name))
    field = _field(full) or (_field(name) if not above else None)
    if not isinstance(value, dict | list):
        if field or standing_kind(plain_name(full)) or not above:
            yield full, value
        return
    if field == "manager":
        yield full, _manager(value)
    elif kind in _ADDRESSES and not above:
        yield full, _address(value)
    elif kind == "name" and (parts := _parts_of_name(value)):
        yield from parts
    elif isinstance(value, dict):
        yield from _inside(name, value, above, depth)
    elif field == "tags" or not above:
        yield full, value


def _inside(name: str, value: Mapping[str, Json], above: tuple[str, ...], depth: int) -> Iterator[tuple[str, Json]]:
    kind, full = plain_name(name), ".".join((*above, name))
    if depth >= _MAX_DEPTH or kind.startswith(_OTHERS):
        return
    open_to_all = kind in _OPEN or name.startswith("urn:") or _is_profile(kind, value)
    speaks = standing_kind(plain_name(full)) is not None or _field(full) == "status"
    means = speaks or (_field(full) not in (None, "profile_data") and not open_to_all)
    if means and (one := _one_value(name, value, _STATES if speaks else _VALUES)) is not None:
        yield full, one
        return
    for key, inner in value.items():
        # what a section makes of a name counts if it is known as such: `account.status`
        named = not open_to_all or standing_kind(plain_name(f"{name}.{key}")) is not None
        yield from _laid_open(key, inner, (*above, name) if named else above, depth + 1)


def _field(name: str) -> str | None:
    alias = ALIASES.get(plain_name(name))
    return alias.field if alias else None


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
        if isinstance(one := _plain(names.get(key)), str | int | bool):
            return one
    return None


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
    return next((one for one in named if isinstance(one, str | int)), None)


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
        if not value or len(pairs) < len(value) or not all({"name", "value"} <= pair.keys() for pair in pairs):
            return value
        value = {str(pair["name"]): pair["value"] for pair in pairs}
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

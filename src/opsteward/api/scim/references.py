"""The forms in which clients send a reference to another resource, an entry of a list, or a role."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from opsteward.core.json_types import Json

_JSON_LIMIT = 10_000  # characters


def as_reference(parts: Sequence[str], value: Json) -> Json:
    """A manager as the object that the schema has: from an id as text, a list of one, or a `$ref` alone. An empty one
    is nobody. Other attributes stay as they are."""
    if [part.lower() for part in parts] != ["manager"]:
        return value
    found = reference(value)
    # the manager's name is the server's to tell: sent along, it is passed over (RFC 7643, 2.2)
    return (
        {key: one for key, one in found.items() if key.lower() != "displayname"} if isinstance(found, dict) else found
    )


def takes_manager_away(parts: Sequence[str], op: str, value: Json) -> bool:
    """Whether a path to the manager's id takes the manager away: who has no id is nobody."""
    return [part.lower() for part in parts] == ["manager", "value"] and (op == "remove" or value in (None, ""))


def reference(value: Json) -> Json:
    """`{"value": id}`, or None for nobody; what is no reference in any form stays, to be refused by the schema."""
    if isinstance(value, list):
        if len(value) > 1:
            return value
        value = value[0] if value else None
    if isinstance(value, str):
        return {"value": value.strip()} if value.strip() else None
    if not isinstance(value, Mapping):
        return value
    named = {key.lower(): item for key, item in value.items()}
    found, link = named.get("value"), named.get("$ref")
    if found is None and isinstance(link, str) and link.rstrip("/"):
        return {**value, "value": link.rstrip("/").rpartition("/")[2]}
    return None if found in (None, "") and set(named) <= {"value", "$ref", "displayname"} else value


def as_entries(value: Json) -> list[Json]:
    """The entries of a list, sent as a list or as one alone; a bare text is the entry's value."""
    listed = value if isinstance(value, list) else [] if value is None else [value]
    return [{"value": one} if isinstance(one, str) else one for one in listed]


def members(value: Json) -> list[Json] | None:
    """Members, each with its id, whatever form they came in; what is none in any form stays, to be refused."""
    if value is None:
        return None
    return [reference(one) if isinstance(one, dict) else one for one in as_entries(value)]


def without_json(parts: Sequence[str], value: Json) -> Json:
    """Roles that came as JSON inside of a text (Entra ID's AppRoleAssignmentsComplex), as the role itself."""
    if not parts or parts[0].lower() != "roles":
        return value
    if isinstance(value, list):
        return [role for one in value for role in _roles(one)]
    if len(parts) > 1:
        unwrapped = _role({"value": value})
        return unwrapped.get(parts[1]) or unwrapped["value"] if isinstance(unwrapped, dict) else value
    roles = _roles(value)
    return roles[0] if len(roles) == 1 else roles


def _roles(given: Json) -> list[Json]:
    """One, or those of a list inside of its text."""
    text = given.get("value") if isinstance(given, Mapping) and set(given) == {"value"} else given
    inner = _from_json(text, "[")
    if isinstance(inner, list) and all(isinstance(one, str) or _is_role(one) for one in inner):
        return [_role(one) for one in as_entries(inner)]
    return [_role(given)]


def _is_role(value: Json) -> bool:
    return isinstance(value, dict) and isinstance(value.get("value"), str)


def _from_json(text: Json, first: str) -> Json:
    """What the text says that begins with one of these, None where it is no JSON."""
    if not isinstance(text, str) or not text.lstrip().startswith(tuple(first)) or len(text) > _JSON_LIMIT:
        return None
    try:
        found: Json = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found


def _role(given: Json) -> Json:
    inner = _from_json(given.get("value") if isinstance(given, Mapping) else given, '{["')
    if isinstance(inner, list) and len(inner) == 1:
        inner = inner[0]
    if isinstance(inner, str):
        inner = {"value": inner}
    if not isinstance(inner, dict) or not _is_role(inner):
        return given
    shown = inner.get("displayName") or inner.get("display")
    more = {key: item for key, item in given.items() if key != "value"} if isinstance(given, Mapping) else {}
    return {**more, "value": inner["value"], **({"display": shown} if isinstance(shown, str) else {})}

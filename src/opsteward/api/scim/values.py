"""Values of a SCIM document as the types that they have: what is of another type counts as not there."""

from __future__ import annotations

from opsteward.core.json_types import Json, JsonObject


def object_of(value: Json) -> JsonObject:
    """An object; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def objects_of(value: Json) -> list[JsonObject]:
    """The objects of a list; none of anything else."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def text_of(value: Json) -> str | None:
    """A text; None for anything else."""
    return value if isinstance(value, str) else None


def names_schema(body: JsonObject, urn: str) -> bool:
    """Whether a message says that it is of this schema."""
    schemas = body.get("schemas")
    return urn in schemas if isinstance(schemas, list | dict | str) else False

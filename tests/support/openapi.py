"""The API as its own description tells it: every operation, a body that fits each, and bodies that don't."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import httpx

#: One value of each JSON type; `whole` and `fraction` are both numbers.
SPECIMENS: dict[str, Any] = {
    "null": None,
    "boolean": True,
    "integer": 7,
    "number": 1.5,
    "string": "text",
    "array": [],
    "object": {},
}


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One method of one path. `schema` is that of its JSON body, without references; empty for none."""

    method: str
    path: str
    parameters: list[dict[str, Any]]
    schema: dict[str, Any]
    body_required: bool

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def path_parameters(self) -> list[str]:
        return [p["name"] for p in self.parameters if p["in"] == "path"]

    def url(self, **ids: Any) -> str:
        """The path with these ids, and new ones where none is given; with what has to be asked for in the query."""
        path = self.path.format(**{name: ids.get(name, uuid4()) for name in self.path_parameters})
        asked = {p["name"]: example(p["schema"]) for p in self.parameters if p["in"] == "query" and p.get("required")}
        return f"{path}?{urlencode(asked)}" if asked else path


async def operations(client: httpx.AsyncClient) -> list[Operation]:
    """Every operation of the document at /api/schema/."""
    document = (await client.get("/api/schema/")).raise_for_status().json()
    return [
        Operation(
            method=method.upper(),
            path=path,
            parameters=[{**p, "schema": _resolved(p["schema"], document)} for p in operation.get("parameters", [])],
            schema=_body_schema(operation, document),
            body_required=operation.get("requestBody", {}).get("required", False),
        )
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def _body_schema(operation: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if content is None:
        return {}
    schema: dict[str, Any] = _resolved(content["schema"], document)
    # a body that may be missing, and one that may be a list: the object is what has fields
    for choice in schema.get("anyOf", []) + schema.get("oneOf", []):
        if choice.get("type") == "object":
            return dict(choice)
    return schema


def _resolved(schema: Any, document: dict[str, Any]) -> Any:
    """The schema with every reference written out."""
    if isinstance(schema, list):
        return [_resolved(item, document) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        target: Any = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        return _resolved(target, document)
    return {key: _resolved(value, document) for key, value in schema.items()}


def _choices(schema: dict[str, Any]) -> list[dict[str, Any]]:
    return schema.get("anyOf") or schema.get("oneOf") or [schema]


def example(schema: dict[str, Any], *, whole: bool = False) -> Any:
    """A value that fits: the required fields only, or (`whole`) all of them."""
    schema = _choices(schema)[0]
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type")
    if kind == "object":
        names = schema.get("properties", {}) if whole else schema.get("required", [])
        return {name: example(schema["properties"][name]) for name in names}
    if kind == "array":
        return [example(schema["items"]) for _ in range(schema.get("minItems", 0))]
    if kind == "string":
        if schema.get("format") == "uuid":
            return str(uuid4())
        if schema.get("format") == "date-time":
            return "2026-01-02T03:04:05Z"
        return "0" * max(1, schema.get("minLength", 1))
    if kind in ("integer", "number"):
        return int(schema.get("minimum", 1))
    return SPECIMENS.get(str(kind), {})


def wrong_values(schema: dict[str, Any]) -> Iterator[Any]:
    """Values that don't fit a field: of every other type, and beyond each of its bounds."""
    choices = _choices(schema)
    taken = {choice.get("type") for choice in choices}
    if None in taken:
        return  # anything fits
    if "number" in taken:
        taken.add("integer")
    yield from (value for kind, value in SPECIMENS.items() if kind not in taken)
    for choice in choices:
        yield from _beyond(choice)


def _beyond(schema: dict[str, Any]) -> Iterator[Any]:
    kind = schema.get("type")
    if "enum" in schema:
        yield "no such choice"
    if schema.get("format") in ("uuid", "date-time"):
        yield "nonsense"
    if kind == "string":
        if "maxLength" in schema:
            yield "0" * (schema["maxLength"] + 1)
        if schema.get("minLength"):
            yield "0" * (schema["minLength"] - 1)
    if kind == "integer":
        yield 10**30
        yield -(10**30)
        if "minimum" in schema:
            yield schema["minimum"] - 1
        if "maximum" in schema:
            yield schema["maximum"] + 1
    if kind == "array":
        item = example(schema["items"])
        if "maxItems" in schema:
            yield [item] * (schema["maxItems"] + 1)
        yield from ([*([item] * schema.get("minItems", 0)), wrong] for wrong in wrong_values(schema["items"]))
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        yield from ({"key": wrong} for wrong in wrong_values(schema["additionalProperties"]))

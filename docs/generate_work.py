"""The part of the reference that tells every kind of work of the crew: what it takes, and what it gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, get_type_hints

_SIMPLE = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false", "null": "null"}
_SIGNS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
#: Of every result; told once at the top of the page.
_SHARED = frozenset({"engine", "summary", "data_used", "missing", "notes"})


def work_types() -> str:
    """Every kind of work by domain, with its parameters, the rows in them and the fields of its result."""
    from opsteward.crew.catalogue import DOMAINS, task_types

    parts = []
    for domain in DOMAINS:
        for kind in task_types().values():
            if kind.domain == domain:
                parts.append(_one(kind))
    return "\n".join(parts)


def _one(kind: Any) -> str:
    schema = kind.parameters.model_json_schema()
    inner = schema.get("$defs", {})
    said = " ".join((schema.get("description") or "").split())
    lines = [f"## {kind.name}", "", kind.summary, "", said, "", *_table(schema, inner)]
    for name, part in inner.items():
        if "properties" in part:
            more = " ".join((part.get("description") or "").split())
            lines += ["", f"`{_plain(name)}`: {more}", "", *_table(part, inner)]
    run = getattr(import_module(kind.engine.__module__), kind.engine.__qualname__)
    result = get_type_hints(run)["return"]
    given = [f"`{name}`" for name in result.model_fields if name not in _SHARED]
    lines += ["", f"Gives {', '.join(given)}. {' '.join((result.__doc__ or '').split())}", ""]
    return "\n".join(lines)


def _table(schema: Mapping[str, Any], inner: Mapping[str, Any]) -> Iterator[str]:
    yield "| field | type | default |"
    yield "| --- | --- | --- |"
    required = schema.get("required", [])
    for name, field in schema["properties"].items():
        yield f"| `{name}` | {_type(field, inner)} | {_default(field, name in required)} |"
    if schema.get("additionalProperties") is True:
        yield "| any other | text, number, true or false | |"


def _default(field: Mapping[str, Any], required: bool) -> str:
    if required:
        return "required"
    if "default" not in field:
        return "now" if field.get("format") in ("date", "date-time") or "anyOf" in field else ""
    value = field["default"]
    if value is None:
        return ""
    text = str(value).lower() if isinstance(value, bool) else f"`{value}`"
    large = len(text) >= 80 or (isinstance(value, dict | list) and len(value) > 0)
    return "as shipped" if large else text


def _type(field: Mapping[str, Any], inner: Mapping[str, Any]) -> str:
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        part = inner[name]
        return _type(part, inner) if "properties" not in part else f"`{_plain(name)}`"
    if "anyOf" in field:
        told = [_type(one, inner) for one in field["anyOf"] if one.get("type") != "null"]
        return " or ".join(dict.fromkeys(told))
    if "enum" in field:
        return "one of " + ", ".join(f"`{one}`" for one in field["enum"])
    if "const" in field:
        return f"`{field['const']}`"
    kind = field.get("type")
    if kind == "array":
        count = f", at most {field['maxItems']:,}" if "maxItems" in field else ""
        return f"list of {_type(field['items'], inner)}{count}"
    if kind == "object":
        values = field.get("additionalProperties")
        return f"name -> {_type(values, inner)}" if isinstance(values, dict) and values else "object"
    if kind is None:
        return "any value"
    word = {"date": "day", "date-time": "instant"}.get(field.get("format", ""), _SIMPLE[kind])
    bounds = [f"{sign} {_number(field[key])}" for key, sign in _SIGNS.items() if abs(field.get(key, 1e15)) < 1e15]
    return " ".join([word, *bounds])


def _number(value: float) -> str:
    return f"{value:g}" if abs(value) < 10_000 else f"{value:,.0f}"


def _plain(name: str) -> str:
    """The name of a model as the page says it."""
    return name.rpartition("__")[2]

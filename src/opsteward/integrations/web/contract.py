"""Whether an answer keeps a promise: an OpenAPI document's schema, or the shape of an answer that was recorded."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import urlsplit

from opsteward.core.json_types import Json

_DEPTH_LIMIT = 12
_ITEMS_LIMIT = 20
_PROBLEMS_LIMIT = 10
#: Parts of schemas that are held against something: choices of choices multiply.
_STEPS_LIMIT = 50_000


def broken_promises(answer: Json, schema: Json, document: Mapping[str, Json]) -> list[str]:
    """What in the answer is not as the JSON schema says, each with its place; few are enough to know. What a schema
    says beyond some thousand parts is not looked at."""
    problems: list[str] = []
    with suppress(_TooManySteps):
        _Comparison(document).against(answer, schema, "", problems, 0)
    return problems[:_PROBLEMS_LIMIT]


def promised_schema(document: Mapping[str, Json], path: str, status: int) -> Json:
    """What the document promises for a GET of this path, None where it promises nothing."""
    template = _template_of(document, urlsplit(path).path)
    answers = _at(dict(document), "paths", template, "get", "responses") if template else None
    if not isinstance(answers, dict):
        return None
    answer = answers.get(str(status)) or answers.get(f"{status // 100}XX") or answers.get("default")
    answer = _resolved(answer, document)
    content = answer.get("content") if isinstance(answer, dict) else None
    if isinstance(content, dict):
        return next((_at(value, "schema") for kind, value in content.items() if "json" in kind), None)
    return answer.get("schema") if isinstance(answer, dict) else None  # as version 2 has it


def schema_of(recorded: Json) -> Json:
    """The shape of an answer as a schema: the fields that it has, and of which kinds they are."""
    if isinstance(recorded, dict):
        fields: dict[str, Json] = {key: schema_of(value) for key, value in recorded.items()}
        return {"type": "object", "required": [*recorded], "properties": fields}
    if isinstance(recorded, list):
        return {"type": "array", "items": schema_of(recorded[0])} if recorded else {"type": "array"}
    kind = _kind(recorded)
    return {} if kind == "null" else {"type": "number" if kind == "integer" else kind}


def _template_of(document: Mapping[str, Json], path: str) -> str | None:
    paths = document.get("paths")
    if not isinstance(paths, dict):
        return None
    prefixes = [""]
    servers = document.get("servers")
    if isinstance(servers, list):
        prefixes += [urlsplit(str(each.get("url", ""))).path.rstrip("/") for each in servers if isinstance(each, dict)]
    prefixes.append(str(document.get("basePath") or "").rstrip("/"))
    for prefix in prefixes:
        if not path.startswith(prefix):
            continue
        wanted = path[len(prefix) :].strip("/").split("/")
        exact = "/" + "/".join(wanted)
        if exact in paths:
            return exact
        for template in paths:
            parts = template.strip("/").split("/")
            if len(parts) == len(wanted) and all(
                p == w or p.startswith("{") for p, w in zip(parts, wanted, strict=True)
            ):
                return template
    return None


class _TooManySteps(Exception):
    pass


class _Comparison:
    """One answer held against schemas of one document."""

    def __init__(self, document: Mapping[str, Json]) -> None:
        self._document = document
        self._steps = 0

    def against(self, value: Json, schema: Json, place: str, problems: list[str], depth: int) -> None:
        self._take(1)
        schema = _resolved(schema, self._document)
        if not isinstance(schema, dict) or depth > _DEPTH_LIMIT or len(problems) >= _PROBLEMS_LIMIT:
            return
        where = place or "the answer"
        if value is None and (schema.get("nullable") is True):
            return
        for part in _list(schema.get("allOf")):
            self.against(value, part, place, problems, depth + 1)
        for word in ("anyOf", "oneOf"):
            choices = _list(schema.get(word))
            if choices and all(self._fails(value, each, depth) for each in choices):
                problems.append(f"{where} is none of what is promised")
                return
        allowed = schema.get("type")
        kinds = [allowed] if isinstance(allowed, str) else _list(allowed)
        if kinds and not any(_is(value, str(kind)) for kind in kinds):
            problems.append(f"{where} is {_kind(value)}, not {' or '.join(str(kind) for kind in kinds)}")
            return
        if (values := _list(schema.get("enum"))) and value not in values:
            problems.append(f"{where} is none of the promised values")
        if isinstance(value, dict):
            self._fields_against(value, schema, place, problems, depth)
        elif isinstance(value, list) and "items" in schema:
            for number, item in enumerate(value[:_ITEMS_LIMIT]):
                self.against(item, schema["items"], f"{place}[{number}]", problems, depth + 1)

    def _fields_against(
        self, value: Mapping[str, Json], schema: Mapping[str, Json], place: str, problems: list[str], depth: int
    ) -> None:
        fields = schema.get("properties")
        known: Mapping[str, Json] = fields if isinstance(fields, dict) else {}
        required = _list(schema.get("required"))
        self._take(len(required) + len(known))
        for name in required:
            if str(name) not in value:
                problems.append(f"{place}.{name}".lstrip(".") + " is missing")
        for name, inner in known.items():
            if name in value:
                self.against(value[name], inner, f"{place}.{name}".lstrip("."), problems, depth + 1)

    def _fails(self, value: Json, schema: Json, depth: int) -> bool:
        problems: list[str] = []
        self.against(value, schema, "", problems, depth + 1)
        return bool(problems)

    def _take(self, steps: int) -> None:
        self._steps += steps
        if self._steps > _STEPS_LIMIT:
            raise _TooManySteps


def _resolved(schema: Json, document: Mapping[str, Json]) -> Json:
    for _ in range(_DEPTH_LIMIT):
        if not isinstance(schema, dict) or not isinstance(schema.get("$ref"), str):
            return schema
        reference = str(schema["$ref"])
        if not reference.startswith("#/"):
            return None
        schema = _at(dict(document), *(part.replace("~1", "/").replace("~0", "~") for part in reference[2:].split("/")))
    return None


def _at(value: Json, *path: str) -> Json:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _kind(value: Json) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    return "string" if isinstance(value, str) else "array" if isinstance(value, list) else "object"


def _is(value: Json, kind: str) -> bool:
    own = _kind(value)
    whole = isinstance(value, float) and value.is_integer()
    return own == kind or (kind == "number" and own == "integer") or (kind == "integer" and whole)

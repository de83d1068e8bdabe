"""Writes modules of the Python client: the blocking form from the async one, the types from the OpenAPI document."""

from __future__ import annotations

import json
import keyword
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

CLIENT = Path(__file__).parents[1] / "src" / "opsteward" / "client"
_NAMES = (
    (r"\basync (def|with|for)\b", r"\1"),
    (r"\bawait ", ""),
    (r"`async with` block", "`with` block"),
    (r"\bAsync(Opsteward|Transport)\b", lambda found: "Opsteward" if found[1] == "Opsteward" else "BlockingTransport"),
)
#: The schemas of the answers that the client's verbs give; those that they refer to come along.
ANSWERS = (
    "AgentsStatus", "EnrollmentInfo", "ImportReport", "ImportedUser", "Rule",
    "SubmittedTask", "SubmittedTasks", "SystemHealth", "SystemInfo",
    "TaskInfo", "TaskWithNeighbours", "UserAnalytics", "UserChangeInfo", "UserInfo",
)  # fmt: skip
_TYPES_HEAD = '''"""What the API answers, written from its OpenAPI document by `python docs/generate.py`.

At run time these are the JSON documents themselves: a field that a newer instance adds is there, untyped.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict


'''
_HEAD = '"""The blocking form of the verbs, written from the async one by `python docs/generate.py`."""'


def sources() -> Iterator[tuple[str, str]]:
    """Each written module: its name within the client, its text."""
    yield "blocking.py", blocking()
    yield "types.py", types()


def blocking() -> str:
    """The text of `client/blocking.py`. Raises subprocess.CalledProcessError when it is no Python."""
    source = (CLIENT / "asynchronous.py").read_text(encoding="utf-8")
    text = _HEAD + source[source.index("\n") :]
    for pattern, name in _NAMES:
        text = re.sub(pattern, name, text)
    return _formatted(text, "blocking.py")


def _formatted(text: str, name: str) -> str:
    command = [sys.executable, "-m", "ruff", "format", "--stdin-filename", str(CLIENT / name), "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout  # noqa: S603 - our own text


def types() -> str:
    """The text of `client/types.py`: what the client's verbs give, as the OpenAPI document describes it."""
    schemas = _document()["components"]["schemas"]
    names = list(ANSWERS)
    for name in names:  # grows while it is walked
        names += [found for found in dict.fromkeys(_named(schemas[name])) if found not in names]
    classes = [_class(name, schemas[name]) for name in sorted(names)]
    return _formatted(_TYPES_HEAD + "\n\n".join(classes), "types.py")


def _document() -> dict[str, Any]:
    from fastapi import FastAPI

    from opsteward.api.app import ROUTES

    app = FastAPI()
    for module in ROUTES:
        app.include_router(module.router)
    return app.openapi()


def _named(schema: Any) -> list[str]:
    """The schemas that this one refers to, in the order of their naming."""
    if isinstance(schema, list):
        return [name for one in schema for name in _named(one)]
    if not isinstance(schema, dict):
        return []
    own = [schema["$ref"].rpartition("/")[2]] if isinstance(schema.get("$ref"), str) else []
    return own + [name for one in schema.values() for name in _named(one)]


def _class(name: str, schema: Mapping[str, Any]) -> str:
    if "properties" not in schema:
        return f"{name} = {_type(schema)}"
    if not all(key.isidentifier() and not keyword.iskeyword(key) for key in schema["properties"]):
        raise ValueError(f"{name} has a field that is no Python name")
    lines = [f"class {name}(TypedDict):"]
    if said := schema.get("description"):
        lines += [f'    """{" ".join(said.split(chr(10) * 2)[0].split())}"""', ""]
    required = schema.get("required", ())
    for key, field in schema["properties"].items():
        kind = _type(field)
        lines.append(f"    {key}: {kind if key in required else f'NotRequired[{kind}]'}")
    return "\n".join(lines) + "\n"


def _type(schema: Mapping[str, Any]) -> str:
    """The Python type of a JSON value that is so described."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return f"Literal[{', '.join(json.dumps(value) for value in values)}]"
    if either := schema.get("anyOf") or schema.get("oneOf"):
        return " | ".join(dict.fromkeys(_type(one) for one in either))
    kind = schema.get("type")
    if kind == "array":
        return f"list[{_type(schema.get('items', {}))}]"
    if kind == "object":
        values = schema.get("additionalProperties")
        return f"dict[str, {_type(values) if isinstance(values, dict) else 'Any'}]"
    plain = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
    return plain.get(str(kind), "Any")

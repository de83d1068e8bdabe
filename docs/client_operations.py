"""Writes what the Python client knows of the API from its OpenAPI document: types, calls, and a verb for each route."""

from __future__ import annotations

import json
import keyword
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

#: Verbs that are not called as their routes' functions are.
_RENAMED = {
    "acknowledge": "acknowledge_incident", "agents_status": "get_system_status", "apply": "apply_standing_orders",
    "approve": "approve_action", "check": "check_standing_orders", "export": "get_standing_orders",
    "health": "agent_health", "list_enrollment_rules": "enrollment_rules", "pause": "pause_part",
    "new_key": "new_heartbeat_key",
    "refuse": "refuse_action", "resolve": "resolve_incident", "resume": "resume_part", "sign_in_by_api": "sign_in",
    "system_analytics": "get_system_analytics", "take_events": "send_events", "troubleshoot": "troubleshoot_incident",
    "user_analytics": "get_user_analytics",
    "validate": "validate_payload",
}  # fmt: skip
#: Routes that a verb written by hand serves: it does more than one request, or takes its arguments otherwise.
BY_HAND = {
    "add_document": "add_document",
    "bulk_import": "bulk_user_import", "export_users": "export_users", "get_import": "get_import",
    "register_system": "register_system", "register_user": "register_user", "sync_system": "sync_user_data",
    "update_enrollment_rules": "update_enrollment_rules", "user_history": "user_history",
}  # fmt: skip
#: Routes that no verb is for, and why.
WITHOUT_VERB = {
    "user_signup": "is for outside systems, which sign what they send with the secret of a webhook",
    "ping": "is for what calls, which has a key and no token",
    "ping_with_signal": "as ping",
}


_SAID = "written from the OpenAPI document by\n`python docs/generate.py`."
_TYPES_HEAD = f'''"""What the API takes and answers about {{subject}}, {_SAID}

At run time these are the JSON documents themselves: a field that a newer instance adds is there, untyped.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

from opsteward.core.json_types import Json
'''
_CALLS_HEAD = f'''"""What each route about {{subject}} is asked, {_SAID}

No sending here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsteward.client.connection import Call, Page, path_id
from opsteward.core.json_types import Json

if TYPE_CHECKING:
    from typing import Literal, Unpack
    from uuid import UUID

    from opsteward.client import types
'''
_VERBS_HEAD = f'''"""A verb for each route, {{form}}, {_SAID}"""

from __future__ import annotations

from opsteward.client.operations import {{modules}}
from opsteward.client.transport import {{base}}, {{form}}
'''
#: Module, class, what it is built on, and what makes a verb of a call.
_VERBS = (
    ("asynchronous_verbs.py", "AsyncVerbs", "AsyncTransport", "asynchronous"),
    ("blocking_verbs.py", "Verbs", "BlockingTransport", "blocking"),
)
Schema = Mapping[str, Any]


@dataclass(frozen=True)
class Operation:
    """One method of one path; `name` is that of its verb."""

    route: str
    method: str
    path: str
    subject: str
    said: str
    parameters: list[Schema]
    body: Schema
    answer: Schema | None  # None for a text
    empty: bool

    @property
    def name(self) -> str:
        return _RENAMED.get(self.route, self.route)


def sources(formatted: Callable[[str, str], str]) -> Iterator[tuple[str, str]]:
    """Each written module: its name within the client, its text."""
    subjects = dict.fromkeys(operation.subject for operation in operations())
    homes = _homes_of_schemas(list(subjects))
    for subject in subjects:
        module = f"{_module(subject)}.py"
        if subject in homes.values():
            yield f"types/{module}", formatted(_types(subject, homes), module)
        yield f"operations/{module}", formatted(_calls(subject), module)
    yield "types/__init__.py", formatted(_all_types(homes), "__init__.py")
    yield "operations/__init__.py", f'"""What each route is asked, {_SAID}"""\n'
    for module, name, base, form in _VERBS:
        yield module, formatted(_verbs(list(subjects), name=name, base=base, form=form), module)


@cache
def document() -> dict[str, Any]:
    """The OpenAPI document of the routes."""
    from fastapi import FastAPI

    from opsteward.api.app import ROUTES
    from opsteward.api.rest.events import EventIn

    app = FastAPI()
    for module in ROUTES:
        app.include_router(module.router)
    found = app.openapi()
    found["components"]["schemas"]["EventIn"] = EventIn.model_json_schema()  # its route reads the body itself
    return found


@cache
def operations() -> list[Operation]:
    """Every operation that a verb is for."""
    found = (
        _operation(method, path, described)
        for path, methods in document()["paths"].items()
        for method, described in methods.items()
    )
    return [operation for operation in found if operation.route not in WITHOUT_VERB]


def _operation(method: str, path: str, described: Schema) -> Operation:
    route = re.sub(rf"_{re.escape(re.sub(chr(92) + 'W', '_', path)[1:])}_{method}$", "", described["operationId"])
    answers = [answer for code, answer in described["responses"].items() if code.startswith("2")]
    contents = answers[0].get("content", {})
    body = described.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    return Operation(
        route=route,
        method=method.upper(),
        path=path,
        subject=described["tags"][0],
        said=" ".join((described.get("description") or described["summary"]).split("\n\n")[0].split()),
        parameters=described.get("parameters", []),
        body=next((one for one in body.get("anyOf", [body]) if "$ref" in one), body) if _optional(body) else body,
        answer=contents.get("application/json", {}).get("schema") if "application/json" in contents else None,
        empty="204" in described["responses"],
    )


def _optional(schema: Schema) -> bool:
    return {"type": "null"} in schema.get("anyOf", ())


# ---------------------------------------------------------------- types


def _homes_of_schemas(subjects: list[str]) -> dict[str, str]:
    """The subject in whose module each schema stands: the first one that needs it."""
    homes: dict[str, str] = {}
    for subject in subjects:
        names = [name for operation in operations() if operation.subject == subject for name in _needed(operation)]
        for name in names:  # grows while it is walked
            if name not in homes:
                homes[name] = subject
                names += _named(_schema(name))
    return homes


def _needed(operation: Operation) -> list[str]:
    return _named(operation.body) + _named(operation.answer) + _named(operation.parameters)


def _schema(name: str) -> Schema:
    found: Schema = document()["components"]["schemas"][name]
    return found


def _types(subject: str, homes: Mapping[str, str]) -> str:
    own = sorted(name for name, home in homes.items() if home == subject and not name.startswith("Page_"))
    others: dict[str, set[str]] = {}
    for name in (found for each in own for found in _named(_schema(each))):
        if homes[name] != subject:
            others.setdefault(homes[name], set()).add(_class_name(name))
    imports = [f"from opsteward.client.types.{_module(k)} import {', '.join(sorted(v))}" for k, v in others.items()]
    aliases = [_class(name) for name in own if "properties" not in _schema(name)]
    classes = [_class(name) for name in own if "properties" in _schema(name)]
    head = _TYPES_HEAD.format(subject=_module(subject).replace("_", " "))
    return head + "\n".join(imports) + "\n\n\n" + "\n".join(aliases) + "\n\n\n" + "\n\n".join(classes)


def _all_types(homes: Mapping[str, str]) -> str:
    names: dict[str, list[str]] = {}
    for name, home in sorted(homes.items()):
        if not name.startswith("Page_"):
            names.setdefault(_module(home), []).append(_class_name(name))
    imports = [f"from opsteward.client.types.{k} import {', '.join(sorted(v))}" for k, v in sorted(names.items())]
    listed = textwrap.fill(
        ", ".join(f'"{name}"' for name in sorted(name for each in names.values() for name in each)),
        width=116, initial_indent="    ", subsequent_indent="    ",
    )  # fmt: skip
    head = f'"""What the API takes and answers, {_SAID}"""\n\n' + "\n".join(imports)
    return head + f"\n\n__all__ = [\n{listed},\n]  # fmt: skip\n"


def _class(name: str) -> str:
    schema = _schema(name)
    if "properties" not in schema:
        return f"{_class_name(name)} = {_type(schema)}"
    lines = [f"class {_class_name(name)}(TypedDict):"]
    if said := schema.get("description"):
        lines += [
            textwrap.indent(textwrap.fill(f'"""{" ".join(said.split(chr(10) * 2)[0].split())}"""', 114), "    "),
            "",
        ]
    required = schema.get("required", ())
    for key, field in schema["properties"].items():
        kind = _type(field)
        lines.append(f"    {key}: {kind if key in required else f'NotRequired[{kind}]'}")
    return "\n".join(lines if len(lines) > 1 else [*lines, "    pass"]) + "\n"


def _class_name(name: str) -> str:
    """Schemas of one name in two modules carry the module in front."""
    *_, module, last = ["", *name.split("__")]
    return f"{module.title().replace('_', '')}{last}" if "__" in name else name


def _named(schema: Any) -> list[str]:
    """The schemas that this one refers to, in the order of their naming."""
    if isinstance(schema, list):
        return [name for one in schema for name in _named(one)]
    if not isinstance(schema, dict):
        return []
    own = [schema["$ref"].rpartition("/")[2]] if isinstance(schema.get("$ref"), str) else []
    return own + [name for one in schema.values() for name in _named(one)]


def _type(schema: Schema, prefix: str = "") -> str:
    """The Python type of a JSON value that is so described."""
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        if name.startswith("Page_"):
            return f"Page[{_type(_schema(name)['properties']['items']['items'], prefix)}]"
        return prefix + _class_name(name)
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return f"Literal[{', '.join(json.dumps(value) for value in values)}]"
    if either := schema.get("anyOf") or schema.get("oneOf"):
        return " | ".join(dict.fromkeys(_type(one, prefix) for one in either))
    kind = schema.get("type")
    if kind == "array":
        return f"list[{_type(schema.get('items', {}), prefix)}]"
    if kind == "object":
        values = schema.get("additionalProperties")
        return f"dict[str, {_type(values, prefix) if isinstance(values, dict) else 'Json'}]"
    plain = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
    return plain.get(str(kind), "Json")


# ---------------------------------------------------------------- calls and verbs


def _calls(subject: str) -> str:
    own = [_call(each) for each in operations() if each.subject == subject and each.route != "bulk_import"]
    return _CALLS_HEAD.format(subject=_module(subject).replace("_", " ")) + "\n\n" + "\n\n".join(own)


def _call(operation: Operation) -> str:
    """A function that gives the call of one operation."""
    places: dict[str, list[Schema]] = {"path": [], "query": [], "header": []}
    for parameter in operation.parameters:
        places[parameter["in"]].append(parameter)
    required = [f"{one['name']}: str | UUID" for one in places["path"]]
    options = [
        f"{_argument(one)}: {_type(one['schema'], 'types.')}"
        + ("" if one.get("required") else " = None" if _optional(one["schema"]) else " | None = None")
        for one in places["query"]
    ]
    options += [f"{_argument(one)}: str | None = None" for one in places["header"]]
    fields, body = "", "None"
    if operation.body.get("$ref", "").endswith("/NoFields"):
        pass
    elif "$ref" in operation.body:
        fields, body = f"**fields: Unpack[{_type(operation.body, 'types.')}]", "fields"
    elif operation.body:
        required.append(f"body: {_type(operation.body, 'types.')}")
        body = "body"
    arguments = [*required, *(["*", *options] if options else []), *([fields] if fields else [])]
    path = re.sub(r"\{(\w+)\}", r"{path_id(\1)}", operation.path)
    given = [f'"{operation.method}"', f'{"f" if "{" in path else ""}"{path}"']
    given += [body] if body != "None" else []
    if places["query"]:
        given.append("params={" + ", ".join(f'"{one["name"]}": {_argument(one)}' for one in places["query"]) + "}")
    if places["header"]:
        given.append("headers={" + ", ".join(f'"{one["name"]}": {_argument(one)}' for one in places["header"]) + "}")
    text = operation.answer is None and not operation.empty
    answer = "None" if operation.empty else "str" if text else _type(operation.answer or {}, "types.")
    given += ["text=True"] if text else []
    said = "\n    ".join(textwrap.wrap(f'"""{operation.said}"""', 114))
    lines = [
        f"def {operation.name}({', '.join(arguments)}) -> Call[{answer}]:",
        said,
        f"return Call({', '.join(given)})",
    ]
    return "\n    ".join(lines) + "\n"


def _argument(parameter: Schema) -> str:
    name = str(parameter["name"]).lower().replace("-", "_")
    return f"{name}_" if keyword.iskeyword(name) else name


def _verbs(subjects: list[str], *, name: str, base: str, form: str) -> str:
    modules = ", ".join(sorted(_module(subject) for subject in subjects))
    text = _VERBS_HEAD.format(modules=modules, base=base, form=form)
    text += f'\n\nclass {name}({base}):\n    """Each verb takes what its function in `operations` takes."""\n\n'
    for each in operations():
        if each.route not in BY_HAND:
            text += f"    {each.name} = {form}({_module(each.subject)}.{each.name})\n"
    return text


def _module(subject: str) -> str:
    return {"front": "probes", "signing in": "signing_in"}.get(subject, subject.replace(" ", "_"))

"""PATCH as clients send it, made into steps: each either changes an attribute of the schemas, which `scim2_models`
does, or one that no schema has, which `undeclared` does. Nothing of a request is passed over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel
from scim2_models import Mutability, Path, SCIMException
from scim2_models.path import AttributeBinding

from opsteward.api.scim.references import as_entries, as_reference, members, takes_manager_away, without_json
from opsteward.api.scim.responses import Refused
from opsteward.core.json_types import Json, JsonObject

#: It follows from the attributes: sending it along is no wish to change it.
_READ_BACK = frozenset({"schemas"})
_OPERATIONS = ("add", "replace", "remove")
_OPERATIONS_LIMIT = 10_000


@dataclass(frozen=True, kw_only=True)
class Step:
    """One change. `declared`: the schemas have its attribute."""

    op: str
    path: str | None
    value: Json
    declared: bool

    def as_operation(self) -> JsonObject:
        """As `scim2_models` takes it."""
        found: JsonObject = {"op": self.op}
        if self.path is not None:
            found["path"] = self.path
        return found if self.op == "remove" and self.value is None else found | {"value": self.value}


def operations_of(body: Json) -> list[Json]:
    """The operations of a PATCH, before anything of it was checked."""
    given = body.items() if isinstance(body, dict) else ()
    listed = next((value for key, value in given if key.lower() == "operations"), None)
    return listed if isinstance(listed, list) else []


def steps_of(body: Json, model: object) -> list[Step]:
    """The steps of a request, in its order. Raises Refused."""
    given = operations_of(body)
    if not given:
        raise Refused.because("Operations: has no operation; send at least one", "invalidSyntax")
    if len(given) > _OPERATIONS_LIMIT:
        raise Refused.because(f"Operations: are more than {_OPERATIONS_LIMIT}; send them in parts", "tooMany")
    return [step for number, one in enumerate(given) for step in _steps_of_one(one, f"Operations[{number}]", model)]


def _steps_of_one(given: Json, where: str, model: object) -> Iterator[Step]:
    if not isinstance(given, dict):
        raise Refused.because(f"{where}: is no object; send op, path and value", "invalidSyntax")
    named = {key.lower(): value for key, value in given.items()}
    op = str(named.get("op")).lower()
    if op not in _OPERATIONS:
        raise Refused.because(
            f"{where}.op: {named.get('op')!r:.60} is none; use add, replace or remove", "invalidValue"
        )
    path, value = named.get("path"), named.get("value")
    if path is not None and not isinstance(path, str):
        raise Refused.because(f"{where}.path: is no text; name one attribute", "invalidPath")
    if op == "remove" and not path:
        raise Refused.because(f"{where}: removes, but has no path; name what is to go", "noTarget")
    if op == "add" and value is None:
        raise Refused.because(f"{where}.value: is missing; say what is to be added", "invalidValue")
    if op == "replace" and "value" not in named:
        raise Refused.because(f"{where}.value: is missing; say what is to be there, null for nothing", "invalidValue")
    if path:
        yield from _steps(op, path, value, model)
        return
    if not isinstance(value, dict):
        raise Refused.because(f"{where}.value: is no object; without a path it names the attributes", "invalidValue")
    for key, item in value.items():
        if key.lower() not in _READ_BACK:
            yield from (
                [Step(op=op, path=None, value={key: item}, declared=True)]
                if _is_read_only(key, model)
                else (_steps(op, key, item, model))
            )


def _is_read_only(key: str, model: Any) -> bool:
    """Without a path a client may send a resource back as it was read: what is as it was is no change."""
    field = next((name for name in model.model_fields if model._scim_name(name).lower() == key.lower()), None)
    return field is not None and model.get_field_annotation(field, Mutability) == Mutability.read_only


def _steps(op: str, text: str, value: Json, model: Any) -> Iterator[Step]:
    try:
        path: Any = Path[model](text)
        path.ast  # noqa: B018 - it is parsed when it is asked for
    except (SCIMException, ValueError, RecursionError):
        raise Refused.because(f"{text!r:.200} is no path; write it like name.familyName", "invalidPath") from None
    if path.model is not None:
        yield from _steps_of_schema(op, path, value, model)
        return
    binding = path.resolve()
    if binding is None:
        yield Step(op=op, path=text, value=value, declared=False)
        return
    if takes_manager_away(path.parts, op, value):
        yield from _steps("remove", text.rpartition(".")[0], None, model)
        return
    many = binding.is_multivalued and path.value_filter is None and len(path.parts) == 1
    if op == "remove":
        yield Step(op=op, path=text, value=_picked(path, value) if many else None, declared=True)
        return
    value = without_json(path.parts, as_reference(path.parts, value))
    if value is None and op == "add" and not many:
        op = "replace"  # an empty manager is nobody, and null is no value: what is there goes
    if many:
        listed = members(value) if path.parts[0].lower() == "members" else as_entries(value)
        yield Step(op=op, path=text, value=listed, declared=True)
    elif isinstance(value, dict) and len(path.parts) == 1 and _is_complex(binding.field_type):
        yield from _steps_of_parts(op, text, value, model)
    else:
        yield Step(op=op, path=text, value=value, declared=True)


def _steps_of_schema(op: str, path: Any, value: Json, model: Any) -> Iterator[Step]:
    """A path that is the URN of a schema: its value names attributes of it."""
    if op == "remove" or value is None:
        yield Step(op=op, path=str(path), value=None, declared=True)
        return
    if not isinstance(value, dict):
        raise Refused.because(f"{path}: takes an object with its attributes", "invalidValue")
    for key, item in value.items():
        if key.lower() in _READ_BACK:
            continue
        yield from _steps(op, key if path.model is model else f"{path}:{key}", item, model)


def _steps_of_parts(op: str, text: str, value: Mapping[str, Json], model: object) -> Iterator[Step]:
    """An object for a complex attribute, or for the entries that a filter picks: the parts that its schema has
    together, so that an entry which is to be made is made whole, and the others one by one."""
    declared: JsonObject = {}
    others: list[Step] = []
    for key, item in value.items():
        part = _part(text, key, model)
        if part is None:
            others.append(Step(op=op, path=f"{text}.{key}", value=item, declared=False))
        else:
            declared[key] = item
    if declared or not others:
        yield Step(op=op, path=text, value=declared, declared=True)
    yield from others


def _part(text: str, key: str, model: Any) -> AttributeBinding | None:
    try:
        return Path[model](f"{text}.{key}").resolve()
    except (SCIMException, ValueError, RecursionError):
        raise Refused.because(f"{key!r:.100} is no name of a part of {text}", "invalidPath") from None


def _picked(path: Any, value: Json) -> Json:
    """Which entries a remove with a value names. RFC 7644 gives a remove no value; Entra ID lists so who is to go."""
    if value in (None, ""):
        return None
    entries = members(value) if path.parts[0].lower() == "members" else as_entries(without_json(path.parts, value))
    if not isinstance(entries, list) or not entries or not all(isinstance(one, dict) and one for one in entries):
        raise Refused.because(
            f"{path}: the value of a remove lists entries that are to go; leave it out to remove all", "invalidValue"
        )
    return entries


def _is_complex(annotation: object) -> bool:
    candidates = (annotation, *get_args(annotation))
    return any(isinstance(one, type) and issubclass(one, BaseModel) for one in candidates)

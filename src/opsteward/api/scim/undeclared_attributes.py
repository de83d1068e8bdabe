"""PATCH of attributes that no schema has: they are kept as they came, and so are changed in the document itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from scim2_models import Path
from scim2_models.path import AttrPath, Comparison, LogicalExpr, LogicalOperator, Not, Present, ValuePath

from opsteward.api.scim.patches import Step
from opsteward.api.scim.responses import Refused
from opsteward.api.scim.values import objects_of
from opsteward.core.json_types import Json, JsonObject

_COMPARED: Mapping[str, Callable[[Json, Json], bool]] = {
    "eq": lambda one, other: one == other,
    "ne": lambda one, other: one != other,
    "co": lambda one, other: isinstance(one, str) and str(other) in one,
    "sw": lambda one, other: isinstance(one, str) and one.startswith(str(other)),
    "ew": lambda one, other: isinstance(one, str) and one.endswith(str(other)),
}


def change(document: JsonObject, step: Step, *, core: str) -> None:
    """Add, replace or remove what the path names, in place. `core`: the URN of the resource's own schema.
    Raises Refused where the path leads to nothing that can be changed so."""
    op, path, value = step.op, step.path or "", step.value
    parsed: Any = Path(path)
    node = parsed.ast
    if isinstance(node, Comparison | Present):
        node = parsed._as_value_path()
    named = node.attr_path if isinstance(node, ValuePath) else node
    if not isinstance(named, AttrPath):
        raise Refused.because(f"{path!r:.200} is no path to an attribute", "invalidPath")
    holder, name = _holder(document, named, value, core, making=op != "remove")
    if holder is None:
        return  # a remove of what is not there
    if isinstance(node, ValuePath):
        _change_entries(holder, name, node, op, value, path)
    elif named.sub_attr is not None:
        _change_part(holder, name, named.sub_attr, op, value, path)
    else:
        _change_whole(holder, name, op, value)


def _holder(
    document: JsonObject, named: AttrPath, value: Json, core: str, *, making: bool
) -> tuple[JsonObject | None, str]:
    """The object that has the attribute, and its name there."""
    if named.uri is None or str(named.uri).lower() == core.lower():
        return document, _key(document, named.attr)
    whole = _key(document, f"{named.uri}:{named.attr}")
    if named.sub_attr is None and (whole in document or isinstance(value, dict)):
        return document, whole  # the URN of an extension reads as an attribute of a shorter one
    urn = _key(document, str(named.uri))
    if urn not in document and not making:
        return None, named.attr
    holder = document.setdefault(urn, {})
    if not isinstance(holder, dict):
        raise Refused.because(f"{urn} has no attributes", "invalidPath")
    return holder, _key(holder, named.attr)


def _key(holder: Mapping[str, Json], name: str) -> str:
    return next((key for key in holder if key.lower() == name.lower()), name)


def _change_whole(holder: JsonObject, name: str, op: str, value: Json) -> None:
    present = holder.get(name)
    if op == "remove" or value is None:
        holder.pop(name, None)
    elif op == "add" and isinstance(present, list):
        holder[name] = present + [one for one in _listed(value) if one not in present]
    elif isinstance(present, dict) and isinstance(value, dict):
        holder[name] = present | {_key(present, key): item for key, item in value.items()}
    else:
        holder[name] = value


def _change_part(holder: JsonObject, name: str, part: str, op: str, value: Json, path: str) -> None:
    if name not in holder and op == "remove":
        return
    present = holder.setdefault(name, {})
    entries: list[Json] = present if isinstance(present, list) else [present]
    parts = objects_of(entries)
    if len(parts) != len(entries):
        raise Refused.because(f"{path}: {name} has no parts", "invalidPath")
    for one in parts:
        _change_whole(one, _key(one, part), op, value)


def _change_entries(holder: JsonObject, name: str, node: ValuePath, op: str, value: Json, path: str) -> None:
    present = holder.get(name, [])
    if not isinstance(present, list):
        raise Refused.because(f"{path}: {name} is no list, so nothing can be picked from it", "invalidPath")
    picked = [one for one in present if _fits(one, node.val_filter, path)]
    if op == "remove" and node.sub_attr is None:
        holder[name] = [one for one in present if not any(one is other for other in picked)]
        return
    if not picked and op != "remove":
        entry = _described(node.val_filter)
        if entry is None:
            raise Refused.because(f"{path}: nothing in {name} fits, so nothing can be changed", "noTarget")
        holder[name] = [*present, entry]
        picked = [entry]
    for one in picked:
        if not isinstance(one, dict):
            raise Refused.because(f"{path}: an entry of {name} has no parts", "invalidPath")
        if node.sub_attr is not None:
            _change_whole(one, _key(one, node.sub_attr), op, value)
        elif isinstance(value, dict):
            one.update({_key(one, key): item for key, item in value.items()})
        else:
            raise Refused.because(f"{path}: takes an object for an entry", "invalidValue")


def _fits(entry: Json, condition: object, path: str) -> bool:
    if isinstance(condition, Not):
        return not _fits(entry, condition.expr, path)
    if isinstance(condition, LogicalExpr):
        every = all if condition.op == LogicalOperator.and_ else any
        return every(_fits(entry, term, path) for term in condition.terms)
    if not isinstance(condition, Present | Comparison) or condition.attr_path.sub_attr is not None:
        raise Refused.because(f"{path}: the filter compares what an entry has not", "invalidFilter")
    part = condition.attr_path.attr
    found = entry.get(_key(entry, part)) if isinstance(entry, dict) else entry if part.lower() == "value" else None
    if isinstance(condition, Present):
        return found not in (None, "", [], {})
    compare = _COMPARED.get(condition.op.value)
    if compare is None:
        raise Refused.because(f"{path}: {condition.op.value} can't compare what no schema has; use eq", "invalidFilter")
    return compare(_plain(found), _plain(condition.value))


def _plain(value: Json) -> Json:
    return value.casefold() if isinstance(value, str) else value


def _described(condition: object) -> JsonObject | None:
    """The entry that `a eq "x" and b eq "y"` asks for; None where it does not say how an entry would be."""
    terms: tuple[object, ...] = condition.terms if isinstance(condition, LogicalExpr) else (condition,)
    if isinstance(condition, LogicalExpr) and condition.op != LogicalOperator.and_:
        return None
    equal = [one for one in terms if isinstance(one, Comparison) and one.op.value == "eq"]
    return {one.attr_path.attr: one.value for one in equal} if len(equal) == len(terms) else None


def _listed(value: Json) -> list[Json]:
    return value if isinstance(value, list) else [value]

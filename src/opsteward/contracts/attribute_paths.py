"""Values inside of a record's attributes, as SCIM names them: `name.familyName`, `emails[type eq "work"].value`,
`urn:...:User:manager.value`. An attribute of just this name goes before."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from opsteward.core.json_types import Json, JsonObject

_STEP = re.compile(r'([^.\[\]"]+)(?:\[\s*([\w$-]+)\s+eq\s+("(?:[^"\\]|\\.)*"|true|false|\d+)\s*\])?(?:\.|$)', re.I)

#: The end of a URN that names a schema itself, and no attribute of it.
_SCHEMA = re.compile(r":\d+\.\d+:\w+$")


@dataclass(frozen=True)
class Step:
    """One attribute, and which element of its list: that whose `by` is `value`."""

    name: str
    by: str = ""
    value: Json = None

    def fits(self, element: Json) -> bool:
        """Whether this is the element."""
        if not isinstance(element, dict):
            return False
        there = element.get(self.by)
        if isinstance(there, str) and isinstance(self.value, str):
            return there.casefold() == self.value.casefold()
        return there == self.value


@lru_cache(maxsize=4096)
def steps_of(path: str) -> tuple[Step, ...]:
    """The way to a value; a single step for a plain name, and for what is no path."""
    urn, plain = "", path
    if path.lower().startswith("urn:"):
        if _SCHEMA.search(path):
            return (Step(path),)
        urn, _, plain = path.rpartition(":")
    elif "." not in path and "[" not in path:
        return (Step(path),)
    steps, at = [Step(urn)] if urn else [], 0
    while at < len(plain):
        found = _STEP.match(plain, at)
        if found is None:
            return (Step(path),)
        name, by, value = found.groups()
        steps.append(Step(name, by or "", _literal(value)))
        at = found.end()
    return tuple(steps) if steps else (Step(path),)


def value_at(values: Mapping[str, Json], path: str) -> Json:
    """The value of this path; of a list without a choice among its elements, all their values. None where none is."""
    if path in values:
        return values[path]
    steps = steps_of(path)
    if len(steps) == 1 and not steps[0].by:
        return None
    found: Json = dict(values)
    for step in steps:
        if isinstance(found, list):
            found = [each[step.name] for each in found if isinstance(each, dict) and step.name in each]
        else:
            found = found.get(step.name) if isinstance(found, dict) else None
        if step.by:
            found = next((each for each in found if step.fits(each)), None) if isinstance(found, list) else None
    return found


def is_nested(path: str, values: Mapping[str, Json]) -> bool:
    """Whether this leads into an attribute, and names none itself."""
    return path not in values and (len(steps_of(path)) > 1 or bool(steps_of(path)[0].by))


def put_into(values: Mapping[str, Json], changes: Mapping[str, Json]) -> JsonObject:
    """The attributes that these changes make other than they are in `values`, each whole. What becomes None is left
    out of its attribute; an attribute in which nothing is left is None itself."""
    made: JsonObject = {}
    for path, value in changes.items():
        if not is_nested(path, values):
            made[path] = value
            continue
        steps = steps_of(path)
        top = steps[0].name
        if top not in made:
            made[top] = copy.deepcopy(values.get(top))
        made[top] = _with(made[top], steps, value)
    return made


def _with(there: Json, steps: tuple[Step, ...], value: Json) -> Json:
    """`there` is the value of the first step's attribute."""
    first, rest = steps[0], steps[1:]
    if first.by:
        elements = list(there) if isinstance(there, list) else []
        at = next((n for n, each in enumerate(elements) if first.fits(each)), None)
        element = elements[at] if at is not None else {first.by: first.value}
        changed = _inside(element, rest, value) if rest else value
        if changed is None or changed == {first.by: first.value}:
            elements = [each for n, each in enumerate(elements) if n != at]
        elif at is None:
            elements.append(changed)
        else:
            elements[at] = changed
        return elements or None
    if rest and (isinstance(there, list) or (there is None and isinstance(value, list))):
        return _all_of(there, rest[0].name, value)
    return _inside(there, rest, value) if rest else value


def _all_of(there: Json, name: str, value: Json) -> Json:
    """A list with one element for each of these values; those that are there already stay as they are."""
    wanted = value if isinstance(value, list) else [] if value is None else [value]
    elements = [each for each in there if isinstance(each, dict)] if isinstance(there, list) else []
    known = {repr(each.get(name)): each for each in elements}
    return [known.get(repr(one), {name: one}) for one in wanted] or None


def _inside(element: Json, steps: tuple[Step, ...], value: Json) -> Json:
    held: JsonObject = dict(element) if isinstance(element, dict) else {}
    inner = _with(held.get(steps[0].name), steps, value)
    if inner is None:
        held.pop(steps[0].name, None)
    else:
        held[steps[0].name] = inner
    return held or None


def _literal(text: str | None) -> Json:
    if text is None:
        return None
    if text.startswith('"'):
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    return text.lower() == "true" if text.lower() in {"true", "false"} else int(text)

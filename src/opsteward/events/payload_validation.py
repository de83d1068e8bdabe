"""Whether a payload has what it must have: required fields, and a JSON Schema where one is given.

Both payload and schema come from outside, so both are bounded:

- references are followed inside the schema only ("#/$defs/x", "#anchor"); nothing is ever fetched;
- depth and size of the schema are limited, references that go round in a circle are refused;
- a `pattern` can't hang the process: those that can take exponential time are refused, and how long a text
  may be depends on what its pattern can cost (see `regex_cost`);
- the whole validation gets `CPU_SECONDS` of this thread's time.

`format` is an annotation, as draft 2020-12 has it. What a payload means is not looked at here.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Any
from urllib.parse import unquote

from opsteward.core.errors import FieldProblem, Invalid
from opsteward.events.regex_cost import BadPattern, steps

ERROR_LIMIT = 100
SCHEMA_DEPTH = 64
SCHEMA_NODES = 10_000
LIST_LIMIT = 1_000  # items of any list in a schema
PAYLOAD_DEPTH = 200
PATTERN_STEPS = 10_000_000  # a fraction of a second
CPU_SECONDS = 1.0
_PROBLEM_LENGTH = 300

_deadline: ContextVar[float] = ContextVar("payload_deadline")


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadReport:
    """`missing_fields` in the order they were asked for; `errors` holds at most `ERROR_LIMIT` entries."""

    is_valid: bool
    missing_fields: tuple[str, ...]
    message: str
    errors: tuple[FieldProblem, ...]


class _TooExpensive(Exception):
    """The validation has used its time."""


def validate_payload(
    payload: Any, required_fields: Sequence[str] = (), schema: Mapping[str, Any] | None = None
) -> PayloadReport:
    """Check a JSON value. A payload that does not fit is a report, not an error.

    `required_fields` may be paths: "user.email", "items.0.sku". A field that is null counts as missing, an
    empty text does not. Raises `Invalid` naming `schema` where the schema itself can't be used, or `payload`
    where the payload is nested too deep to be looked at.
    """
    missing = tuple(name for name in dict.fromkeys(required_fields) if not _has(payload, name))
    errors = [FieldProblem(field=name, problem="is required", remedy="send it") for name in missing]
    if schema is not None:
        keys = _checked_payload(payload)
        reported = set(missing)
        for problem in _schema_problems(payload, schema, keys):
            if problem.field not in reported or problem.problem != "is required":
                errors.append(problem)
    required = {problem.field for problem in errors if problem.problem == "is required"}
    missing += tuple(sorted(required - set(missing)))
    return PayloadReport(
        is_valid=not errors,
        missing_fields=missing,
        message=_message(missing, len(errors) - len(missing)),
        errors=tuple(errors[:ERROR_LIMIT]),
    )


def _message(missing: Sequence[str], others: int) -> str:
    if not missing and not others:
        return "The payload is valid."
    parts = []
    if missing:
        shown = ", ".join(name[:80] for name in missing[:10])
        parts.append(f"missing: {shown}{' and more' if len(missing) > 10 else ''}")
    if others:
        parts.append(f"{others} other problem{'s' if others > 1 else ''}")
    return f"The payload is not valid ({'; '.join(parts)})."


def _has(payload: Any, name: str) -> bool:
    if isinstance(payload, Mapping) and payload.get(name) is not None:
        return True  # a key that itself has a dot
    value = payload
    for part in name.split("."):
        if isinstance(value, Mapping):
            value = value.get(part)
        elif isinstance(value, list) and part.isascii() and part.isdigit() and len(part) < 10:
            value = value[int(part)] if int(part) < len(value) else None
        else:
            return False
    return value is not None


# ---------------------------------------------------------------- JSON Schema


def _schema_problems(payload: Any, schema: Mapping[str, Any], keys: Sequence[str]) -> list[FieldProblem]:
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    _check_schema(schema, keys)
    validator = _validator_class(str(schema.get("$schema", "")))(schema, registry=Registry())
    token = _deadline.set(time.thread_time() + CPU_SECONDS)
    try:
        return [_problem_of(error) for error in islice(validator.iter_errors(payload), ERROR_LIMIT)]
    except Unresolvable as error:
        raise _bad_schema(
            f"the reference {str(getattr(error, 'anchor', error.ref))[:120]!r} leads nowhere", "define it under $defs"
        ) from None
    except RecursionError:
        raise _bad_schema("a reference leads back to itself without end", "break the circle") from None
    except ArithmeticError:
        raise Invalid.field("payload", "a number is too large to be compared", "send a smaller number") from None
    except _TooExpensive:
        problem = f"checking this payload against it takes more than {CPU_SECONDS:g} s"
        raise _bad_schema(problem, "use fewer alternatives, references and patterns") from None
    finally:
        _deadline.reset(token)


def _problem_of(error: Any) -> FieldProblem:
    path = [str(part) for part in error.absolute_path]
    problem = error.message
    if error.validator == "required":
        names = (name for name in error.validator_value if error.message == f"{name!r} is a required property")
        path += islice(names, 1)
        problem = "is required"
    if len(problem) > _PROBLEM_LENGTH:
        problem = problem[: _PROBLEM_LENGTH // 2] + " ... " + problem[-_PROBLEM_LENGTH // 2 :]
    return FieldProblem(field=".".join(path) or "payload", problem=problem)


def _bad_schema(problem: str, remedy: str = "") -> Invalid:
    return Invalid.field("schema", problem, remedy)


@cache
def _validator_class(dialect: str) -> Any:
    """The validator of a dialect (2020-12 unless the schema names another), with time and patterns bounded."""
    from jsonschema import Draft6Validator, Draft7Validator, Draft201909Validator, Draft202012Validator
    from jsonschema.validators import extend

    # Drafts 3 and 4 are left out: their `id` could hide where a reference leads.
    known = (Draft202012Validator, Draft201909Validator, Draft7Validator, Draft6Validator)
    by_name = {str(cls.META_SCHEMA["$id"]).rstrip("#"): cls for cls in known}
    base: Any = by_name.get(dialect.rstrip("#")) if dialect else Draft202012Validator
    if base is None:
        raise _bad_schema(f"$schema {dialect[:80]!r} is not known", "use draft 2020-12 or leave $schema out")
    checks: dict[str, Callable[..., Any]] = dict(base.VALIDATORS)
    checks |= {"pattern": _pattern, "uniqueItems": _unique_items}
    bounded: Callable[..., Any] = extend
    return bounded(base, {name: _timed(check) for name, check in checks.items()})


def _timed(check: Callable[..., Any]) -> Callable[..., Any]:
    def timed(validator: Any, value: Any, instance: Any, schema: Any) -> Any:
        if time.thread_time() > _deadline.get():
            raise _TooExpensive
        return check(validator, value, instance, schema)

    return timed


def _pattern(_validator: Any, pattern: str, instance: Any, _schema: Any) -> Iterator[Any]:
    from jsonschema import ValidationError

    if not isinstance(instance, str):
        return
    if steps(pattern, len(instance)) > PATTERN_STEPS:
        yield ValidationError(f"is too long ({len(instance)} characters) to be matched with {pattern!r}")
    elif not re.search(pattern, instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _unique_items(_validator: Any, unique: bool, instance: Any, _schema: Any) -> Iterator[Any]:
    """In one pass; the library's own compares each pair where items can't be sorted."""
    from jsonschema import ValidationError

    if unique and isinstance(instance, list) and len({_canonical(item) for item in instance}) < len(instance):
        yield ValidationError("has elements that are not unique")


def _canonical(value: Any) -> str:
    """The same text for equal JSON values: 1 and 1.0 are equal, 1 and true are not."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, list):
        return "[" + ",".join(_canonical(item) for item in value) + "]"
    if isinstance(value, Mapping):
        parts = sorted((json.dumps(key), _canonical(item)) for key, item in value.items())
        return "{" + ",".join(f"{key}:{item}" for key, item in parts) + "}"
    return json.dumps(value)


# ---------------------------------------------------------------- bounds


def _walk(root: Any, *, depth: int, nodes: int, field: str) -> Iterator[tuple[int, str, Any]]:
    """Every value of a JSON document as (depth, its key, value). Raises `Invalid` beyond depth or nodes."""
    queue: list[tuple[int, str, Any]] = [(0, "", root)]
    seen = 0
    while queue:
        level, key, value = queue.pop()
        seen += 1
        if level > depth or seen > nodes:
            limit = f"{depth} levels" if level > depth else f"{nodes} values"
            raise Invalid.field(field, f"has more than {limit}", "send a smaller one")
        yield level, key, value
        if isinstance(value, Mapping):
            queue += ((level + 1, str(name), item) for name, item in value.items())
        elif isinstance(value, list):
            queue += ((level + 1, key, item) for item in value)


def _checked_payload(payload: Any) -> list[str]:
    """The names of all its properties. Raises `Invalid` for one that is nested too deep."""
    walk = _walk(payload, depth=PAYLOAD_DEPTH, nodes=1_000_000, field="payload")
    return [name for _, _, value in walk if isinstance(value, Mapping) for name in value]


def _check_schema(schema: Mapping[str, Any], keys: Sequence[str]) -> None:
    """Refuse what is no schema, and what could take more than its time (see the module's docstring)."""
    from jsonschema.exceptions import SchemaError

    if not isinstance(schema, Mapping):
        raise _bad_schema("is not an object", "send a JSON Schema")
    targets: dict[str, Any] = {"#": schema}
    for level, key, value in _walk(schema, depth=SCHEMA_DEPTH, nodes=SCHEMA_NODES, field="schema"):
        _check_patterns(key, value, keys)
        if isinstance(value, list) and len(value) > LIST_LIMIT:
            raise _bad_schema(f"a list under {key!r} has more than {LIST_LIMIT} items", "use a pattern instead")
        if isinstance(value, str) and key in ("$schema", "$id") and level > 1:
            raise _bad_schema(f"{key} may stand at the top only", "leave it out")
        if isinstance(value, str) and key in ("$ref", "$dynamicRef", "$recursiveRef"):
            targets[value] = _local_target(schema, value)
    if len(targets) > LIST_LIMIT // 10:
        raise _bad_schema(f"more than {LIST_LIMIT // 10} things are referred to", "send a smaller one")
    cls = _validator_class(str(schema.get("$schema", "")))
    for target in targets.values():
        try:
            cls.check_schema(target)
        except SchemaError as error:
            where = ".".join(str(part) for part in error.absolute_path)
            raise _bad_schema(f"{where or 'it'}: {error.message[:_PROBLEM_LENGTH]}", "send a valid one") from None


def _check_patterns(key: str, value: Any, names: Sequence[str]) -> None:
    """Refuse patterns that could take too long, those for the payload's names with regard to all of them."""
    try:
        if key == "pattern" and isinstance(value, str):
            steps(value, 0)
        if key == "patternProperties" and isinstance(value, Mapping):
            for pattern in value:
                if sum(steps(pattern, len(name)) for name in names) > PATTERN_STEPS:
                    raise _bad_schema(f"the payload's names are too long for {pattern[:80]!r}", "simplify it")
    except BadPattern as error:
        raise _bad_schema(f"the pattern {error}", "simplify it") from None


def _local_target(schema: Any, ref: str) -> Any:
    """What a reference by JSON pointer leads to (an anchor is looked up by the library)."""
    if not ref.startswith("#"):
        remedy = "put what it refers to under $defs and use '#/$defs/...'"
        raise _bad_schema(f"the reference {ref[:120]!r} leads outside; nothing is fetched", remedy)
    target = schema
    for part in unquote(ref[1:]).split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(target, Mapping) and name in target:
            target = target[name]
        elif isinstance(target, list) and name.isdigit() and len(name) < 6 and int(name) < len(target):
            target = target[int(name)]
        else:
            raise _bad_schema(f"the reference {ref[:120]!r} leads nowhere", "define it under $defs")
    if not isinstance(target, (Mapping, bool)):
        raise _bad_schema(f"the reference {ref[:120]!r} leads to something that is no schema")
    return target

"""Whether a payload has what it must have: required fields, and a JSON Schema where one is given.

Both come from outside. The library fetches nothing, and its patterns take time linear in the text, but for those that
look around or back. A schema can still take long (alternatives of alternatives), so whoever checks one does it by
`core.computing`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from opsteward.core.errors import FieldProblem, Invalid
from opsteward.core.format_words import schema_problem
from opsteward.core.json_types import Json

if TYPE_CHECKING:
    from jsonschema_rs import ValidationError, Validator

#: In what the library says of a reference: the reference itself.
_QUOTED = re.compile(r"'[^']{1,200}'")

ERROR_LIMIT = 100
SCHEMA_DEPTH = 64
SCHEMA_NODES = 10_000
PAYLOAD_DEPTH = 200
CPU_SECONDS = 1.0
_PROBLEM_LENGTH = 300
_BACKTRACKS = 100_000  # from each place, of a pattern that looks around or back
_PATTERN_BYTES = 1_048_576  # of a compiled pattern


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadReport:
    """`missing_fields` in the order they were asked for; `errors` holds at most `ERROR_LIMIT` entries."""

    is_valid: bool
    missing_fields: tuple[str, ...]
    message: str
    errors: tuple[FieldProblem, ...]


def validate_payload(
    payload: Json, required_fields: Sequence[str] = (), schema: Mapping[str, Json] | None = None
) -> PayloadReport:
    """Check a JSON value. A payload that does not fit is a report, not an error.

    `required_fields` may be paths: "user.email", "items.0.sku". A field that is null counts as missing, an
    empty text does not. Raises `Invalid` naming `schema` where the schema itself can't be used, or `payload`
    where the payload is nested too deep to be looked at.
    """
    missing = tuple(name for name in dict.fromkeys(required_fields) if not _has(payload, name))
    errors = [FieldProblem(field=name, problem="is required", remedy="send it") for name in missing]
    if schema is not None:
        reported = set(missing)
        for problem in _schema_problems(payload, schema):
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


def _has(payload: Json, name: str) -> bool:
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


def _schema_problems(payload: Json, schema: Mapping[str, Json]) -> list[FieldProblem]:
    _check_size(schema, depth=SCHEMA_DEPTH, nodes=SCHEMA_NODES, field="schema")
    _check_size(payload, depth=PAYLOAD_DEPTH, nodes=1_000_000, field="payload")
    validator = _validator(schema)
    return [_problem_of(error) for error in islice(validator.iter_errors(payload), ERROR_LIMIT)]


def _validator(schema: Mapping[str, Json]) -> Validator:
    """The schema made ready, in the dialect that it names (2020-12 otherwise). Raises Invalid naming `schema`."""
    import jsonschema_rs as library

    if not isinstance(schema, Mapping):
        raise Invalid.field("schema", "is not an object", "send a JSON Schema")
    patterns = library.FancyRegexOptions(
        backtrack_limit=_BACKTRACKS, size_limit=_PATTERN_BYTES, dfa_size_limit=_PATTERN_BYTES
    )
    try:
        return library.validator_for(dict(schema), offline=True, pattern_options=patterns)
    except (library.ValidationError, library.ReferencingError, ValueError) as error:
        where = ".".join(str(part) for part in getattr(error, "instance_path", ()))
        kind = getattr(error, "kind", None)
        problem = schema_problem(kind) if kind is not None else "refers to what can't be found, or can't be read"
        if isinstance(getattr(kind, "value", None), library.ReferencingError) and (named := _QUOTED.search(str(error))):
            problem = f"refers to {named[0]}, which can't be found"
        remedy = "send a valid schema, with all that it refers to under $defs; nothing is fetched"
        raise Invalid.field("schema", _shortened(f"{where or 'it'}: {problem}"), remedy) from None


def _problem_of(error: ValidationError) -> FieldProblem:
    path = [str(part) for part in error.instance_path]
    problem = schema_problem(error.kind)
    missing = getattr(error.kind, "property", None)
    if error.kind.name == "required" and missing is not None:
        path.append(str(missing))
    return FieldProblem(field=".".join(path) or "payload", problem=_shortened(problem))


def _shortened(problem: str) -> str:
    if len(problem) <= _PROBLEM_LENGTH:
        return problem
    return problem[: _PROBLEM_LENGTH // 2] + " ... " + problem[-_PROBLEM_LENGTH // 2 :]


def _check_size(root: object, *, depth: int, nodes: int, field: str) -> None:
    """Raises `Invalid` for what is nested deeper or has more values."""
    for number, level in enumerate(_levels(root)):
        if level > depth or number >= nodes:
            limit = f"{depth} levels" if level > depth else f"{nodes} values"
            raise Invalid.field(field, f"has more than {limit}", "send a smaller one")


def _levels(root: object) -> Iterator[int]:
    """How deep each value of a JSON document lies."""
    queue: list[tuple[int, object]] = [(0, root)]
    while queue:
        level, value = queue.pop()
        yield level
        if isinstance(value, Mapping):
            queue += ((level + 1, item) for item in value.values())
        elif isinstance(value, list):
            queue += ((level + 1, item) for item in value)

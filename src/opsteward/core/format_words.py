"""What is wrong with a text of some format, in our words: the libraries' sentences stay in here."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

CSV_PROBLEM = "has a quote that is not closed or stands within a value, or a character that can't be there"
_SCHEMA: Mapping[str, str] = {  # by JSON Schema's own keyword
    "additionalProperties": "has fields that the schema does not have: {unexpected}",
    "unevaluatedProperties": "has fields that the schema does not have: {unexpected}",
    "additionalItems": "has more entries than the schema has",
    "unevaluatedItems": "has more entries than the schema has",
    "anyOf": "fits none of the schema's alternatives",
    "oneOf": "does not fit exactly one of the schema's alternatives",
    "not": "fits what the schema excludes",
    "const": "is not {expected_value}",
    "contains": "has no entry of the kind that is needed",
    "contentEncoding": "is not encoded as {content_encoding}",
    "contentMediaType": "is no {content_media_type}",
    "enum": "is none of {options}",
    "exclusiveMaximum": "is not less than {limit}",
    "exclusiveMinimum": "is not more than {limit}",
    "maximum": "is more than {limit}",
    "minimum": "is less than {limit}",
    "multipleOf": "is no multiple of {multiple_of}",
    "maxItems": "has more than {limit} entries",
    "minItems": "has fewer than {limit} entries",
    "maxLength": "is longer than {limit} characters",
    "minLength": "is shorter than {limit} characters",
    "maxProperties": "has more than {limit} fields",
    "minProperties": "has fewer than {limit} fields",
    "format": "is no {format}",
    "pattern": "does not fit the pattern {pattern}",
    "propertyNames": "has a field with a name that the schema does not allow",
    "required": "is required",
    "type": "is of another type than {types}",
    "uniqueItems": "has an entry twice",
    "$ref": "refers to what can't be found",
}


def schema_problem(kind: Any) -> str:
    """What does not fit a JSON Schema, by the keyword that it breaks."""
    limits = {
        name: ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        for name in dir(kind)
        if name[0].islower() and not callable(value := getattr(kind, name))
    }
    words = _SCHEMA.get(kind.name)
    if words is None:
        return f"does not fit the schema's {kind.name}" if kind.name in _KEYWORDS else "does not fit the schema"
    try:
        return words.format_map(limits)
    except KeyError:
        return f"does not fit the schema's {kind.name}"


_KEYWORDS = frozenset({"if", "then", "else", "dependentRequired", "dependentSchemas", "dependencies", "prefixItems"})


def json_problem(error: ValueError) -> str:
    """Why a text is no JSON, and where. What a parser's hooks of ours raise is said as it is."""
    if not isinstance(error, json.JSONDecodeError):
        return f"is no JSON: {error}" if _by_us(error) else "is no JSON: it holds what can't be read"
    return f"is no JSON: {why_no_json(error)} at line {error.lineno}, column {error.colno}"


def why_no_json(error: json.JSONDecodeError) -> str:
    """What stands where the parser gave up."""
    rest = error.doc[error.pos : error.pos + 1]
    if not rest:
        return "it ends too early"
    return "something follows after its end" if error.msg.startswith("Extra data") else f"unexpected {rest!r}"


def _by_us(error: BaseException) -> bool:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and str(trace.tb_frame.f_globals.get("__name__", "")).startswith("opsteward.")


def toml_problem(error: ValueError) -> str:
    """Why a text is no TOML: the place is all that can be told."""
    place = re.search(r"line \d+, column \d+", str(error))
    return f"is no TOML: it can't be read at {place[0]}" if place else "is no TOML: it ends too early"


_YAML_SYNTAX = (  # a part of what the library says of a mistake, how we say it, and the remedy
    ("end of stream", "a quote is opened here and not closed", "close the quote"),
    ("flow ", "a bracket is opened here and not closed, or a comma is missing", "close the bracket, or add the comma"),
    ("expected ':'", "a line has no ':' after its name", "write it as 'name: value', and indent what belongs to it"),
    ("mapping values", "a ':' stands where none can", "quote the text, or mend the indentation"),
    ("sequence entries", "a '-' stands where no list can begin", "mend the indentation around this line"),
    (
        "'-' indicator",
        "the line does not begin with '- ' as the others of its list do",
        "begin it with '- ', or indent it",
    ),
    ("block", "the indentation does not fit the lines before", "indent it as its neighbours are"),
    ("escape", "there is an escape in double quotes that YAML does not know", "write the backslash twice"),
    ("start any token", "a value can't begin with this character", "put the text in quotes"),
    ("character", "there is a character that can't be in a text", "remove it"),
)


def yaml_problem(said_by_library: str) -> tuple[str, str]:
    """A mistake of YAML and its remedy, by what the library says of it."""
    known = ((problem, remedy) for part, problem, remedy in _YAML_SYNTAX if part in said_by_library)
    return next(known, ("it can't be read", "check indentation, quotes and brackets around this line"))

"""The form for a piece of the crew's work, made from the schema of its type's parameters, and what was filled in."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from opsteward.console.languages import _
from opsteward.core.errors import Invalid

VALUE_LIMIT = 900_000  # characters of one field
_ROWS_LIMIT = 100_000
_EXAMPLE_DEPTH = 4
#: Names of the form's fields begin so, to be told from the form's own.
PREFIX = "p_"


@dataclass(frozen=True, kw_only=True)
class FormField:
    """`control`: choice, check, number, date, line, list (texts with commas between) or data (JSON, or CSV of rows)."""

    name: str
    label: str
    control: str
    required: bool
    value: str = ""
    options: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None
    whole: bool = False
    example: str = ""
    rows: bool = False
    hint: str = ""
    or_number: bool = False

    @property
    def field(self) -> str:
        """Its name in the form."""
        return PREFIX + self.name


def fields_of(schema: Mapping[str, Any], given: Mapping[str, str]) -> list[FormField]:
    """The fields that a schema asks for, those that must be filled in first; `given` are the values by field."""
    needed = schema.get("required", [])
    made = [
        _field(name, one, schema.get("$defs", {}), required=name in needed, given=given)
        for name, one in schema.get("properties", {}).items()
    ]
    return sorted(made, key=lambda field: not field.required)


def parameters_of(fields: list[FormField]) -> dict[str, object]:
    """What was filled in, as the API takes it; what is empty is left out. Raises Invalid that names each field which
    can't be read."""
    found: dict[str, object] = {}
    for field in fields:
        if field.value.strip() == "" and field.control != "check":
            continue
        found[field.name] = _READ[field.control](field)
    return found


def _field(
    name: str, schema: Mapping[str, Any], defs: Mapping[str, Any], *, required: bool, given: Mapping[str, str]
) -> FormField:
    variants = [_followed(one, defs) for one in schema.get("anyOf", [schema]) if one.get("type") != "null"]
    first, alone = variants[0], len(variants) == 1
    default = schema.get("default")
    is_list = alone and first.get("type") == "array"
    item = _followed(first.get("items", {}), defs) if is_list else {}
    control = _control(first, item) if alone else "line" if all(_is_plain(one) for one in variants) else "data"
    told = "" if default is None or default in ([], {}) else _told(default)
    if control == "check":
        value = given.get(PREFIX + name, "") if given else ("on" if default is True else "")
    elif control in ("choice", "number", "line", "date"):
        value = given.get(PREFIX + name, told)
    else:
        value = given.get(PREFIX + name, "")
    or_number = False
    options = tuple(str(one) for one in first.get("enum", ())) if control == "choice" else ()
    if not alone and (hint := [str(one) for variant in variants for one in variant.get("enum", ())]):
        told, or_number = _("%(words)s, or a number", words=", ".join(hint)), True
    return FormField(
        name=name,
        label=name.replace("_", " ").capitalize(),
        control=control,
        required=required and control != "check",
        value=value,
        options=options,
        least=first.get("minimum"),
        most=first.get("maximum"),
        whole=first.get("type") == "integer",
        example=json.dumps(_example(schema, defs, 0), ensure_ascii=False, indent=1) if control == "data" else "",
        rows=control == "data" and _rows_of(variants, defs),
        or_number=or_number,
        hint=told if control in ("data", "list", "line") else "",
    )


def _control(schema: Mapping[str, object], item: Mapping[str, object]) -> str:
    if schema.get("enum"):
        return "choice"
    match schema.get("type"):
        case "boolean":
            return "check"
        case "integer" | "number":
            return "number"
        case "string":
            return "date" if schema.get("format") == "date" else "line"
        case "array" if _is_plain(item):
            return "list"
    return "data"


def _is_plain(schema: Mapping[str, object]) -> bool:
    return schema.get("type") in ("string", "integer", "number") or bool(schema.get("enum"))


def _rows_of(variants: list[Mapping[str, Any]], defs: Mapping[str, Any]) -> bool:
    """Whether rows are among what it takes."""
    lists = [one for one in variants if one.get("type") == "array"]
    return any(_followed(one.get("items", {}), defs).get("type") == "object" for one in lists)


def _followed(schema: Mapping[str, Any], defs: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = str(schema.get("$ref", ""))
    return defs.get(reference.rpartition("/")[2], {}) if reference else schema


def _told(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _example(schema: Mapping[str, Any], defs: Mapping[str, Any], depth: int) -> Any:
    """The smallest value of this shape, to show how it is written."""
    variants = [one for one in schema.get("anyOf", [schema]) if one.get("type") != "null"]
    found = _followed(variants[0], defs)
    if found.get("enum"):
        return found["enum"][0]
    match found.get("type"):
        case "object" if depth < _EXAMPLE_DEPTH:
            parts: Mapping[str, Any] = found.get("properties", {})
            names = found.get("required") or [*parts][:3]
            return {name: _example(parts.get(name, {}), defs, depth + 1) for name in names}
        case "array":
            return [_example(found.get("items", {}), defs, depth + 1)]
        case "integer" | "number":
            return max(1, found.get("minimum", 1))
        case "boolean":
            return True
        case "string":
            return {"date": "2026-01-31", "date-time": "2026-01-31T08:00:00Z"}.get(str(found.get("format")), "...")
    return {}


def _number(field: FormField) -> object:
    try:
        value = float(field.value)
    except ValueError:
        raise Invalid.field(field.name, f"{field.value[:40]!r} is no number", "write a number") from None
    return int(value) if field.whole and value.is_integer() and abs(value) < 2**53 else value


def _line(field: FormField) -> object:
    """A text, or a number where it is one and the field takes either."""
    if field.or_number:
        try:
            return float(field.value)
        except ValueError:
            return field.value.strip()
    return field.value.strip()


def _list(field: FormField) -> object:
    """As JSON, or texts with commas or line ends between them."""
    if field.value.lstrip().startswith("["):
        return _data(field)
    parts = [part.strip() for part in field.value.replace("\n", ",").split(",")]
    return [part for part in parts if part]


def _data(field: FormField) -> object:
    text = field.value.strip()
    if text[:1] in ("[", "{"):
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            where = f" at line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
            raise Invalid.field(field.name, f"is no JSON{where}", "mend it, or write it as in the example") from None
    if field.rows and "\n" in text:
        return [*_csv_rows(field.name, text)]
    return text


def _csv_rows(name: str, text: str) -> Iterator[dict[str, object]]:
    """Rows of CSV whose first line names the columns; numbers become numbers, and what is empty is left out."""
    try:
        delimiter = csv.Sniffer().sniff(text.partition("\n")[0], delimiters=",;\t").delimiter
    except csv.Error:
        delimiter = ","
    try:
        for number, row in enumerate(csv.DictReader(io.StringIO(text), delimiter=delimiter)):
            if number >= _ROWS_LIMIT:
                raise Invalid.field(name, f"has more than {_ROWS_LIMIT} rows", "send less at once")
            if None in row:
                raise Invalid.field(name, f"line {number + 2} has more values than the first has names", "mend it")
            yield {str(key).strip(): _cell(value) for key, value in row.items() if value not in (None, "")}
    except csv.Error as error:
        raise Invalid.field(name, f"is no CSV: {error}", "give JSON, or CSV with a line of names") from None


def _cell(text: str) -> str | bool | int | float:
    text = text.strip()
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        number = float(text)
    except ValueError:
        return text
    plain = text.lstrip("-")
    if not plain[:1].isdigit() or (plain[0] == "0" and plain[1:2].isdigit()) or number in (float("inf"), -float("inf")):
        return text  # a telephone number, a postal code, a name
    return int(number) if number.is_integer() and abs(number) < 2**53 and "." not in text else number


_READ: Mapping[str, Callable[[FormField], object]] = {
    "choice": lambda field: field.value,
    "check": lambda field: field.value == "on",
    "number": _number,
    "date": lambda field: field.value.strip(),
    "line": _line,
    "list": _list,
    "data": _data,
}

"""Matchers: `severity="high"`, `instance=~"db[0-9]+"`, on the fields of an alert and its labels. Pure.

Written as Alertmanager writes them: `=`, `!=`, `=~` and `!~`; a regular expression is for the whole value. They run in
linear time. A label that is not there is empty.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from opsteward.core.errors import Invalid
from opsteward.core.json_types import Json, JsonObject
from opsteward.core.storable_text import storable

MATCHERS_LIMIT = 20
_VALUE_LIMIT = 500
_TEXT_LIMIT = 2_000  # characters of a value that are compared
_SHAPE = re.compile(r"\s*([A-Za-z_][\w.:/-]{0,99})\s*(=~|!~|!=|=)\s*(.*?)\s*", re.DOTALL)
#: Fields of an alert that are no labels.
FIELDS = ("source", "system", "severity", "category", "error_type", "title")
LABELS_LIMIT = 40
_LABEL_LENGTH_LIMIT = 200
_NESTED = ("labels", "tags", "commonLabels", "attributes", "resource")


@dataclass(frozen=True)
class Matcher:
    """One condition."""

    name: str
    op: str
    value: str

    def holds(self, values: Mapping[str, str]) -> bool:
        """Whether it holds for these fields and labels."""
        text = values.get(self.name, "")[:_TEXT_LIMIT]
        same = text == self.value if self.op in ("=", "!=") else bool(_regex(self.value).is_valid(text))
        return same is (self.op in ("=", "=~"))

    def __str__(self) -> str:
        value = self.value.replace("\\", "\\\\").replace('"', '\\"')
        return f'{self.name}{self.op}"{value}"'


@lru_cache(maxsize=512)
def _regex(pattern: str) -> Any:
    import jsonschema_rs

    options = jsonschema_rs.RegexOptions(size_limit=200_000, dfa_size_limit=400_000)
    schema = {"type": "string", "pattern": f"^(?:{pattern})$"}
    return jsonschema_rs.validator_for(schema, pattern_options=options)


def parse_matcher(text: str, *, field: str) -> Matcher:
    """Raises Invalid naming `field`."""
    found = _SHAPE.fullmatch(text) if len(text) <= 2 * _VALUE_LIMIT else None
    if found is None or storable(text) != text:
        raise Invalid.field(field, f"{text[:60]!r} is no matcher", 'write severity="high" or instance=~"db.*"')
    name, op, value = found.groups()
    if len(value) >= 2 and value[0] == value[-1] == '"':
        value = re.sub(r"\\(.)", r"\1", value[1:-1])
    elif '"' in value:
        raise Invalid.field(field, f"{text[:60]!r} has a quote that is not closed", 'write severity="high"')
    if len(value) > _VALUE_LIMIT:
        raise Invalid.field(field, f"a value is longer than {_VALUE_LIMIT} characters", "use a shorter pattern")
    if op in ("=~", "!~"):
        try:
            _regex(value)
        except ValueError:
            raise Invalid.field(
                field, f"{value[:60]!r} is no regular expression that ends in linear time", "leave out look-arounds"
            ) from None
    return Matcher(name, op, value)


def parse_matchers(texts: Sequence[str], *, field: str = "matchers") -> list[Matcher]:
    """Raises Invalid naming the first bad one; all that match everything are none."""
    if not texts:
        raise Invalid.field(field, "is empty", f"name what it is about, by {', '.join(FIELDS)} or a label")
    if len(texts) > MATCHERS_LIMIT:
        raise Invalid.field(field, f"has more than {MATCHERS_LIMIT} matchers", "use fewer")
    found = [parse_matcher(text, field=f"{field}.{place}") for place, text in enumerate(texts)]
    if all(matcher.holds({}) for matcher in found):
        raise Invalid.field(field, "matches what has no fields at all", "add a matcher that something must fulfil")
    return found


def stored(matchers: Iterable[Matcher]) -> list[JsonObject]:
    """As they are kept in a table."""
    return [{"name": m.name, "op": m.op, "value": m.value} for m in matchers]


def loaded(rows: Iterable[JsonObject]) -> list[Matcher]:
    """From a table."""
    return [Matcher(str(row["name"]), str(row["op"]), str(row["value"])) for row in rows]


def all_hold(matchers: Iterable[Matcher], values: Mapping[str, str]) -> bool:
    """Whether each of them holds."""
    return all(matcher.holds(values) for matcher in matchers)


def labels_of(context: Mapping[str, Json]) -> dict[str, str]:
    """The labels of an event: of its context what is plain, and what stands in `labels`, `tags` or the like."""
    found: dict[str, str] = {}
    for name, value in context.items():
        if name in _NESTED and isinstance(value, Mapping):
            found |= _plain(value)
        else:
            found |= _plain({name: value})
    return dict(list(found.items())[:LABELS_LIMIT])


def _plain(values: Mapping[str, Json]) -> dict[str, str]:
    return {
        str(name)[:_LABEL_LENGTH_LIMIT]: _said(value)[:_LABEL_LENGTH_LIMIT]
        for name, value in values.items()
        if isinstance(value, (str, int, float))
    }


def _said(value: str | float) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)

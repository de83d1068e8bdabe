"""What may be done to a value between two systems: a small fixed set, no code of others."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from opsteward.contracts.attribute_paths import value_at
from opsteward.core.distinguished_names import rdn_of, rdn_value
from opsteward.core.json_types import Json

_PLACE = re.compile(r"\{([^{}]{1,200})\}")
_Short = Annotated[str, Field(max_length=1000)]
#: Characters that a template may grow to.
MAX_TEXT = 100_000


class Transform(BaseModel):
    """Exactly one of these. Text transforms work on each value of a list; `join` and `split` change between the two."""

    model_config = ConfigDict(extra="forbid")

    case: Literal["lower", "upper", "title", "fold"] | None = None
    strip: Literal[True] | None = None
    template: _Short | None = None
    default: _Short | None = None
    map: Annotated[dict[_Short, _Short], Field(max_length=10_000)] | None = None
    split: Annotated[str, Field(min_length=1, max_length=20)] | None = None
    join: Annotated[str, Field(max_length=20)] | None = None
    part: Annotated[int, Field(ge=-100, le=100)] | None = None
    prefix: _Short | None = None
    remove_prefix: _Short | None = None
    suffix: _Short | None = None
    remove_suffix: _Short | None = None
    date_from: _Short | None = None
    date_to: _Short | None = None
    to_dn: Annotated[str, Field(max_length=1000, pattern=r"^[A-Za-z][A-Za-z0-9.-]*=\{\}(,.*)?$")] | None = None
    from_dn: Literal[True] | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        given = set(self.model_fields_set)
        if {"date_from", "date_to"} <= given:
            given.discard("date_to")
        if len(given) != 1 or given == {"date_to"} or (given == {"date_from"} and self.date_to is None):
            raise ValueError("give exactly one transform in each entry; a date has date_from and date_to")
        return self

    @property
    def makes_value(self) -> bool:
        """Whether it gives a value where there was none."""
        return self.template is not None or self.default is not None

    def apply(self, value: Json, record: Mapping[str, Json]) -> Json:
        """The value after this transform. What does not fit (a date that is none) becomes no value."""
        if self.template is not None:
            return _filled(self.template, record)
        if self.default is not None:
            return self.default if value in (None, "", []) else value
        if value is None:
            return None
        if self.join is not None:
            return self.join.join(_text(each) for each in value) if isinstance(value, list) else value
        if self.part is not None:
            return _part(value, self.part)
        if isinstance(value, list):
            changed = [self._text(_text(each)) for each in value]
            return [one for each in changed for one in (each if isinstance(each, list) else [each])]
        return self._text(_text(value))

    def _text(self, text: str) -> Json:
        if self.case is not None:
            cases = {"lower": str.lower, "upper": str.upper, "title": str.title, "fold": str.casefold}
            return cases[self.case](text)
        if self.strip:
            return text.strip()
        if self.map is not None:
            return self.map.get(text, text)
        if self.split is not None:
            return [part.strip() for part in text.split(self.split) if part.strip()]
        if self.date_from is not None and self.date_to is not None:
            try:
                return datetime.strptime(text, self.date_from).strftime(self.date_to)  # noqa: DTZ007 - as it is written
            except ValueError:
                return None
        if self.to_dn is not None:
            attribute, _, parent = self.to_dn.partition("={}")
            return f"{rdn_of(attribute, text)}{parent}" if text else None
        if self.from_dn:
            return rdn_value(text) or None
        return self._affixed(text)

    def _affixed(self, text: str) -> str:
        if self.prefix is not None:
            return self.prefix + text
        if self.suffix is not None:
            return text + self.suffix
        if self.remove_prefix is not None:
            return text.removeprefix(self.remove_prefix)
        return text.removesuffix(self.remove_suffix or "")


def transformed(value: Json, transforms: Sequence[Transform], record: Mapping[str, Json]) -> Json:
    """The value after all transforms, in order."""
    for each in transforms:
        value = each.apply(value, record)
    return value


def _filled(template: str, record: Mapping[str, Json]) -> Json:
    """None when a named field has no value: half a name is worse than none."""
    values = {name: value_at(record, name) for name in _PLACE.findall(template)}
    if any(value in (None, "", []) for value in values.values()):
        return None
    return _PLACE.sub(lambda found: _text(values[found.group(1)]), template)[:MAX_TEXT]


def _part(value: Json, index: int) -> Json:
    if not isinstance(value, list):
        return value if index in (0, -1) else None
    try:
        return value[index]
    except IndexError:
        return None


def _text(value: Json) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(_text(each) for each in value)
    return "" if value is None else str(value)

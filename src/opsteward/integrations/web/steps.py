"""The steps of a visit as a system's settings declare them: what is sent, what is taken from the page, what it must be.

steps:
  - {url: /login}
  - {url: /login, form: {username: "${username}", password: "${password}"}, expect: 'body contains "Sign out"'}
  - {url: /api/me, headers: {X-CSRF-Token: "${token}"}, expect: 'json.name == "ops"'}
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from opsteward.contracts.thresholds import condition_over
from opsteward.core.json_types import Json

STEPS_LIMIT = 20
#: What a condition of a web check may speak of.
EXPECTED_VALUES = ("status", "latency", "body", "json", "headers", "redirects")
#: The credentials that steps may name.
CREDENTIALS = ("username", "password", "token")
_PLACE = re.compile(r"\$\{([A-Za-z_]\w{0,49})\}", re.ASCII)
_SOURCES = ("input", "meta", "header", "cookie", "json", "between")
_Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,49}$")]
_Text = Annotated[str, Field(max_length=4000)]


def _source(text: str) -> str:
    kind, _, name = text.partition(":")
    if kind not in _SOURCES or not name or (kind == "between" and not all(name.partition("|")[::2])):
        raise ValueError(
            "is nothing that can be taken from a page: use input:NAME, meta:NAME, header:NAME, cookie:NAME, "
            "json:a.b[0] or between:BEFORE|AFTER"
        )
    return text


class Step(BaseModel):
    """One request. `${name}` stands for a credential or for what an earlier step has taken (`extract`).

    A `form` takes along the hidden fields of the form of the page before it that has one of its fields: a CSRF token
    needs no `extract`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(default="", max_length=100)
    url: str = Field(min_length=1, max_length=2000)
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"] | None = None
    form: Annotated[dict[_Text, _Text], Field(max_length=100)] | None = None
    send_json: Annotated[Json, Field(alias="json")] = None
    headers: Annotated[dict[_Text, _Text], Field(max_length=50)] = Field(default_factory=dict)
    extract: Annotated[dict[_Name, Annotated[_Text, AfterValidator(_source)]], Field(max_length=20)] = Field(
        default_factory=dict
    )
    expect: Annotated[str, Field(max_length=500), AfterValidator(condition_over(EXPECTED_VALUES))] = ""

    @model_validator(mode="after")
    def _one_body(self) -> Step:
        if self.form is not None and self.send_json is not None:
            raise ValueError("has both a form and json: a request has one body")
        if self.sent_with in ("GET", "HEAD") and (self.form is not None or self.send_json is not None):
            raise ValueError(f"sends something with {self.sent_with}, which takes nothing along")
        return self

    @property
    def sent_with(self) -> str:
        """The method: POST for what sends a body, unless another is named."""
        return self.method or ("POST" if self.form is not None or self.send_json is not None else "GET")

    @property
    def names(self) -> frozenset[str]:
        """Everything that this step wants filled in."""
        return frozenset(_named(self.url) | _named(self.form) | _named(self.send_json) | _named(self.headers))


Steps = Annotated[tuple[Step, ...], Field(max_length=STEPS_LIMIT)]


def unknown_name(steps: tuple[Step, ...]) -> tuple[int, str] | None:
    """The first step that names something which no credential and no earlier step gives."""
    known = set(CREDENTIALS)
    for place, step in enumerate(steps):
        if strange := sorted(step.names - known):
            return place, strange[0]
        known |= step.extract.keys()
    return None


def filled(value: Json, known: Mapping[str, str]) -> Json:
    """The value with every `${name}` in its texts replaced."""
    if isinstance(value, str):
        return _PLACE.sub(lambda found: known.get(found[1], ""), value)
    if isinstance(value, list):
        return [filled(each, known) for each in value]
    if isinstance(value, dict):
        return {key: filled(each, known) for key, each in value.items()}
    return value


def _named(value: object) -> set[str]:
    if isinstance(value, str):
        return set(_PLACE.findall(value))
    if isinstance(value, list):
        return set().union(*map(_named, value))
    if isinstance(value, dict):
        return set().union(*map(_named, value.values()))
    return set()

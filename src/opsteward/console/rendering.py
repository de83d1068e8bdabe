"""Templates to HTML. Everything is escaped; what a template may call is named here."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Undefined, select_autoescape
from markupsafe import Markup

from opsteward.console import assets, wording
from opsteward.core.clock import iso, now

TEXT_LIMIT = 20_000  # characters of one piece of data that a page shows; the API gives the whole


def _ago(at: datetime | None, words: str = "") -> Markup:
    """A time as a distance from now, with the exact one on hover."""
    return _distance(at, words, "ago", wording.ago_in_words)


def _lasting(at: datetime | None, words: str = "") -> Markup:
    """How long something has been so: `healthy for 3 min`."""
    return _distance(at, words, "lasting", wording.span_in_words)


def _distance(at: datetime | None, words: str, kind: str, in_words: Callable[[float], str]) -> Markup:
    if at is None:
        return Markup("")
    before = Markup("{} ").format(words) if words else Markup("")
    return Markup('<span>{}<time class="{}" datetime="{}" title="{}">{}</time></span>').format(
        before, kind, iso(at), at.strftime("%Y-%m-%d %H:%M:%S UTC"), in_words((now() - at).total_seconds())
    )


def _at(at: datetime | None, words: str = "") -> Markup:
    """The exact time; the browser shows it in the reader's own zone."""
    if at is None:
        return Markup("")
    before = Markup("{} ").format(words) if words else Markup("")
    return Markup('<span>{}<time class="at" datetime="{}">{}</time></span>').format(
        before, iso(at), at.strftime("%Y-%m-%d %H:%M:%S UTC")
    )


def _icon(name: str) -> Markup:
    """A picture beside words that say the same, so it is hidden from screen readers."""
    return Markup('<svg class="icon" aria-hidden="true"><use href="{}#{}"/></svg>').format(
        assets.address("icons.svg"), name
    )


def _chip(look: wording.Look) -> Markup:
    return Markup('<span class="chip tone-{}">{}<span>{}</span></span>').format(look.tone, _icon(look.icon), look.word)


def _data(value: Any) -> str:
    """Data as readable JSON, or a text as it is."""
    words = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False, default=str)
    return words if len(words) <= TEXT_LIMIT else f"{words[:TEXT_LIMIT]}\n… ({len(words) - TEXT_LIMIT} more characters)"


def _short_count(number: int) -> str:
    """`950`, `12 k`, `3.4 M`."""
    for size, unit in ((1_000_000, "M"), (10_000, "k")):
        if number >= size:
            return f"{number / (1_000_000 if unit == 'M' else 1000):.1f}".removesuffix(".0") + f" {unit}"
    return str(number)


class _Environment(Environment):
    """A name that a page did not give is our error. A key that stored data lacks is not: plans, proofs and evidence are
    written by integrations and by earlier versions, and what they left out is shown as nothing."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        value = super().getattr(obj, attribute)
        return None if isinstance(value, Undefined) and isinstance(obj, Mapping) else value


def _environment() -> Environment:
    environment = _Environment(
        loader=PackageLoader("opsteward.console"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        finalize=lambda value: "" if value is None else value,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals.update(
        icon=_icon,
        chip=_chip,
        ago=_ago,
        lasting=_lasting,
        at=_at,
        look_of=wording.look_of,
        looks=wording,
        asset=assets.address,
    )
    environment.filters.update(
        data=_data,
        count=_short_count,
        duration=wording.duration_in_words,
        response_time=wording.response_time_in_words,
        spaced=lambda word: str(word).replace("_", " "),
    )
    return environment


_TEMPLATES = _environment()


def render(template: str, **values: Any) -> str:
    """The HTML of a template."""
    return _TEMPLATES.get_template(template).render(**values)

"""Templates to HTML. Everything is escaped; what a template may call is named here."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from typing import Any

from jinja2 import PackageLoader, StrictUndefined, Undefined, select_autoescape
from markupsafe import Markup

from opsteward.console import assets, vocabulary, wording
from opsteward.console.catalogues import catalogue
from opsteward.console.languages import _, language
from opsteward.console.speaking import SpeakingEnvironment
from opsteward.console.table_labels import label_cells
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
    if len(words) <= TEXT_LIMIT:
        return words
    return f"{words[:TEXT_LIMIT]}\n… ({_('%(count)s more characters', count=len(words) - TEXT_LIMIT)})"


class _Environment(SpeakingEnvironment):
    """A name that a page did not give is our error. A key that stored data lacks is not: plans, proofs and evidence are
    written by integrations and by earlier versions, and what they left out is shown as nothing."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        value = super().getattr(obj, attribute)
        return None if isinstance(value, Undefined) and isinstance(obj, Mapping) else value


@cache
def templates(language: str) -> SpeakingEnvironment:
    """The templates in a language: compiled when they are first used."""
    environment = _Environment(
        catalogue(language),
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
        begins_large=wording.begins_large,
        count=wording.short_count,
        decimal=lambda number: wording.decimal(str(number)),
        duration=wording.duration_in_words,
        response_time=wording.response_time_in_words,
        spaced=lambda word: vocabulary.spoken(str(word)),
        word=vocabulary.spoken_as_kept,
    )
    return environment


def render(template: str, **values: Any) -> str:
    """The HTML of a template, in the language of the present request."""
    return label_cells(templates(language()).get_template(template).render(**values))

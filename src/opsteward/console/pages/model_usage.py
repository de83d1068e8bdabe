"""What calls of language models took: by day as a chart, by agent and model, beside the ceilings of today."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.console.charts import number_in_words
from opsteward.console.languages import N_, _, ngettext, said
from opsteward.console.page import Page, Route, Visit, shows
from opsteward.console.sorting import Sorting, sorting
from opsteward.crew.performance.model_usage import CallFigures, DayFigures
from opsteward.tasks.types import CHANGED

_DAYS = {"1": N_("today"), "7": N_("7 days"), "30": N_("30 days"), "90": N_("90 days")}
_DEFAULT = "7"
_COLUMNS = {
    "cost": True, "calls": True, "failed": True, "tokens_in": True, "tokens_out": True, "took": True, "name": False,
}  # fmt: skip
#: Of the drawing's own units: its size, the room for text below and above, and the gap between two days.
_WIDE, _HIGH, _BELOW, _ABOVE, _GAP = 720.0, 180.0, 22.0, 18.0, 0.2
_DATES = 8  # written below at most


@dataclass(frozen=True, kw_only=True)
class Column:
    """One day's calls, drawn: `failed_high` of `high` at its top failed. `below` and `above` are written there."""

    title: str
    x: float
    width: float
    y: float
    high: float
    failed_high: float
    middle: float
    below: str
    above: str
    room_only: bool  # written where there is room for all of them


@dataclass(frozen=True, kw_only=True)
class UsageChart:
    """Columns by day in a drawing of this size, the ground at `ground`; `words` says what they show."""

    wide: float
    high: float
    ground: float
    columns: Sequence[Column]
    words: str


async def model_usage(visit: Visit, session: AsyncSession) -> Page:
    """Of a day, a week, a month or three."""
    days = visit.choice("days", _DAYS) or _DEFAULT
    found = await visit.services.crew.model_usage(session, days=int(days))
    models, agents = sorting(visit, _COLUMNS, of="models"), sorting(visit, _COLUMNS, of="agents")
    return Page(
        template="crew_models.html",
        title=_("Model usage"),
        about=(CHANGED,),
        values={
            "headline": _headline(found.total.calls, found.total.failed),
            "usage": found,
            "models": (_sorted(models, found.by_model), models.heads),
            "agents": (_sorted(agents, found.by_agent), agents.heads),
            "chart": chart_of(found.by_day) if found.total.calls else None,
            "filters": [("days", _("Of the last"), said(_DAYS), days)],
        },
    )


def _sorted(order: Sorting, figures: Sequence[CallFigures]) -> list[CallFigures]:
    return order.rows(
        figures,
        {
            "cost": lambda one: one.cost,
            "calls": lambda one: one.calls,
            "failed": lambda one: one.failed,
            "tokens_in": lambda one: one.input_tokens,
            "tokens_out": lambda one: one.output_tokens,
            "took": lambda one: one.seconds,
            "name": lambda one: one.name,
        },
    )


def chart_of(days: Sequence[DayFigures]) -> UsageChart:
    """Calls by day as columns, each with its number where there is room, and some of the dates."""
    most = max((day.calls for day in days), default=0) or 1
    step = _WIDE / len(days)
    room = _HIGH - _BELOW - _ABOVE
    every = -(-len(days) // _DATES)
    columns = []
    for number, day in enumerate(days):
        high = room * day.calls / most
        columns.append(
            Column(
                title=_told(day),
                x=round(step * (number + _GAP / 2), 1),
                width=round(min(step * (1 - _GAP), 90.0), 1),
                y=round(_HIGH - _BELOW - high, 1),
                high=round(high, 1),
                failed_high=round(high * day.failed / day.calls, 1) if day.calls else 0.0,
                middle=round(step * (number + _GAP / 2) + min(step * (1 - _GAP), 90.0) / 2, 1),
                below=f"{day.day:%m-%d}" if (len(days) - 1 - number) % every == 0 else "",
                room_only=(len(days) - 1 - number) // every % 2 == 1,
                above=number_in_words(day.calls) if day.calls and (len(days) <= _DATES or day.calls == most) else "",
            )
        )
    busiest = max(days, key=lambda day: day.calls)
    words = _(
        "%(first)s to %(last)s, most on %(busiest)s: %(calls)s",
        first=days[0].day,
        last=days[-1].day,
        busiest=busiest.day,
        calls=busiest.calls,
    )
    return UsageChart(wide=_WIDE, high=_HIGH, ground=_HIGH - _BELOW, columns=columns, words=words)


def _headline(calls: int, failed: int) -> str:
    if not calls:
        return _("No model was called")
    if failed:
        return ngettext("%(num)s call, %(failed)s failed", "%(num)s calls, %(failed)s failed", calls, failed=failed)
    return ngettext("%(num)s call", "%(num)s calls", calls)


def _told(day: DayFigures) -> str:
    return _(
        "%(day)s: %(calls)s, %(tokens)s tokens, %(dollars)s US dollars",
        day=day.day,
        calls=_headline(day.calls, day.failed),
        tokens=number_in_words(day.tokens),
        dollars=f"{day.cost:.4g}",
    )


ROUTES: tuple[Route, ...] = (shows("/crew/models", model_usage, "crew.read"),)

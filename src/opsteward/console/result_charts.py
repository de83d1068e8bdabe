"""Charts of what an engine found: its lists of names with a figure as bars, its figures over time as lines."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from opsteward.console.charts import number_in_words
from opsteward.console.languages import _

WIDE, HIGH = 240, 56  # of a line's drawing
_CHARTS_LIMIT = 6
_BARS_LIMIT = 12
_PARTS_LIMIT = 4
_POINTS_LIMIT = 400
_LINE_FROM = 3  # points
_LABELS = (
    "name", "segment", "lead", "customer", "product", "sku", "step", "stage", "bucket", "label", "date", "day", "start",
    "where", "page", "invoice", "order", "target", "then", "title", "party", "currency", "period", "value",
)  # fmt: skip
_VALUES = (
    "size", "score", "risk", "count", "expected", "forecast", "gain", "excess", "quantity", "amount", "open", "orders",
    "confidence", "similarity", "ease", "share", "times", "value", "mean", "total", "closing",
)  # fmt: skip
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ].*)?")
#: What an answer says of itself, and no figure of its subject.
_ABOUT_ITSELF = frozenset({"weights", "data_used", "reasoning", "report", "check", "data_check"})


@dataclass(frozen=True, kw_only=True)
class Bar:
    """`width` of 100 of the largest; `below`: its figure is below zero."""

    label: str
    words: str
    width: float
    below: bool


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Bars, or the points of a line as SVG has them. `words` says what the picture shows; `left_out`: further bars."""

    title: str
    words: str
    bars: Sequence[Bar] = ()
    line: str = ""
    left_out: int = 0


def charts_of(result: Mapping[str, object]) -> list[Chart]:
    """The first few that its values make; none for what is words alone."""
    parts = result.get("parts")
    if isinstance(parts, dict):
        named = [
            (name, chart) for name, part in [*parts.items()][:_PARTS_LIMIT] if isinstance(part, dict)
            for chart in [*_charts(part)][:2]
        ]  # fmt: skip
        return [_called(chart, f"{name}: {chart.title}") for name, chart in named][:_CHARTS_LIMIT]
    return [*_charts(result)][:_CHARTS_LIMIT]


def _called(chart: Chart, title: str) -> Chart:
    return Chart(title=title, words=chart.words, bars=chart.bars, line=chart.line, left_out=chart.left_out)


def _charts(result: Mapping[str, object]) -> Iterator[Chart]:
    for name, value in result.items():
        if name in _ABOUT_ITSELF:
            continue
        title = name.replace("_", " ").capitalize()
        if isinstance(value, dict):
            numbers = [(str(key), _number(one)) for key, one in value.items() if _is_number(one)]
            if len(numbers) == len(value) and len(numbers) > 1:
                yield _bars(title, numbers)
        elif rows := _rows(value):
            if (pairs := _pairs(rows)) is not None:
                yield _drawn(_("%(title)s by %(figure)s", title=title, figure=pairs[0]), pairs[1])
            for row in rows[:2]:
                yield from _within(row)


def _within(row: Mapping[str, object]) -> Iterator[Chart]:
    """What a row holds over time, as a product its forecast."""
    label = _field(row, _LABELS, str)
    for name, value in row.items():
        pairs = _pairs(_rows(value))
        if pairs is not None and _is_course(pairs[1]):
            title = f"{row[label]}: {name.replace('_', ' ')}" if label else name.replace("_", " ").capitalize()
            yield _line(title[:80], pairs[1])


def _rows(value: object) -> list[Mapping[str, object]]:
    """The value, where it is a list of objects."""
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value[:_POINTS_LIMIT]):
        return []
    return value[:_POINTS_LIMIT]


def _pairs(rows: Sequence[Mapping[str, object]]) -> tuple[str, list[tuple[str, float]]] | None:
    """The name of the figure that says most, and each row's label with it."""
    if len(rows) < 2:
        return None
    label = _field(rows[0], _LABELS, str)
    figure = next((name for name in _VALUES if name != label and all(_is_number(row.get(name)) for row in rows)), None)
    if label is None or figure is None:
        return None
    return figure, [(str(row.get(label, "")), _number(row[figure])) for row in rows]


def _field(row: Mapping[str, object], names: Sequence[str], kind: type) -> str | None:
    found = next((name for name in names if isinstance(row.get(name), kind)), None)
    return found or next((name for name, value in row.items() if isinstance(value, kind)), None)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(value: object) -> float:
    assert isinstance(value, int | float)
    return float(value)


def _is_course(pairs: Sequence[tuple[str, float]]) -> bool:
    return len(pairs) >= _LINE_FROM and all(_DATE.fullmatch(label) for label, _ in pairs)


def _drawn(title: str, pairs: Sequence[tuple[str, float]]) -> Chart:
    return _line(title, pairs) if _is_course(pairs) else _bars(title, pairs)


def _bars(title: str, pairs: Sequence[tuple[str, float]]) -> Chart:
    shown = pairs[:_BARS_LIMIT]
    most = max(abs(number) for _, number in shown) or 1.0
    bars = [
        Bar(label=label[:60], words=_said(number), width=round(100 * abs(number) / most, 1), below=number < 0)
        for label, number in shown
    ]
    words = "; ".join(f"{bar.label}: {bar.words}" for bar in bars)
    return Chart(title=title, words=words, bars=bars, left_out=len(pairs) - len(shown))


def _line(title: str, pairs: Sequence[tuple[str, float]]) -> Chart:
    numbers = [number for _, number in pairs]
    low, high = min(*numbers, 0.0), max(*numbers, 0.0)
    span = (high - low) or 1.0
    points = [
        f"{WIDE * at / (len(numbers) - 1):.1f},{HIGH - 1 - (HIGH - 2) * (number - low) / span:.1f}"
        for at, number in enumerate(numbers)
    ]
    words = _(
        "%(since)s to %(until)s, between %(low)s and %(high)s",
        since=pairs[0][0][:10],
        until=pairs[-1][0][:10],
        low=_said(min(numbers)),
        high=_said(max(numbers)),
    )
    return Chart(title=title, words=words, line=" ".join(points))


def _said(number: float) -> str:
    return f"{number:.3g}" if 0 < abs(number) < 1 else number_in_words(number)

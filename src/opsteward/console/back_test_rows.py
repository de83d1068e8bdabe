"""What the page of a back-test shows: figures of both sets of orders side by side, and the course of what was asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from opsteward.console.languages import _
from opsteward.events.back_tests.types import BackTest, DecidedAs, OrderFigures, Stretch

_WIDE, _HIGH = 480, 80  # of the drawing's own units
_NONE = OrderFigures(name="")


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One order, as it is and as it is proposed; without a name the decision table."""

    name: str
    today: OrderFigures
    proposed: OrderFigures

    @property
    def differs(self) -> bool:
        """Whether the proposed one does something else."""
        return any(getattr(self.today, key) != getattr(self.proposed, key) for key in _FIGURES)


_FIGURES = ("matched", "run", "waiting", "denied")


@dataclass(frozen=True, kw_only=True)
class Course:
    """The actions that were asked for over the span: bars of what was, lines of what today's and the proposed orders
    would have asked for. `highest` is the most in one stretch."""

    bars: Sequence[tuple[float, float, float, float]]
    today: str
    proposed: str
    highest: int
    words: str


def compared(found: BackTest) -> list[Compared]:
    """The orders of either set in their order: those that are new stand at the end."""
    today, proposed = ({one.name: one for one in side} for side in (found.today, found.proposed))
    names = dict.fromkeys([*today, *proposed])
    return [Compared(name=name, today=today.get(name, _NONE), proposed=proposed.get(name, _NONE)) for name in names]


def course_of(stretches: Sequence[Stretch]) -> Course | None:
    """Nothing where nothing was or would have been asked for."""
    highest = max((max(one.recorded, one.today, one.proposed) for one in stretches), default=0)
    if not highest:
        return None
    step = _WIDE / len(stretches)

    def height(number: int) -> float:
        return round((_HIGH - 4) * number / highest, 1)

    def line(numbers: Sequence[int]) -> str:
        points = []
        for at, number in enumerate(numbers):
            y = round(_HIGH - 1 - height(number), 1)
            points += [f"{at * step:.1f},{y}", f"{(at + 1) * step:.1f},{y}"]
        return " ".join(points)

    totals = {name: sum(getattr(one, name) for one in stretches) for name in ("recorded", "today", "proposed")}
    return Course(
        bars=[
            (round(at * step + 1, 1), round(_HIGH - height(one.recorded), 1), round(step - 2, 1), height(one.recorded))
            for at, one in enumerate(stretches)
            if one.recorded
        ],
        today=line([one.today for one in stretches]),
        proposed=line([one.proposed for one in stretches]),
        highest=highest,
        words=_(
            "%(recorded)s actions were asked for; the orders in force would ask for %(today)s, the tried ones for "
            "%(proposed)s",
            **totals,
        ),
    )


def decision_in_words(one: DecidedAs) -> str:
    """`notify_admin after approval (order pay)`."""
    action = _("%(action)s after approval", action=one.action) if one.approval == "required" else one.action
    return f"{action} ({_('order %(name)s', name=one.order) if one.order else _('no order')})"

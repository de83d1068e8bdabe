"""Retention by cohort: who comes back in which period after the first."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import date, timedelta

from opsteward.crew.catalogue.analytics import Cohort, CohortRetention, RetentionCell, RetentionReport
from opsteward.crew.catalogue.declaring import DataUsed
from opsteward.crew.engines.intervals import share_interval, shares_differ
from opsteward.crew.engines.series.regular import Step, moved, start_of

_SURE = 0.05


def run(parameters: CohortRetention) -> RetentionReport:
    """Periods that are not over yet are left out: half a week is no bad week."""
    step, notes = parameters.step, list[str]()
    first: dict[str, date] = {}
    for one in parameters.signups or parameters.events:
        user = str(one.user_id)
        first[user] = min(first.get(user, one.date), one.date)
    as_of = parameters.as_of or max(one.date for one in parameters.events)
    active: defaultdict[str, set[int]] = defaultdict(set)
    strangers, later = set[str](), 0
    for one in parameters.events:
        user = str(one.user_id)
        if one.date > as_of:
            later += 1
        elif user not in first:
            strangers.add(user)
        elif one.date >= first[user]:
            active[user].add(_between(first[user], one.date, step))
    if strangers:
        notes.append(f"{len(strangers)} users are in no row of signups and were left out")
    if later:
        notes.append(f"{later} events after {as_of} were left out")
    cohorts = _cohorts(first, active, parameters, as_of)
    average = _average(cohorts, parameters.periods)
    change, p_value = _change(cohorts)
    soon = next((cell for cell in average if cell.period == 1), None)
    return RetentionReport(
        summary=f"{len(cohorts)} cohorts of {sum(cohort.size for cohort in cohorts)} users; "
        + (f"{soon.share:.1%} come back in {step} 1. {change}" if soon else f"none is a whole {step} old yet."),
        data_used=DataUsed(rows=len(parameters.events), fields=["user_id", "date"]),
        notes=notes,
        missing=[]
        if parameters.signups
        else ["signups: without them a cohort begins with the first event that is there"],
        cohorts=cohorts,
        average=average,
        change=change,
        change_p_value=p_value,
    )


def _between(begin: date, day: date, step: Step) -> int:
    """Whole steps between the steps of both."""
    start, end = start_of(begin, step), start_of(day, step)
    if step == "month":
        return (end.year - start.year) * 12 + end.month - start.month
    return (end - start).days // (7 if step == "week" else 1)


def _cohorts(
    first: Mapping[str, date], active: Mapping[str, set[int]], parameters: CohortRetention, as_of: date
) -> list[Cohort]:
    step = parameters.step
    members: defaultdict[date, list[str]] = defaultdict(list)
    for user, day in first.items():
        if day <= as_of:
            members[start_of(day, step)].append(user)
    found = []
    for start, users in sorted(members.items()):
        seen = Counter(period for user in users for period in active.get(user, ()))
        cells = []
        for period in range(1, parameters.periods + 1):
            if moved(start, step, period + 1) > as_of + timedelta(days=1):
                break  # it is not over
            cells.append(_cell(period, seen[period], len(users)))
        found.append(Cohort(start=start, size=len(users), retention=cells))
    return found


def _cell(period: int, count: int, size: int) -> RetentionCell:
    low, high = share_interval(count, size)
    return RetentionCell(period=period, active=count, share=count / size, low=low, high=high)


def _average(cohorts: list[Cohort], periods: int) -> list[RetentionCell]:
    found = []
    for period in range(1, periods + 1):
        old_enough = [cohort for cohort in cohorts if len(cohort.retention) >= period]
        if old_enough:
            count = sum(cohort.retention[period - 1].active for cohort in old_enough)
            found.append(_cell(period, count, sum(cohort.size for cohort in old_enough)))
    return found


def _change(cohorts: list[Cohort]) -> tuple[str, float | None]:
    told = [cohort for cohort in cohorts if cohort.retention]
    if len(told) < 4:
        return "Too few cohorts to compare old with new ones.", None
    half = len(told) // 2
    sums = [
        (sum(cohort.retention[0].active for cohort in part), sum(cohort.size for cohort in part))
        for part in (told[:half], told[half:])
    ]
    p_value = shares_differ(*sums[1], *sums[0])
    old, new = (count / size for count, size in sums)
    if p_value > _SURE:
        return "Newer cohorts come back as often as older ones.", p_value
    return f"Newer cohorts come back {'more' if new > old else 'less'} often: {new:.1%} beside {old:.1%}.", p_value

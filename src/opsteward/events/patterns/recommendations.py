"""What to do about a pattern, with the figures that say so. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import median
from uuid import UUID

from opsteward.actions.past_help import PastHelp
from opsteward.events.patterns.recorded import Group, PastIncident
from opsteward.events.patterns.types import Coincidence, Recommendation, Rhythm, Trend

_HELPED_LEAST = 2
_HELPED_SHARE = 0.7
_NOISE = 100  # events that opened no incident


def recommend(
    group: Group,
    *,
    trend: tuple[Trend, int, int],
    rhythm: Rhythm | None,
    coincides: Sequence[Coincidence],
    helped: Mapping[UUID, Sequence[PastHelp]],
) -> list[Recommendation]:
    """The one that weighs most first; at least one."""
    found = [*_of_coincidences(coincides), *_of_rhythm(rhythm), *_of_help(group.incidents, helped)]
    word, earlier, later = trend
    if word == "growing":
        figures: dict[str, int | float | str] = {"earlier": earlier, "later": later}
        text = f"It grows: {earlier} events in the earlier half of the span, {later} in the later one"
        found.append(Recommendation(advice="act_before_it_grows", text=text, figures=figures))
    if not group.incidents and group.events >= _NOISE:
        text = f"{group.events} events opened no incident: where nobody needs them, leave them out at their source"
        found.append(Recommendation(advice="filter_at_the_source", text=text, figures={"events": group.events}))
    if word == "quiet":
        text = f"It has not come since {group.last:%Y-%m-%d %H:%M} UTC: nothing to do unless it comes back"
        found.append(Recommendation(advice="nothing_to_do", text=text, figures={"last": group.last.isoformat()}))
    return found or [_by_itself(group)]


def _of_coincidences(coincides: Sequence[Coincidence]) -> list[Recommendation]:
    found = []
    for one in coincides:
        figures: dict[str, int | float | str] = {
            "times": one.times,
            "of": one.of,
            "expected": one.expected,
            "median_seconds": one.median_seconds,
        }
        told = f"{one.times} of the {one.of} times that it began ({one.expected:g} expected by chance)"
        if one.what == "deployment":
            text = f"Look at what was deployed: {told} it was within half an hour of a deployment"
            found.append(Recommendation(advice="look_at_deployments", text=text, figures=figures))
            continue
        figures["other"] = one.fingerprint or ""
        if one.median_seconds >= 0:
            text = f"Look at {one.title!r} first: {told} it was beside it, {one.median_seconds:g} s later"
            found.append(Recommendation(advice="mend_the_other_first", text=text, figures=figures))
        else:
            text = f"Mend it before {one.title!r}: {told} that was beside it, {-one.median_seconds:g} s later"
            found.append(Recommendation(advice="mend_it_first", text=text, figures=figures))
    return found


def _of_rhythm(rhythm: Rhythm | None) -> list[Recommendation]:
    if rhythm is None:
        return []
    when = f"each day about {rhythm.at} UTC" if rhythm.every == "day" else f"each hour about {rhythm.at}"
    text = f"Look at what is scheduled then: it begins {when}, {rhythm.times} of {rhythm.of} times"
    figures: dict[str, int | float | str] = {"at": rhythm.at, "times": rhythm.times, "of": rhythm.of}
    return [Recommendation(advice="look_at_schedules", text=text, figures=figures)]


def _of_help(incidents: Sequence[PastIncident], helped: Mapping[UUID, Sequence[PastHelp]]) -> list[Recommendation]:
    over = [one for one in incidents if one.resolved_at is not None and one.id in helped]
    if len(over) < _HELPED_LEAST:
        return []
    times: Counter[str] = Counter()
    by_order: Counter[str] = Counter()
    for incident in over:
        times.update({run.action for run in helped[incident.id]})
        by_order.update({run.action for run in helped[incident.id] if run.standing_order})
    action, number = max(times.items(), key=lambda item: (item[1], item[0]))
    resolved = sum(one.resolved_at is not None for one in incidents)
    if number < max(_HELPED_LEAST, _HELPED_SHARE * resolved):
        return []
    figures: dict[str, int | float | str] = {"action": action, "times": number, "of": resolved}
    told = f"{action} mended it {number} of {resolved} times"
    if by_order[action] < number:
        text = f"{told}, mostly asked for by people: a standing order could do it at once"
        return [Recommendation(advice="write_an_order", text=text, figures=figures)]
    back = _hours_until_back(incidents)
    figures["median_hours_until_back"] = back
    text = f"{told} by a standing order, and it came back after {back:g} h (median): its cause is left to mend"
    return [Recommendation(advice="mend_the_cause", text=text, figures=figures)]


def _hours_until_back(incidents: Sequence[PastIncident]) -> float:
    in_order = sorted(incidents, key=lambda one: one.number)
    pauses = [
        (later.opened_at - earlier.resolved_at).total_seconds() / 3600
        for earlier, later in pairwise(in_order)
        if earlier.resolved_at is not None
    ]
    return round(max(0.0, median(pauses)), 1) if pauses else 0.0


def _by_itself(group: Group) -> Recommendation:
    figures: dict[str, int | float | str] = {"begun": len(group.begun), "incidents": len(group.incidents)}
    text = (
        f"It began {len(group.begun)} times, with no deployment, other group or time of day: troubleshoot it while it"
        " lasts"
    )
    return Recommendation(advice="troubleshoot_while_it_lasts", text=text, figures=figures)

"""What the next person on call has to know, the most urgent first."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Sequence

from opsteward.core.errors import Invalid
from opsteward.crew.catalogue.declaring import DataUsed, seconds_of
from opsteward.crew.catalogue.operations import (
    Handover,
    HandoverItem,
    NoisyAlert,
    OncallHandover,
    OpenIncident,
    ShiftAlert,
)
from opsteward.crew.engines.operations.durations import in_words

_ORDER = {"critical": 0, "high": 1, "medium": 2, "low": 3, "info": 4, None: 2}
_URGENT = frozenset({"critical", "high"})
_DONE = frozenset({"resolved", "closed"})
_NOISY = 3  # times in a shift
_STALE = 4 * 3600.0  # seconds without a change of an open incident
_WATCH_AFTER = 6 * 3600.0  # seconds in which a resolved one may come back
_NIGHT = (22, 7)  # hours in which people sleep


def run(parameters: OncallHandover) -> Handover:
    """Raises Invalid for a shift that ends before it begins."""
    start, end = seconds_of(parameters.shift_start), seconds_of(parameters.shift_end)
    if end <= start:
        raise Invalid.field("shift_end", "the shift ends before it begins", "send shift_start and shift_end in order")
    at_hand, watch = _incidents(parameters.incidents, end)
    at_hand += _approvals(parameters, end)
    inside = [alert for alert in parameters.alerts if start <= seconds_of(alert.at) <= end]
    noise = _noise(inside)
    watch += _unresolved(inside, {one.title for one in noise}, end)
    coming = _coming(parameters, end)
    notes = []
    if outside := len(parameters.alerts) - len(inside):
        notes.append(f"{outside} alerts lie outside of the shift and were left out")
    figures = _figures(parameters, inside, end - start)
    missing = [f"next_step of {_name(one)}" for one in parameters.incidents if _is_open(one) and not one.next_step]
    missing += [f"owner of {_name(one)}" for one in parameters.incidents if _is_open(one) and not one.owner]
    return Handover(
        summary=f"{len(at_hand)} things need hands, {len(watch)} to watch, {len(coming)} to come; "
        f"{len(inside)} alerts in the shift, {sum(one.times for one in noise)} of them repeats of {len(noise)}.",
        data_used=DataUsed(
            rows=len(parameters.incidents) + len(inside) + len(parameters.planned) + len(parameters.approvals),
            fields=["incidents", "alerts", "planned", "approvals"],
        ),
        missing=missing[:50],
        notes=notes,
        now=at_hand,
        watch=watch,
        coming=coming,
        noise=noise,
        figures=figures,
        text=_text(parameters, at_hand, watch, coming, noise),
    )


def _is_open(one: OpenIncident) -> bool:
    return one.status.lower() not in _DONE and one.resolved_at is None


def _name(one: OpenIncident) -> str:
    number = f"{one.number} " if one.number is not None else ""
    where = f" on {one.system}" if one.system else ""
    return f"{number}{one.title}{where}"


def _incidents(incidents: Sequence[OpenIncident], end: float) -> tuple[list[HandoverItem], list[HandoverItem]]:
    at_hand: list[HandoverItem] = []
    watch: list[HandoverItem] = []
    for one in sorted(incidents, key=lambda i: (_ORDER[i.severity], -seconds_of(i.opened_at) if i.opened_at else 0)):
        severity = one.severity or "unknown severity"
        if _is_open(one):
            age = f", open for {in_words(end - seconds_of(one.opened_at))}" if one.opened_at else ""
            quiet = one.last_change_at is not None and end - seconds_of(one.last_change_at) > _STALE
            why = f"{severity}, {one.status or 'open'}{age}" + (f", with {one.owner}" if one.owner else ", nobody's")
            if quiet and one.last_change_at is not None:
                why += f"; nothing happened for {in_words(end - seconds_of(one.last_change_at))}"
            do = one.next_step or (
                "take it, and say what is next" if not one.owner else f"ask {one.owner} what is next"
            )
            item = HandoverItem(what=_name(one), why=why, do=do)
            # A small one that somebody works on is to be watched only.
            (at_hand if one.severity in _URGENT or one.severity is None or not one.owner or quiet else watch).append(
                item
            )
        elif one.resolved_at is not None and 0 <= end - seconds_of(one.resolved_at) < _WATCH_AFTER:
            since = in_words(end - seconds_of(one.resolved_at))
            watch.append(HandoverItem(what=_name(one), why=f"resolved {since} ago", do="see that it stays away"))
    return at_hand, watch


def _approvals(parameters: OncallHandover, end: float) -> list[HandoverItem]:
    found = []
    until = end + parameters.next_shift_hours * 3600
    for one in sorted(parameters.approvals, key=lambda a: seconds_of(a.expires_at) if a.expires_at else until * 2):
        expires = seconds_of(one.expires_at) if one.expires_at else None
        if expires is not None and expires <= end:
            continue  # too late for anybody
        why = f"waits for {in_words(end - seconds_of(one.since))}"
        if expires is not None and expires <= until:
            why += f", expires in {in_words(expires - end)}"
        found.append(HandoverItem(what=f"approval: {one.what}", why=why, do="approve or reject it"))
    return found


def _noise(alerts: Sequence[ShiftAlert]) -> list[NoisyAlert]:
    groups: defaultdict[tuple[str, str], list[ShiftAlert]] = defaultdict(list)
    for alert in alerts:
        groups[" ".join(alert.title.split()), alert.system or ""].append(alert)
    found = []
    for (title, system), same in groups.items():
        if len(same) < _NOISY:
            continue
        acted = sum(alert.acted_on is True for alert in same)
        alone = sum(alert.resolved_at is not None and not alert.acted_on for alert in same)
        lengths = [seconds_of(a.resolved_at) - seconds_of(a.at) for a in same if a.resolved_at is not None]
        usual = statistics.median(lengths) if lengths else None
        if not acted and alone == len(same) and usual is not None:
            advice = f"gone by itself each time, after {in_words(usual)}: let it wait that long before it tells anybody"
        elif acted:
            advice = "each time somebody had to act: mend the cause, or let a standing order do it"
        else:
            advice = "one incident for all of them would do: group them"
        found.append(
            NoisyAlert(
                title=title, system=system, times=len(same), resolved_by_itself=alone, acted_on=acted, advice=advice
            )
        )
    return sorted(found, key=lambda one: -one.times)


def _unresolved(alerts: Sequence[ShiftAlert], noisy: set[str], end: float) -> list[HandoverItem]:
    there: dict[tuple[str, str], ShiftAlert] = {}
    for alert in sorted(alerts, key=lambda one: seconds_of(one.at)):
        key = (" ".join(alert.title.split()), alert.system or "")
        if alert.resolved_at is None:
            there.setdefault(key, alert)
        else:
            there.pop(key, None)
    found = []
    for (title, system), alert in sorted(there.items(), key=lambda pair: _ORDER[pair[1].severity]):
        why = f"not resolved for {in_words(end - seconds_of(alert.at))}" + (", came often" if title in noisy else "")
        found.append(
            HandoverItem(what=f"{title}{f' on {system}' if system else ''}", why=why, do="see whether it still holds")
        )
    return found


def _coming(parameters: OncallHandover, end: float) -> list[HandoverItem]:
    until = end + parameters.next_shift_hours * 3600
    found = []
    for one in sorted(parameters.planned, key=lambda work: seconds_of(work.starts_at)):
        starts = seconds_of(one.starts_at)
        stops = seconds_of(one.ends_at) if one.ends_at else starts
        if starts > until or stops < end:
            continue
        running = starts <= end
        why = "runs now" if running else f"in {in_words(starts - end)}"
        if one.ends_at:
            why += f", for {in_words(stops - starts)}"
        where = f" on {one.system}" if one.system else ""
        do = "see that it ends well" if running else "be there, or have its alerts silenced"
        found.append(HandoverItem(what=f"{one.title}{where}", why=why, do=do))
    return found


def _figures(parameters: OncallHandover, alerts: Sequence[ShiftAlert], length: float) -> dict[str, float]:
    lengths = [seconds_of(a.resolved_at) - seconds_of(a.at) for a in alerts if a.resolved_at is not None]
    nights = sum(
        alert.at.hour >= _NIGHT[0] or alert.at.hour < _NIGHT[1] for alert in alerts if hasattr(alert.at, "hour")
    )
    figures = {
        "hours": round(length / 3600, 2),
        "alerts": float(len(alerts)),
        "alerts_at_night": float(nights),
        "alerts_acted_on": float(sum(alert.acted_on is True for alert in alerts)),
        "open_incidents": float(sum(_is_open(one) for one in parameters.incidents)),
    }
    if lengths:
        figures["median_seconds_to_resolve"] = statistics.median(lengths)
    return figures


def _text(
    parameters: OncallHandover,
    at_hand: Sequence[HandoverItem],
    watch: Sequence[HandoverItem],
    coming: Sequence[HandoverItem],
    noise: Sequence[NoisyAlert],
) -> str:
    """As it can be sent or read out."""
    lines = []
    for title, items in (("Needs hands", at_hand), ("Watch", watch), ("To come", coming)):
        lines.append(f"{title}:" if items else f"{title}: nothing.")
        lines += [f"- {item.what} ({item.why}): {item.do}" for item in items[:30]]
    if noise:
        lines.append("Noise:")
        lines += [
            f"- {one.title}{f' on {one.system}' if one.system else ''}, {one.times} times: {one.advice}"
            for one in noise[:10]
        ]
    if parameters.remarks:
        lines.append("Remarks:")
        lines += [f"- {' '.join(remark.split())}" for remark in parameters.remarks]
    return "\n".join(lines)

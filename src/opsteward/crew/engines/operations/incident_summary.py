"""An incident in a few sentences, each with the entries of the timeline that it rests on. Nothing is made up: a
sentence repeats what entries say."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from opsteward.crew.catalogue.declaring import DataUsed, seconds_of
from opsteward.crew.catalogue.operations import CitedSentence, IncidentDigest, IncidentSummary, TimelineEntry
from opsteward.crew.engines.operations.durations import in_words

About = Literal["start", "detection", "answer", "cause", "action", "failure", "escalation", "message", "end", "open"]
_LENGTH = 260  # characters of a quoted entry
_SILENCE = 1800.0  # seconds that are worth a word
_CITED = 20
#: What an entry is about, by its kind or its words; the first that fits. Words of negation turn it around.
_SIGN_WORDS: tuple[tuple[About, str], ...] = (
    ("escalation", r"escalat\w+|eskal\w+"),
    ("answer", r"acknowledg\w*|ack(?:ed)?|took over|taking (?:a look|over)|looking into|investigating"),
    (
        "cause",
        r"root cause|caused by|cause (?:is|was|found)|because of|due to|culprit|reason (?:is|was)|turned out",
    ),
    (
        "failure",
        r"did not help|didn't help|no effect|failed to|still (?:failing|down|broken|slow|timing)|made (?:it )?worse"
        r"|(?:action|restart|rollback|fix|attempt)\w* (?:has )?failed|verification failed|undone",
    ),
    ("end", r"resolved|recovered|recovery|back to normal|healthy again|verified|closed|all clear|fixed"),
    (
        "action",
        r"restart\w*|roll(?:ed|ing)? ?back|deploy\w*|revert\w*|kill\w*|terminat\w+|scal(?:ed|ing)|failover"
        r"|failed over|flush\w*|clear(?:ed|ing)|disabl\w+|enabl\w+|blocked|drain\w*|executed|remediat\w+|patched"
        r"|increased|raised|lowered|action",
    ),
    ("message", r"notified|status page|informed|customers? (?:told|wrote|report\w*)|announc\w+|sent"),
    ("detection", r"alert\w*|detected|opened|paged?|noticed|check (?:failed|fails)|fir(?:ed|ing)"),
)
_SIGNS = [(about, re.compile(rf"\b(?:{words})\b", re.IGNORECASE)) for about, words in _SIGN_WORDS]
_KIND_WORDS: dict[About, str] = {
    "answer": "acknowledged ack taken",
    "end": "resolved recovered verified closed",
    "escalation": "escalated escalation raised",
    "action": "action remediation fix acted",
    "failure": "action_failed undone",
    "detection": "alert opened detected reopened",
    "message": "notification notified told page report",
    "cause": "cause diagnosis diagnosed finding",
    "start": "event error again grouped",
}
_KINDS: dict[str, About] = {kind: about for about, kinds in _KIND_WORDS.items() for kind in kinds.split()}
_NEGATED = re.compile(r"\b(not|never|n't|isn't|hasn't|no longer|un)\s*(yet\s+)?$", re.IGNORECASE)
_TITLES: dict[About, str] = {
    "start": "It began", "detection": "It was noticed", "answer": "It was answered", "cause": "The cause, as found",
    "action": "Done", "failure": "Did not help", "escalation": "Escalated", "message": "Told", "end": "It ended",
    "open": "Still open",
}  # fmt: skip
#: What is kept when there is room for few, and how many of each.
_WORTH: tuple[tuple[About, int], ...] = (
    ("cause", 2), ("action", 4), ("failure", 2), ("escalation", 1), ("message", 1),
)  # fmt: skip


@dataclass(frozen=True)
class _Told:
    """An entry with what it is about, and the entries that say the same."""

    entry: TimelineEntry
    at: float
    about: About
    cites: list[str]


def run(parameters: IncidentSummary) -> IncidentDigest:
    """Of an empty timeline it says that nothing is known."""
    incident = parameters.incident
    entries = sorted(parameters.timeline, key=lambda entry: seconds_of(entry.at))
    told = _told(entries)
    start = next((one for one in told if one.about in ("start", "detection")), told[0] if told else None)
    detection = next((one for one in told if one.about == "detection"), None)
    answer = next((one for one in told if one.about == "answer"), None)
    ends = [one for one in told if one.about == "end"]
    reopened = bool(ends) and any(
        one.about in ("failure", "start", "detection") and one.at > ends[-1].at for one in told
    )
    end = ends[-1] if ends and not reopened and incident.status.lower() not in ("open", "acknowledged") else None
    sentences = _sentences(told, start, detection, answer, end, parameters.max_sentences)
    began = start.at if start else None
    resolved = seconds_of(incident.resolved_at) if incident.resolved_at else end.at if end else None
    noticed = detection.at if detection else seconds_of(incident.opened_at) if incident.opened_at else None
    silence, after = _silence(entries)
    questions = _questions(told, end, answer)
    if end is None and told:
        last = told[-1]
        sentences.append(_sentence("open", f"not resolved by the timeline; last: {_quoted(last.entry)}", last.cites))
    return IncidentDigest(
        summary=_summary(parameters, told, began, resolved),
        data_used=DataUsed(rows=len(entries), fields=["at", "kind", "text"]),
        missing=questions,
        notes=[] if told else ["the timeline is empty: nothing can be said"],
        sentences=sentences,
        seconds_to_detect=_between(began, noticed),
        seconds_to_answer=_between(noticed if noticed is not None else began, answer.at if answer else None),
        seconds_to_resolve=_between(began, resolved),
        longest_silence_seconds=silence,
        longest_silence_after=after,
        open_questions=questions,
    )


def _told(entries: Sequence[TimelineEntry]) -> list[_Told]:
    """Entries that say the same are one, at the time of the first."""
    found: list[_Told] = []
    by_text: dict[tuple[About, str], _Told] = {}
    for entry in entries:
        about = _about(entry)
        key = (about, re.sub(r"\d+", "0", " ".join(entry.text.lower().split()))[:200])
        if key in by_text and about in ("start", "detection", "message"):
            by_text[key].cites.append(str(entry.id))
            continue
        one = _Told(entry, seconds_of(entry.at), about, [str(entry.id)])
        by_text[key] = one
        found.append(one)
    return found


def _about(entry: TimelineEntry) -> About:
    kind = entry.kind.strip().lower().replace(" ", "_").rpartition(".")[2]
    by_kind = _KINDS.get(kind)
    if by_kind is not None and by_kind not in ("start", "detection", "cause", "action"):
        return by_kind
    for about, sign in _SIGNS:
        match = sign.search(entry.text)
        if match and not _NEGATED.search(entry.text[: match.start()]):
            # What a check or an action says of itself keeps its kind, unless it failed.
            return about if by_kind is None or about in ("failure", "cause", "end") else by_kind
        if match and about == "end":
            return "failure"  # "not resolved"
    return by_kind or "start"


def _sentences(
    told: Sequence[_Told],
    start: _Told | None,
    detection: _Told | None,
    answer: _Told | None,
    end: _Told | None,
    most: int,
) -> list[CitedSentence]:
    chosen: list[tuple[_Told, About]] = []
    for one, about in ((start, "start"), (detection, "detection"), (answer, "answer"), (end, "end")):
        if one is not None and all(one is not other for other, _ in chosen):
            chosen.append((one, _as_about(about)))
    for about, count in _WORTH:
        kept = [one for one in told if one.about == about and all(one is not other for other, _ in chosen)]
        chosen += [(one, about) for one in (kept if len(kept) <= count else [*kept[: count - 1], kept[-1]])]
    # What frames the story stays; of the rest the least worth goes first.
    chosen = sorted(chosen[:most], key=lambda pair: pair[0].at)
    sentences = []
    for one, about in chosen:
        more = f" ({len(one.cites)} times)" if len(one.cites) > 1 else ""
        by = f" by {one.entry.actor}" if one.entry.actor and about in ("answer", "action", "escalation") else ""
        when = str(one.entry.at.isoformat())[:16].replace("T", " ")
        sentences.append(_sentence(about, f"{_TITLES[about]} {when}{by}: {_quoted(one.entry)}{more}", one.cites))
    return sentences


def _as_about(text: str) -> About:
    return next(about for about in _TITLES if about == text)


def _sentence(about: About, text: str, cites: Sequence[str]) -> CitedSentence:
    return CitedSentence(about=about, text=text, cites=list(cites[:_CITED]))


def _quoted(entry: TimelineEntry) -> str:
    text = " ".join(entry.text.split())
    return text if len(text) <= _LENGTH else text[:_LENGTH].rsplit(" ", 1)[0] + " ..."


def _silence(entries: Sequence[TimelineEntry]) -> tuple[float | None, str | None]:
    best, after = 0.0, None
    for before, following in itertools.pairwise(entries):
        apart = seconds_of(following.at) - seconds_of(before.at)
        if apart > best:
            best, after = apart, str(before.id)
    return (best, after) if best >= _SILENCE else (None, None)


def _questions(told: Sequence[_Told], end: _Told | None, answer: _Told | None) -> list[str]:
    found = []
    if not any(one.about == "cause" for one in told):
        found.append("the cause: no entry names it")
    if end is None:
        found.append("the end: no entry says that it is resolved")
    if answer is None:
        found.append("who answered, and when")
    if end is not None and not any(one.about == "action" for one in told):
        found.append("what ended it: no entry tells an action")
    return found


def _summary(parameters: IncidentSummary, told: Sequence[_Told], began: float | None, resolved: float | None) -> str:
    incident = parameters.incident
    name = f"Incident {incident.number}: {incident.title}" if incident.number is not None else incident.title
    where = f" on {incident.system}" if incident.system else ""
    length = _between(began, resolved)
    if length is not None:
        state = f"resolved after {in_words(length)}"
    else:
        state = "not resolved" if told else "nothing is known"
    cause = next((one for one in reversed(told) if one.about == "cause"), None)
    why = f" Cause: {_quoted(cause.entry)} [{cause.cites[0]}]" if cause else ""
    return f"{name}{where}: {state}.{why}"


def _between(first: float | None, last: float | None) -> float | None:
    return last - first if first is not None and last is not None and last >= first else None

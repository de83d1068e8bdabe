"""Which topic a question is about, and its answer; None where it is about none, or asks how something is done."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.types import Identity
from opsteward.core.blocking_calls import in_thread
from opsteward.core.clock import now
from opsteward.help.languages import ENGLISH, language_of, stem
from opsteward.help.live import approvals, incidents, operations, people, rooms, systems, tasks
from opsteward.help.live.asking import Asking, Found, LiveSources, Named, Topic, cited
from opsteward.help.live.entities import find_named, longest_only
from opsteward.help.live.likelihood import of_state
from opsteward.help.live.names import meant_of, parts_of
from opsteward.help.live.question import Question
from opsteward.help.live.vocabulary import strange_in, subjects, words_of_state
from opsteward.help.spelling import corrected
from opsteward.help.vectors import shipped_vectors


@dataclass(frozen=True, kw_only=True)
class _Subject:
    """A topic, the words it goes by with their weight, and the permission that its answers take."""

    name: str
    topic: Topic
    permission: str
    narrows: frozenset[str]
    words: tuple[tuple[str, float], ...]


_TOPICS: dict[str, Topic] = {
    f"{module.__name__.rpartition('.')[2]}.{name}": getattr(module, name)
    for module in (approvals, incidents, operations, people, systems, tasks)
    for name in dir(module)
    if not name.startswith("_")
} | {f"rooms.{name}": topic for name, topic in rooms.TOPICS.items()}


@cache
def _subjects() -> tuple[_Subject, ...]:
    return tuple(
        _Subject(
            name=one["topic"],
            topic=_TOPICS[one["topic"]],
            permission=one["permission"],
            narrows=frozenset(one["narrows"]),
            words=tuple((word, float(weight)) for weight, words in one["words"].items() for word in words),
        )
        for one in subjects()
    )


def _read(question: str) -> Question:
    vectors = shipped_vectors()
    known = vectors.words if vectors and language_of(question) == ENGLISH else {}

    def meant(word: str) -> str | None:
        return corrected(word, known, words_of_state()) if known else None

    return Question.of(question, now(), meant)


_ENOUGH, _ENOUGH_AT_LAST = 2.4, 1.5  # of a subject's score
_LIKELY = 0.5
#: A word that is written as names are and no others.
_LIKE_A_NAME = re.compile(r"\w[-_.@]\w|[a-z]\d|\d[a-z]")
_CAPITAL = re.compile(r"(?<=[\w,;)] )[A-Z][a-z]+\b")
_CHANGED = (
    "changed", "edited", "modified", "created", "removed", "deleted", "registered", "applied", "added", "updated",
    "introduced", "configured", "renamed", "enabled", "disabled",
)  # fmt: skip
#: What asks for an order or a figure that only some topics know.
_ORDERS = ("most", "least", "fewest", "longest", "shortest", "slowest", "fastest", "biggest", "smallest", "busiest")
_FIGURES = (
    "average", "mean", "median", "compare", "compared", "versus", "vs", "percentage", "percent", "ratio", "trend",
    "more than last", "fewer than last", "per day", "per week",
)  # fmt: skip
_OF_URGENCY = ("important", "critical", "recent", "urgent", "severe", "serious", "pressing", "worst")
_PERSONS = ("account", "user", "people", "person", "employee", "contractor", "colleague", "registration")
_LET_IN_ALREADY = ("approved", "enrolled", "accepted", "rejected", "admitted")
_LET_IN = ("waiting", "waits", "await", "pending", "approval", "approve")


async def answer(
    session: AsyncSession, *, question: str, by: Identity, sources: LiveSources, at_last: bool = False
) -> Found | None:
    """The answer from live state, or None where the question is for documents. `at_last`: those know nothing of it, so
    that less has to speak for the state."""
    q = await in_thread(_read, question)
    if q.how_to and not (q.asks_where or q.asks_of_one):
        return None
    named = await find_named(session, q, sources, by)
    if q.asks_of_one and q.how_to and (named.hinted or not (named.systems and q.has("depend"))):
        return None
    ask = Asking(session=session, by=by, question=q, sources=sources, named=named)
    scores = sorted(_scores(ask), key=lambda pair: -pair[0])
    ask = await _with_names_of_its_kind(ask, scores[0][1])
    named = ask.named
    likely = of_state(q, named, scores[0][0])
    enough = _ENOUGH_AT_LAST if at_last else _ENOUGH
    if (q.how_to and not named.words) or likely < _LIKELY or scores[0][0] < enough:
        return None
    if not by.may(scores[0][1].permission):
        return _barred(scores[0][1])
    parts = {part for name in named.words for part in parts_of(name)}
    unknown = [word for word in _unknown_names(question, q, named) if not parts.issuperset(parts_of(word))]
    if unknown and not named.titled:
        names = ", ".join(unknown)
        return Found(text=f"There is nobody and nothing called {names} that you may see, as far as I can tell.",
                     known=False)  # fmt: skip
    for score, subject in scores:
        if score < enough:
            return None
        if not by.may(subject.permission):
            return _barred(subject)
        found = await subject.topic(ask)
        if found is not None:
            return _as_far_as_asked(ask, subject, found)
    return None


def _unknown_names(said: str, q: Question, named: Named) -> list[str]:
    """Words that are written as names are, by their signs or, in English, by a capital within the sentence, and that
    are none that is known."""
    strange = strange_in(q, named.words)
    capital = set[str]()
    if language_of(said) == ENGLISH:
        capital = {found[0].lower() for found in _CAPITAL.finditer(q.text)}
    words = dict.fromkeys((*strange.rare, *(word for word in strange.frequent if word in capital)))
    # as said, not as corrected
    return [word for word in words if (word in capital or _LIKE_A_NAME.search(word)) and word in q.words]


def _barred(subject: _Subject) -> Found:
    return Found(text=f"You may not see that: it needs the permission {subject.permission}.", known=False)


async def _with_names_of_its_kind(ask: Asking, subject: _Subject) -> Asking:
    """With the names of the likeliest subject's things among what is named, if its kind is one of `rooms`."""
    if not subject.name.startswith("rooms.") or not ask.by.may(subject.permission):
        return ask
    names = dict.fromkeys(name for name in await rooms.names_of(ask, subject.name) if name)
    meant = [one.name for one in await in_thread(meant_of, names, parts_of(ask.question.text), ()) if one.whole]
    if not meant:
        return ask
    named = replace(ask.named, things={**ask.named.things, subject.name: meant})
    return replace(ask, named=longest_only(ask.question, named))


def _as_far_as_asked(ask: Asking, subject: _Subject, found: Found) -> Found:
    """The answer, or the nearest one where the question says something that its topic does not narrow by: a full list
    to a narrow question would be a wrong answer given with confidence."""
    q, named = ask.question, ask.named
    names = [*(one.name for one in named.schedules), *(one for own in named.things.values() for one in own)]
    names += [named.task.name] if named.task else []
    heard = found.heard | {part for name in names for part in parts_of(name)}
    said = {
        "period": q.period.words if q.period else "",
        "operators": ", ".join(
            one.name for one in named.operators if not (heard & {*parts_of(one.name)} or _is_a_user(one.name, named))
        ),
        "systems": ""
        if named.hinted
        else ", ".join(one.name for one in named.systems if not heard & {*parts_of(one.name)}),
        "users": ", ".join(
            one.full_name for one in named.users if not (named.operators or heard & {*parts_of(one.full_name)})
        ),
        "team": named.team or "",
        "order": next((word for word in _ORDERS if q.says(word) and not q.has(*_OF_URGENCY)), ""),
        "figures": next((word for word in _FIGURES if q.says(word)), ""),
        "denial": "" if found.denied else q.denial,
        "exception": q.exception,
        "comparison": q.comparison,
    }
    passed_over = [words for what, words in said.items() if words and what not in subject.narrows]
    passed_over += [words for words in found.missed if words not in passed_over]
    if not passed_over or not found.known:
        return found
    text = f"I can't answer that by {' and '.join(passed_over)}. Without it: {found.text}"
    return Found(text=text, citations=found.citations, known=False)


def _is_a_user(name: str, named: Named) -> bool:
    return any(name.casefold() in one.full_name.casefold().split() for one in named.users)


def _of_a_name(word: str, ask: Asking) -> bool:
    """Whether a word stands in the question only as a part of something's name."""
    named = ask.named
    names = [one.name for found in (named.systems, named.schedules) for one in found]
    names += [one for own in named.things.values() for one in own] + ([named.task.name] if named.task else [])
    left = f" {' '.join(parts_of(ask.question.text))} "
    for run in sorted((" ".join(parts_of(name)) for name in names), key=len, reverse=True):
        left = left.replace(f" {run} ", "  ")
    parts = {stem(part) for name in names for part in parts_of(name)}
    return stem(word) in parts - {stem(part) for part in left.split()}


def _scores(ask: Asking) -> list[tuple[float, _Subject]]:
    return [(_score(ask, subject), subject) for subject in _subjects()]


def _score(ask: Asking, subject: _Subject) -> float:
    q, named = ask.question, ask.named
    held = [weight for word, weight in subject.words if q.has(word) and not _of_a_name(word, ask)]
    score = max(held, default=0.0) + 0.3 * (len(held) - 1 if held else 0)
    if subject.topic is incidents.answer:
        score += 4.0 if q.number is not None or named.incident else 0.0
        score += 0.6 if named.systems and held else 0.0
        score += 2.5 if named.source and not named.systems else 0.0
        score += 3.0 if named.titled else 0.0
        score += 3.5 if named.operators and q.has("assigned", "acknowledged", "owner") else 0.0
    score += 4.0 if subject.name in named.things else 0.0
    if subject.topic is approvals.answer:
        score += 2.0 if named.operators and held else 0.0
    if subject.topic is systems.answer:
        score += (1.6 if named.hinted else 2.6) if named.systems else 0.0
        score += 1.0 if q.has("owner", "without owner") and q.has("system", "systems") else 0.0
    if subject.name == "rooms.imports" and not q.says("import", "imports", "imported", "importing"):
        return 0.0  # `important` has the same stem
    if subject.topic is tasks.answer:
        score += 5.5 if named.task else 0.0
    if subject.topic is tasks.schedules:
        score += 5.5 if named.schedules else 0.0
    if subject.topic is people.answer:
        score += 2.4 if named.users or named.department else 0.0
        score += 3.2 if named.systems and (q.who or named.users) and q.has(*people.REACHING) else 0.0
        score += 3.0 if named.users and q.has("system", "systems") and q.has("have", "has", "get", "got") else 0.0
    if subject.topic is people.enrollments:
        score += 8.0 if q.who and q.says("been approved", "be approved", "is approved", "not approved") else 0.0
        score += 8.0 if not q.who and q.has(*_PERSONS) and q.has(*_LET_IN) and not q.mine else 0.0
        score += 8.0 if named.users and not named.operators and q.has(*_LET_IN) else 0.0
        score += 8.0 if q.has("waiting to join") or (named.users and q.says(*_LET_IN_ALREADY)) else 0.0
    if subject.topic is operations.changes:
        score += 0.8 if q.period is not None and held else 0.0
        score += 1.0 if named.operators else 0.0
        score += 4.0 if q.who and q.has(*_CHANGED) else 0.0
    if subject.topic is people.operators:
        score -= 2.0 if named.systems and not named.operators else 0.0
        asked_who = q.who and q.has("is", "status")
        about = asked_who or q.says("do") or q.has("role", "roles", "rights", "operator", "admin")
        score += 2.4 if named.operators and not named.users and about else 0.0
    return score


__all__ = ["Found", "LiveSources", "answer", "cited"]

"""Which topic a question is about, and its answer; None where it is about none, or asks how something is done."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.types import Identity
from opsteward.core.blocking_calls import in_thread
from opsteward.core.clock import now
from opsteward.help.languages import stem
from opsteward.help.live import approvals, incidents, operations, people, systems, tasks
from opsteward.help.live.asking import Asking, Found, LiveSources, Named, Topic, cited
from opsteward.help.live.entities import COMMON_WORDS, find_named
from opsteward.help.live.question import Question
from opsteward.help.spelling import corrected
from opsteward.help.vectors import shipped_vectors
from opsteward.help.words import STOP_WORDS, plain_words

_STATE = (
    "which", "who", "whom", "whose", "how many", "what is", "what are", "is", "are", "was", "were", "has", "have",
    "did", "does", "why", "when", "list", "show", "what", "any", "how long", "how is", "status", "until", "give",
    "tell", "name", "count", "display", "anything", "anyone", "anybody", "do i have", "do we have", "can you",
    "could you", "i need", "i want", "need to know", "where is", "where are",
)  # fmt: skip
#: Words that ask for a state only beside a name.
_OF_THE_NAMED = ("can", "may", "will", "would", "should", "where", "get", "see", "check")
_FRAGMENT_WORDS = 7


@dataclass(frozen=True, kw_only=True)
class _Subject:
    """A topic, the words it goes by with their weight, and the permission that its answers take."""

    topic: Topic
    permission: str
    words: tuple[tuple[str, float], ...]


_TOPICS: dict[str, Topic] = {
    f"{module.__name__.rpartition('.')[2]}.{name}": getattr(module, name)
    for module in (approvals, incidents, operations, people, systems, tasks)
    for name in dir(module)
    if not name.startswith("_")
}


@cache
def _subjects() -> tuple[_Subject, ...]:
    """Those of `subjects.yaml`, read once."""
    import yaml

    text = (files("opsteward.help.live") / "subjects.yaml").read_text(encoding="utf-8")
    return tuple(
        _Subject(
            topic=_TOPICS[one["topic"]],
            permission=one["permission"],
            words=tuple((word, float(weight)) for weight, words in one["words"].items() for word in words),
        )
        for one in yaml.safe_load(text)
    )


@cache
def _words_of_state() -> frozenset[str]:
    """What questions of state are made of beside names."""
    said = [word for subject in _subjects() for word, _ in subject.words]
    return frozenset(part for words in (*said, *_STATE) for part in words.split()) | COMMON_WORDS


@cache
def _stems_of_state() -> frozenset[str]:
    return frozenset(stem(word) for word in _words_of_state() | STOP_WORDS)


def _read(question: str) -> Question:
    vectors = shipped_vectors()
    known = vectors.words if vectors else {}

    def meant(word: str) -> str | None:
        return corrected(word, known, _words_of_state()) if known else None

    return Question.of(question, now(), meant)


def _is_of_state(q: Question, named: Named) -> bool:
    """Whether a state is asked for: by a word, or by nothing but names and words of state (`open incidents`, `billing
    status`)."""
    names = named.words
    if q.has(*_STATE) or (names and q.has(*_OF_THE_NAMED)):
        return True
    words = plain_words(q.meant)
    fitting = names | _stems_of_state()
    others = [
        part
        for word in words
        for part in ((word,) if word in names else re.split(r"[_.:/'’-]", word))
        if len(part) > 1 and not (part.isdigit() or part in names or stem(part) in fitting)
    ]
    return len(words) <= _FRAGMENT_WORDS and len(others) <= bool(names or q.number)


_ENOUGH = 2.4
_CHANGED = (
    "changed", "edited", "modified", "created", "removed", "deleted", "registered", "applied", "added", "updated",
    "introduced", "configured", "renamed", "enabled", "disabled",
)  # fmt: skip
_PERSONS = ("account", "user", "people", "person", "employee", "contractor", "colleague", "registration")
_LET_IN = ("waiting", "waits", "await", "pending", "approval", "approve")


async def answer(session: AsyncSession, *, question: str, by: Identity, sources: LiveSources) -> Found | None:
    """The answer from live state, or None where the question is for documents."""
    q = await in_thread(_read, question)
    if (q.how_to and not q.asks_where) or not (
        q.has(*_STATE) or q.has(*_OF_THE_NAMED) or len(q.words) <= _FRAGMENT_WORDS
    ):
        return None
    named = await find_named(session, q, sources, by)
    if not _is_of_state(q, named) or (q.how_to and not named.words):
        return None
    ask = Asking(session=session, by=by, question=q, sources=sources, named=named)
    for score, subject in sorted(_scores(ask), key=lambda pair: -pair[0]):
        if score < _ENOUGH:
            return None
        if not by.may(subject.permission):
            return Found(text=f"You may not see that: it needs the permission {subject.permission}.", known=False)
        found = await subject.topic(ask)
        if found is not None:
            return found
    return None


def _scores(ask: Asking) -> list[tuple[float, _Subject]]:
    return [(_score(ask, subject), subject) for subject in _subjects()]


def _score(ask: Asking, subject: _Subject) -> float:
    q, named = ask.question, ask.named
    held = [weight for word, weight in subject.words if q.has(word)]
    score = max(held, default=0.0) + 0.3 * (len(held) - 1 if held else 0)
    if subject.topic is incidents.answer:
        score += 4.0 if q.number is not None or named.incident else 0.0
        score += 0.6 if named.systems and held else 0.0
        score += 2.5 if named.source and not named.systems else 0.0
    if subject.topic is systems.answer:
        score += 2.6 if named.systems else 0.0
    if subject.topic is tasks.answer:
        score += 3.0 if named.task else 0.0
    if subject.topic is tasks.schedules:
        score += 3.2 if named.schedules else 0.0
    if subject.topic is people.answer:
        score += 2.4 if named.users else 0.0
        score += 3.2 if named.systems and (q.who or named.users) and q.has(*people.REACHING) else 0.0
    if subject.topic is people.enrollments:
        score += 8.0 if q.who and q.says("been approved", "be approved", "is approved", "not approved") else 0.0
        score += 8.0 if not q.who and q.has(*_PERSONS) and q.has(*_LET_IN) and not q.mine else 0.0
    if subject.topic is operations.changes:
        score += 0.8 if q.period is not None and held else 0.0
        score += 1.0 if named.operators else 0.0
        score += 4.0 if q.who and q.has(*_CHANGED) else 0.0
    if subject.topic is people.operators:
        score -= 2.0 if named.systems and not named.operators else 0.0
        score += 2.4 if named.operators and q.has("role", "roles", "rights", "operator") else 0.0
    return score


__all__ = ["Found", "LiveSources", "answer", "cited"]

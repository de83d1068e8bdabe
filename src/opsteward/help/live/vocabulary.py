"""The words that questions of state are made of, and which words of a question are none of these."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from opsteward.help.languages import ENGLISH, language_of, stem
from opsteward.help.languages import STOP_WORDS as STOP_WORDS_OF
from opsteward.help.live.question import Question
from opsteward.help.live.wording import telling
from opsteward.help.vectors import shipped_vectors
from opsteward.help.words import STOP_WORDS, plain_words

#: Words that questions are made of: no person is looked for by them.
_OF_QUESTIONS = """
    access account accounts action actions active agent agents alert alerts all approval approvals approve approved
    approver audit by call cause change changed closed critical currently database day days denied deny done down
    enrolled enrollment enrollments enrolment enrolments error errors everybody failed failing fix fixed frozen
    going group happen happened happening have health healthy high history hour hours incident incidents job jobs
    last latest list long longest low manager many medium minute minutes month months morning much name new next
    night now number old oldest open operator operators order orders paused pending people permission permissions
    person problem problems reason reasons recent recently resolve resolved review reviews right rights role roles
    running schedule schedules see server service services severity silence silenced since standing start started
    state status still stopped suspended sync syncs system systems task tasks team there today tonight up user
    users wait waiting waits week who work working wrong yesterday
    acknowledged address awaiting boss cancelled completed cron criticality degraded department duration email endpoint
    expired flapping green healthy in-progress latency left link mine muted my owner pager red rota runbook score
    security severe slow type types overview moment unacknowledged unassigned unhealthy unknown urgent validation
    waits without
"""
COMMON_WORDS = frozenset(_OF_QUESTIONS.split())
#: What begins a question of state, or stands in it.
STATE = (
    "which", "who", "whom", "whose", "how many", "what is", "what are", "is", "are", "was", "were", "has", "have",
    "did", "does", "why", "when", "list", "show", "what", "any", "how long", "how is", "status", "until", "give",
    "tell", "name", "count", "display", "anything", "anyone", "anybody", "do i have", "do we have", "can you",
    "could you", "i need", "i want", "need to know", "where is", "where are",
)  # fmt: skip
_OF_TIMES = """
    past between before after older than during january february march april may june july august september october
    november december compare compared comparing average mean
    median versus vs percentage ratio trend human automatically get gets got rn restart restarted reboot reindex rebuild
    vacuum analyze terminate terminated flush drain kill killed rotate scale reload deploy deployed rollback
    queue cache index
    nobody every each much lately recently via items came come comes
    second seconds minute minutes hour hours day days week weeks month months night morning evening afternoon today
    tonight yesterday tomorrow weekend ago since until monday tuesday wednesday thursday friday saturday sunday two
    three four five couple few right moment still just please thanks hello hey thing things overview rundown
    summary quick quickly details info information update plan plans inbox through back here there around exactly
    actually really anyhow together ours currently present somebody someone else
"""
_TIMES = frozenset(_OF_TIMES.split())
_ONE_OF_OURS = ("i", "am", "there", "have", "has", "had", "is", "with", "as", "without", "not")
_ONE_OF_TIME = ("hour", "day", "week", "month", "minute", "few", "couple", "while", "moment")
_FREQUENT = 3_000  # words, by how rare they are, that stand in any text


@dataclass(frozen=True)
class Strange:
    """Words of a question that have no part in asking for a state, rare ones and such as stand in any text; and how
    often it speaks of any one thing (`a user`)."""

    rare: Sequence[str]
    frequent: Sequence[str]
    any_one: int


@cache
def subjects() -> Sequence[Mapping[str, Any]]:
    """What stands in `subjects.yaml`, read once."""
    import yaml

    text = (files("opsteward.help.live") / "subjects.yaml").read_text(encoding="utf-8")
    return tuple(yaml.safe_load(text))


def strange_in(q: Question, names: Collection[str]) -> Strange:
    """What of the question is no name and no word of a state. Of other languages German is known."""
    meant, known = plain_words(q.meant), _stems_of_state()
    said = q.words if len(q.words) == len(meant) else meant
    words = [as_said if as_said in names else word for as_said, word in zip(said, meant, strict=True)]
    told = telling(words) | {place for phrase in _phrases() for place in _places_of(words, phrase)}
    saying_nothing = STOP_WORDS_OF.get("german" if language_of(q.text) == "german" else ENGLISH, STOP_WORDS)
    vectors = shipped_vectors()
    rank = vectors.words if vectors else {}
    rare, frequent, any_one = list[str](), list[str](), 0
    for place, word in enumerate(words):
        if word in ("a", "an") and place not in told:
            before, after = words[place - 1] if place else "", words[place + 1] if place + 1 < len(words) else ""
            any_one += before not in _ONE_OF_OURS and after not in _ONE_OF_TIME
        if place in told or word in names or word in STOP_WORDS or word in saying_nothing or len(word) == 1:
            continue
        parts = [part for part in re.split(r"[_.:/'’-]", word) if len(part) > 1 and not part.isdigit()]
        if all(part in names or stem(part) in known for part in parts):
            continue
        (frequent if rank.get(word, _FREQUENT) < _FREQUENT else rare).append(word)
    return Strange(rare, frequent, any_one)


@cache
def words_of_state() -> frozenset[str]:
    """What questions of state are made of beside names."""
    said = [word for subject in subjects() for several in subject["words"].values() for word in several]
    parts = [part for words in STATE for part in words.split()]
    return frozenset([*(word for word in said if " " not in word), *parts]) | COMMON_WORDS | _TIMES


@cache
def _stems_of_state() -> frozenset[str]:
    return frozenset(stem(word) for word in words_of_state() | STOP_WORDS)


@cache
def _phrases() -> tuple[tuple[str, ...], ...]:
    said = [word for subject in subjects() for several in subject["words"].values() for word in several]
    return tuple(tuple(word.split()) for word in said if " " in word)


def _places_of(words: Sequence[str], phrase: tuple[str, ...]) -> Iterator[int]:
    for begin in range(len(words) - len(phrase) + 1):
        if tuple(words[begin : begin + len(phrase)]) == phrase:
            yield from range(begin, begin + len(phrase))

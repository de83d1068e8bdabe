"""Questions of things that are alike: which there are, narrowed by what the question says of them. A room says what its
things are (name, state, what happened to them when and by whom); what a question may ask of them is the same for all.

What cannot be narrowed by is not passed over: see `narrowed_by` in `answering`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from opsteward.accounts.types import Actor
from opsteward.help.live.asking import Asking, Found, Topic, cited, listed
from opsteward.help.live.bounds import denial_in
from opsteward.help.live.names import meant_of, parts_of
from opsteward.help.live.periods import Period
from opsteward.help.live.vocabulary import COMMON_WORDS
from opsteward.help.words import STOP_WORDS

#: What is said of the time of a deed; the deeds of a kind are named by these.
DEEDS: Mapping[str, tuple[str, ...]] = {
    "made": ("made", "created", "registered", "added", "issued", "started", "began", "run", "ran", "sent", "opened"),
    "ended": ("ended", "finished", "completed", "done", "over", "closed", "failed", "succeeded", "undone"),
    "used": ("used", "use", "seen", "heard", "received", "arrived", "came", "pinged", "called"),
    "expires": ("expire", "expires", "expiring", "ends", "end", "run out", "runs out", "full", "due", "valid", "late"),
    "revoked": ("revoked", "withdrawn", "removed", "cancelled", "invalid"),
}
_AHEAD = frozenset({"expires"})
#: What is kept of it is the last time alone.
_LAST_KEPT = frozenset({"used"})
_OVER = ("expired", "ended", "ran")
_LAST = ("last", "latest", "newest", "most recent", "previous")
_NAMES_NOTHING = COMMON_WORDS | STOP_WORDS


@dataclass(frozen=True, kw_only=True)
class Record:
    """One thing as questions speak of it. `says`: all of it in a line. `about`: names of what it is about."""

    name: str
    says: str
    url: str
    state: str = ""
    times: Mapping[str, datetime | None] = field(default_factory=dict)
    people: Collection[Actor | None] = ()
    about: Collection[str] = ()


@dataclass(frozen=True, kw_only=True)
class Kind:
    """Things of one kind. `states`: the words by which those of a state are asked for; `read`: the newest first."""

    one: str
    many: str
    page: str
    read: Callable[[Asking], Awaitable[Sequence[Record]]]
    states: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: What is in them and is counted: its state is not theirs.
    parts: tuple[str, ...] = ()
    #: Their state is that of now, and no outcome of what happened at their times.
    changing: bool = False
    #: How many `read` gives at most; None for all.
    newest: int | None = None

    def topic(self) -> Topic:
        """What answers questions about them."""

        async def answer(ask: Asking) -> Found | None:
            return answer_of(ask, self, await self.read(ask))

        return answer


@dataclass(kw_only=True)
class _Narrowing:
    """The records that are left, in which words they were narrowed, and what of the question was applied."""

    found: list[Record]
    said: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    denied: bool = False
    in_state: bool = False

    def keep(self, found: Sequence[Record], words: str) -> None:
        self.found = list(found)
        self.said.append(words)


def answer_of(ask: Asking, kind: Kind, records: Sequence[Record]) -> Found:
    """Those of the records that the question asks for, and how many they are."""
    q, left = ask.question, _Narrowing(found=list(records))
    names = {one.name for one in records}
    named = {one.name for one in meant_of(names, parts_of(q.text), _NAMES_NOTHING) if one.whole}
    if named:
        left.denied = len(named) == 1  # all of it is told
        left.keep([one for one in records if one.name in named], ", ".join(sorted(named)))
    elif about := _about(ask, records):
        fitting = [one for one in records if about & {word.casefold() for word in one.about}]
        left.keep(fitting, f"about {', '.join(sorted(about))}")
    operators = {str(one.id) for one in ask.named.operators}
    if operators and any(one.people for one in records):
        fitting = [one for one in left.found if any(person and person.id in operators for person in one.people)]
        left.keep(fitting, f"of {', '.join(one.name for one in ask.named.operators)}")
    if not named:
        _in_state(ask, kind, left)
        _in_time(ask, kind, left, records)
    if q.has(*_LAST) and q.period is None and not q.counts and not left.said[1:]:
        left.found = left.found[:1]
    return _told(ask, kind, left, partly=kind.newest is not None and len(records) >= kind.newest, named=named)


def _told(ask: Asking, kind: Kind, left: _Narrowing, *, partly: bool, named: Collection[str]) -> Found:
    """`partly`: there may be older ones, which were not read; how many there are is not known then."""
    found, what = left.found, f" ({', '.join(left.said)})" if left.said else ""
    text = listed(
        found, lambda one: one.says, none=f"There are no {kind.many}{what}.", one=f"1 {kind.one}{what}:",
        many=f"{{n}} {kind.many}{what}:",
    )  # fmt: skip
    if partly:
        text = f"Of the newest {kind.newest} {kind.many}, older ones were not looked at: {text}"
    citations = [cited(one.name, one.url, one.says) for one in found[:3]]
    return Found(
        text=text,
        citations=citations or [cited(kind.many.capitalize(), kind.page, text)],
        known=not partly or (bool(found) and not ask.question.counts),
        heard=frozenset(part for name in named for part in parts_of(name)),
        denied=left.denied,
        missed=tuple(left.missed),
    )


def _about(ask: Asking, found: Sequence[Record]) -> set[str]:
    """What of that which the records are about is named, in small letters."""
    known = {word for one in found for word in one.about}
    named = {one.name for one in meant_of(known, parts_of(ask.question.text), _NAMES_NOTHING) if one.whole}
    named |= {one.name for one in ask.named.systems if one.name in known or not ask.named.hinted}
    return {one.casefold() for one in named}


def _in_state(ask: Asking, kind: Kind, left: _Narrowing) -> None:
    """Keep those of the state that is asked for."""
    q = ask.question
    if kind.parts and q.says(*kind.parts):
        return
    for state, words in kind.states.items():
        if q.denies(*words):
            left.denied = left.in_state = True
            left.keep([one for one in left.found if one.state != state], f"not {words[0]}")
            return
        if q.says(*words):
            left.in_state = True
            left.denied = any(denial_in(word.split()) for word in words if q.says(word))  # `didn't arrive`
            left.keep([one for one in left.found if one.state == state], words[0])
            return


def _in_time(ask: Asking, kind: Kind, left: _Narrowing, records: Sequence[Record]) -> None:
    """Keep those to which happened in the period what is asked for, else their first deed; or to which it did not."""
    q = ask.question
    there = {deed: None for one in records for deed in one.times}
    asked = [deed for deed, words in DEEDS.items() if deed in there and q.has(*words)]
    deed = asked[-1] if asked else next(iter(there), "")
    ahead = deed in _AHEAD and q.ahead is not None and not set(_OVER) & {*q.words}
    period: Period | None = q.ahead if ahead else q.period or (q.ahead if deed in _AHEAD else None)
    denied = bool(asked) and not left.denied and q.denies(*DEEDS[deed])
    if denied:
        happened = period.holds if period else bool
        left.denied = True
        left.keep([one for one in left.found if not happened(one.times.get(deed))],
                  f"not {DEEDS[deed][0]}{f' {period.words}' if period else ''}")  # fmt: skip
    elif period is not None and deed:
        left.keep([one for one in left.found if period.holds(one.times.get(deed))], period.words)
    if period is None:
        return
    later = deed in _LAST_KEPT and any((at := one.times.get(deed)) and at >= period.until for one in records)
    if not deed or later or (left.in_state and kind.changing and not asked) or (denied and asked[1:]):
        left.missed.append(period.words)

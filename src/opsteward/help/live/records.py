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

    def topic(self) -> Topic:
        """What answers questions about them."""

        async def answer(ask: Asking) -> Found | None:
            return answer_of(ask, self, await self.read(ask))

        return answer


def answer_of(ask: Asking, kind: Kind, records: Sequence[Record]) -> Found:
    """Those of the records that the question asks for, and how many they are."""
    q = ask.question
    found, said = list(records), list[str]()
    names = {one.name for one in found}
    named = {one.name for one in meant_of(names, parts_of(q.text), _NAMES_NOTHING) if one.whole}
    if named:
        found = [one for one in found if one.name in named]
        said.append(", ".join(sorted(named)))
    about = _about(ask, found) if not named else set()
    if about:
        found = [one for one in found if about & {word.casefold() for word in one.about}]
        said.append(f"about {', '.join(sorted(about))}")
    operators = {str(one.id) for one in ask.named.operators}
    if operators and any(one.people for one in records):
        found = [one for one in found if any(person and person.id in operators for person in one.people)]
        said.append(f"of {', '.join(one.name for one in ask.named.operators)}")
    found, words = _in_state(ask, kind, found, skip=bool(named))
    said += [words] if words else []
    found, words = _in_time(ask, found, skip=bool(named))
    said += [words] if words else []
    if q.has(*_LAST) and not q.counts and not said[1:] and len(found) > 1:
        found = found[:1]
    what = f" ({', '.join(said)})" if said else ""
    text = listed(
        found, lambda one: one.says, none=f"There are no {kind.many}{what}.", one=f"1 {kind.one}{what}:",
        many=f"{{n}} {kind.many}{what}:",
    )  # fmt: skip
    citations = [cited(one.name, one.url, one.says) for one in found[:3]]
    heard = frozenset(part for name in named for part in parts_of(name))
    return Found(text=text, citations=citations or [cited(kind.many.capitalize(), kind.page, text)], heard=heard)


def _about(ask: Asking, found: Sequence[Record]) -> set[str]:
    """What of that which the records are about is named, in small letters."""
    known = {word for one in found for word in one.about}
    named = {one.name for one in meant_of(known, parts_of(ask.question.text), _NAMES_NOTHING) if one.whole}
    named |= {one.name for one in ask.named.systems if one.name in known or not ask.named.hinted}
    return {one.casefold() for one in named}


def _in_state(ask: Asking, kind: Kind, found: list[Record], *, skip: bool) -> tuple[list[Record], str]:
    """Those of the state that is asked for. Of what is named all is told, its state among it."""
    q = ask.question
    skip = skip or (bool(kind.parts) and q.says(*kind.parts))
    for state, words in kind.states.items():
        if not skip and q.says(*words):
            if q.denies(*words):
                return [one for one in found if one.state != state], f"not {words[0]}"
            return [one for one in found if one.state == state], words[0]
    return found, ""


def _in_time(ask: Asking, found: list[Record], *, skip: bool) -> tuple[list[Record], str]:
    """Those to which happened in the period what is asked for, else their first deed."""
    q = ask.question
    deeds = [deed for deed, words in DEEDS.items() if q.has(*words) and any(deed in one.times for one in found)]
    deed = deeds[-1] if deeds else next(iter(next((one.times for one in found if one.times), {})), "")
    period: Period | None = q.ahead if deed in _AHEAD else q.period
    if skip or period is None or not deed:
        return found, ""
    return [one for one in found if period.holds(one.times.get(deed))], period.words

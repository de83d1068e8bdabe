"""Which things of this instance a question names: systems, people, operators, an incident; those that the asker may
read."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts import queries as accounts
from opsteward.accounts.types import Identity, OperatorInfo
from opsteward.core.blocking_calls import in_thread
from opsteward.directory.reviews import service as reviews
from opsteward.directory.types import UserInfo
from opsteward.directory.users import queries as users
from opsteward.events.types import IncidentView
from opsteward.help.languages import stem
from opsteward.help.live.asking import LiveSources, Named
from opsteward.help.live.names import Meant, meant_of, parts_of
from opsteward.help.live.question import Question
from opsteward.help.live.vocabulary import COMMON_WORDS, strange_in
from opsteward.help.words import STOP_WORDS, terms
from opsteward.oncall import policies as escalation
from opsteward.oncall import schedules as oncall
from opsteward.provisioning.sync import queries as syncs
from opsteward.systems.names import all_names
from opsteward.systems.types import SystemInfo
from opsteward.tasks import queries as task_queries
from opsteward.tasks.types import ScheduleInfo, TaskInfo

_WORDS_OF_A_NAME = 4
_SHORTEST = 2
_LOOKUPS = 12
_SYSTEMS = 5
_NO_TOPIC = "names"  # of things that speak for no topic
_RUNS = 500  # the newest, whose actions may be named
_OF_A_DEPARTMENT = (
    "users",
    "people",
    "everyone",
    "everybody",
    "department",
    "who",
    "contractors",
    "how many",
    "anyone",
)
_OF_A_TEAM = ("team", "department", "group", "squad", "owner", "responsible", "their", "it")
_TROUBLE = ("incident", "problem", "issue", "thing", "error", "alert", "trouble", "warning", "failure")
_HELD = re.compile(
    r"\b(?:access to|permission(?: to| for)?|may use|can use|can reach|can open|may open|use|get into"
    r"|log ?in ?to|rights on|zugriff auf)\s+"
    r"(?:the\s+)?([\w.:-]+)",
    re.IGNORECASE,
)
_OF_TELLING = ("policy", "policies", "route", "routes", "told", "notify", "notified", "paged", "reach")
_TITLES = 200  # of incidents, those that are open first
_WORDS_OF_A_TITLE = 4
_SHORTEST_OF_TITLE = 3  # letters
_NO_NAMES = COMMON_WORDS | STOP_WORDS


async def find_named(session: AsyncSession, question: Question, sources: LiveSources, by: Identity) -> Named:
    """Everything that is named, the longer names first."""
    said = _Said.of(question)
    systems, hinted = await _systems(session, said, sources) if by.may("systems.read") else ([], False)
    things = await _things(session, question, said, sources, by)
    task = await _task(session, question, said) if by.may("tasks.read") else None
    schedules = await _schedules(session, said, sources) if by.may("tasks.read") else []
    if hinted and (things.keys() - {"people.answer"} or task or schedules):
        systems, hinted = [], False  # the word is a part of their names
    named = Named(
        systems=systems,
        users=await _users(session, question) if by.may("users.read") else (),
        operators=await _operators(session, question) if by.may("operators.read") else (),
        incident=await _incident(session, question, sources) if by.may("incidents.read") else None,
        task=task,
        schedules=schedules,
        source=await _source(session, question, sources) if by.may("incidents.read") else None,
        things=things,
        hinted=hinted,
    )
    if by.may("users.read") and question.has(*_OF_A_DEPARTMENT):
        there = [one for one in (await users.shares(session)).departments if one]
        whole = [one.name for one in await said.names(there) if one.whole]
        named = replace(named, department=next(iter(whole), None))
    if by.may("systems.read") and question.has(*_OF_A_TEAM):
        owners = {one.owner for one in await sources.inventory.all(session) if one.owner}
        whole = [one.name for one in await said.names(owners) if one.whole]
        named = replace(named, team=next(iter(whole), None))
    named = longest_only(question, named)
    if by.may("incidents.read") and named.incident is None and question.number is None:
        return replace(named, titled=await _by_title(session, question, sources, named))
    return named


def longest_only(question: Question, named: Named) -> Named:
    """Without names that stand in the question only as a part of a longer one: `patient-db` names no schedule
    `database`, `Ada Byron` no operator `ada`, the saga `move yuki` not Yuki."""
    text = " ".join(parts_of(question.text))
    whole = [one.name for found in (named.systems, named.schedules) for one in found]
    whole += [one.full_name for one in named.users] + [one for own in named.things.values() for one in own]
    whole += [named.task.name] if named.task else []
    runs = {run for name in whole if (run := " ".join(parts_of(name))) and f" {run} " in f" {text} "}

    def stands(name: str) -> bool:
        run = " ".join(parts_of(name))
        left = f" {text} "
        for longer in sorted((one for one in runs if run != one and f" {run} " in f" {one} "), key=len, reverse=True):
            left = left.replace(f" {longer} ", "  ")
        return f" {run} " in left or f" {run} " not in f" {text} "

    return replace(
        named,
        systems=[one for one in named.systems if stands(one.name)],
        operators=[one for one in named.operators if stands(one.name)],
        schedules=[one for one in named.schedules if stands(one.name)],
        users=[one for one in named.users if any(stands(name) for name in _names_said(one, text))],
        things={topic: left for topic, own in named.things.items() if (left := [one for one in own if stands(one)])},
    )


def _names_said(user: UserInfo, text: str) -> list[str]:
    """Those of a user's names that stand in a text of parts; the whole one where none does."""
    names = (user.full_name, user.username, *user.full_name.split())
    return [one for one in names if f" {' '.join(parts_of(one))} " in f" {text} "] or [user.full_name]


@dataclass(frozen=True)
class _Said:
    """The question's words as names are compared with them: as they stand, and as they are meant."""

    ways: tuple[list[str], ...]

    @classmethod
    def of(cls, question: Question) -> _Said:
        ways = [parts_of(question.text), parts_of(question.meant)]
        return cls(tuple(ways if ways[0] != ways[1] else ways[:1]))

    async def names(self, names: Collection[str]) -> list[Meant]:
        """Those of these that are meant. Thousands of names take their time: a thread compares them."""
        return await in_thread(self._names, names)

    def _names(self, names: Collection[str]) -> list[Meant]:
        found = [meant_of(names, way, _NO_NAMES) for way in self.ways]
        return next((one for one in found if any(name.whole for name in one)), next(filter(None, found), []))


async def _things(
    session: AsyncSession, question: Question, said: _Said, sources: LiveSources, by: Identity
) -> dict[str, list[str]]:
    """The names of what topics list whole, by topic."""
    there: dict[str, list[str]] = {}
    if by.may("oncall.read"):
        there["operations.oncall"] = [one.name for one in await oncall.list_schedules(session)]
    if by.may("systems.read"):
        there["operations.sync_state"] = [one.name for one in await syncs.list_mappings(session)]
    if by.may("agents.read"):
        there["operations.agents"] = [one.name for one in await sources.agents.page(session)]
    if by.may("oncall.read") and question.has(*_OF_TELLING):
        policies = [one.name for one in await escalation.list_policies(session)]
        there["rooms.routes"] = [*policies, *(one.name for one in await sources.routes.read_all(session))]
    if by.may("actions.read") and any(sign in word for word in question.words for sign in "_.-"):
        if by.may("standing_orders.read"):
            there[_NO_TOPIC] = [one.name for one in (await sources.orders.in_force(session)).orders]
        runs = await sources.actions.list_runs(session, limit=_RUNS)
        there["approvals.actions"] = sorted({name for one in runs for name in (one.action, one.action.split(".")[-1])})
    if by.may("access_reviews.read"):
        there["people.access_reviews"] = [one.name for one in await reviews.reviews(session)]
    found = {topic: [one.name for one in await said.names(names) if one.whole] for topic, names in there.items()}
    if by.may("users.read") and (question.who or question.counts) and (held := what_is_held(question.text)):
        found["people.answer"] = [held]
    return {topic: names for topic, names in found.items() if names}


def what_is_held(text: str) -> str | None:
    """The system or permission behind `access to`: systems that users have need not be registered."""
    found = _HELD.search(text)
    return found[1].strip(".:") if found else None


def runs_of_words(question: Question, longest: int = _WORDS_OF_A_NAME) -> Iterator[str]:
    """All runs of words next to each other, the longest first, in small letters."""
    words = [word.strip("'’").removesuffix("'s").removesuffix("’s") for word in question.words]
    for length in range(min(longest, len(words)), 0, -1):
        for begin in range(len(words) - length + 1):
            yield " ".join(words[begin : begin + length])


async def _systems(session: AsyncSession, said: _Said, sources: LiveSources) -> tuple[list[SystemInfo], bool]:
    """Those that are meant, and whether just a word of their names was said."""
    known = await all_names(session)
    meant = (await said.names(known))[:_SYSTEMS]
    systems = [await sources.inventory.get(session, system_id=known[one.name]) for one in meant]
    return systems, any(not one.whole for one in meant)


async def _users(session: AsyncSession, question: Question) -> list[UserInfo]:
    found: dict[str, UserInfo] = {}
    looked_up = 0
    for run in _names_in(question, longest=3):
        if looked_up == _LOOKUPS:
            break
        if any(run in name for name in found):
            continue
        looked_up += 1
        for user in await users.page(session, search=run, limit=20):
            if run in _called(user):
                found.setdefault(run, user)
                break
    return list(found.values())


def _called(user: UserInfo) -> set[str]:
    """How people name a user."""
    full = user.full_name.casefold()
    email = (user.email or "").casefold()
    return {user.username.casefold(), full, email, email.partition("@")[0], *full.split()} - {""}


async def _operators(session: AsyncSession, question: Question) -> list[OperatorInfo]:
    found: list[OperatorInfo] = []
    for place, run in enumerate(_names_in(question, longest=2)):
        if place == _LOOKUPS:
            break
        found += await accounts.list_operators(session, ref=run, limit=1)
    return [one for one in found if one.name.casefold() in question.text.casefold()]


def _names_in(question: Question, longest: int) -> Iterator[str]:
    """Runs of words that may be somebody's name."""
    for run in dict.fromkeys(runs_of_words(question, longest)):
        words = run.split()
        if len(run) > _SHORTEST and not any(word in STOP_WORDS or word in COMMON_WORDS for word in words):
            yield run
    for word in question.text.split():  # addresses
        if "@" in word:
            yield word.strip("?.,;:!\"'()<>").casefold()


async def _incident(session: AsyncSession, question: Question, sources: LiveSources) -> IncidentView | None:
    if question.number is not None:
        page = await sources.incidents.page(session, ref=str(question.number), limit=1)
        return page[0] if page else None
    for one in question.ids:
        if page := await sources.incidents.page(session, ref=one, limit=1):
            return page[0]
    return None


async def _by_title(
    session: AsyncSession, question: Question, sources: LiveSources, named: Named
) -> IncidentView | None:
    """The one incident whose title holds most of the words that have no other part in the question."""
    strange = strange_in(question, named.words)
    words = {stem(word) for word in (*strange.rare, *strange.frequent) if len(word) >= _SHORTEST_OF_TITLE}
    if not words or len(words) > _WORDS_OF_A_TITLE:
        return None
    page = await sources.incidents.page(session, limit=_TITLES)
    held = [(len(words & set(terms(one.title))), one) for one in page]
    most = max((count for count, _ in held), default=0)
    best = [one for count, one in held if count == most]
    spoken_of = question.has(*_TROUBLE)
    enough = most >= max(1, len(words) - 1) if spoken_of else most == len(words) > 1
    return best[0] if most and len(best) == 1 and enough else None


async def _task(session: AsyncSession, question: Question, said: _Said) -> TaskInfo | None:
    for one in question.ids:
        if page := await task_queries.page(session, ref=one, limit=1):
            return page[0]
    meant = await said.names(await task_queries.newest_names(session))
    name = next((one.name for one in meant if one.whole and one.name.casefold() not in _NO_NAMES), None)
    page = await task_queries.page(session, ref=name, limit=1) if name else []
    return page[0] if page and page[0].name == name else None


async def _schedules(session: AsyncSession, said: _Said, sources: LiveSources) -> list[ScheduleInfo]:
    there = {one.name: one for one in await sources.schedules.page(session)}
    return [there[one.name] for one in await said.names(there) if one.whole]


async def _source(session: AsyncSession, question: Question, sources: LiveSources) -> str | None:
    for place, run in enumerate(_names_in(question, longest=2)):
        if place == _LOOKUPS:
            break
        for name in dict.fromkeys((run, _as_written(question.text, run))):
            if page := await sources.incidents.page(session, source=name, newest_first=True, limit=1):
                return page[0].source
    return None


def _as_written(text: str, run: str) -> str:
    """The run with the capitals that it has in the question."""
    begin = text.lower().find(run)
    return text[begin : begin + len(run)] if begin >= 0 else run

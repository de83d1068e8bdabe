"""Which things of this instance a question names: systems, people, operators, an incident; those that the asker may
read."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts import queries as accounts
from opsteward.accounts.types import Identity, OperatorInfo
from opsteward.directory.types import UserInfo
from opsteward.directory.users import queries as users
from opsteward.events.types import IncidentView
from opsteward.help.live.asking import LiveSources, Named
from opsteward.help.live.question import Question
from opsteward.help.words import STOP_WORDS
from opsteward.systems.types import SystemInfo
from opsteward.tasks import queries as task_queries
from opsteward.tasks.types import ScheduleInfo, TaskInfo

_WORDS_OF_A_NAME = 4
_SHORTEST = 2
_LOOKUPS = 12
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


async def find_named(session: AsyncSession, question: Question, sources: LiveSources, by: Identity) -> Named:
    """Everything that is named, the longer names first."""
    return Named(
        systems=await _systems(session, question, sources) if by.may("systems.read") else (),
        users=await _users(session, question) if by.may("users.read") else (),
        operators=await _operators(session, question) if by.may("operators.read") else (),
        incident=await _incident(session, question, sources) if by.may("incidents.read") else None,
        task=await _task(session, question) if by.may("tasks.read") else None,
        schedules=await _schedules(session, question, sources) if by.may("tasks.read") else (),
        source=await _source(session, question, sources) if by.may("incidents.read") else None,
    )


def runs_of_words(question: Question, longest: int = _WORDS_OF_A_NAME) -> Iterator[str]:
    """All runs of words next to each other, the longest first, in small letters."""
    words = [word.strip("'’").removesuffix("'s").removesuffix("’s") for word in question.words]
    for length in range(min(longest, len(words)), 0, -1):
        for begin in range(len(words) - length + 1):
            yield " ".join(words[begin : begin + length])


async def _systems(session: AsyncSession, question: Question, sources: LiveSources) -> list[SystemInfo]:
    runs = [run for run in dict.fromkeys(runs_of_words(question)) if run not in STOP_WORDS]
    names = {form for run in runs for form in (run, run.replace(" ", "-"), run.replace(" ", "_"), run.replace(" ", ""))}
    known = await sources.inventory.by_name(session, names=names)
    taken: list[str] = []
    found = []
    for name in sorted(known, key=len, reverse=True):
        if not any(name in longer for longer in taken):
            taken.append(name)
            found.append(await sources.inventory.get(session, system_id=known[name].id))
    return found


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


async def _task(session: AsyncSession, question: Question) -> TaskInfo | None:
    for one in question.ids:
        if page := await task_queries.page(session, ref=one, limit=1):
            return page[0]
    for place, run in enumerate(_names_in(question, longest=_WORDS_OF_A_NAME)):
        if place == _LOOKUPS:
            break
        for name in dict.fromkeys((run, _as_written(question.text, run))):
            page = await task_queries.page(session, ref=name, limit=1)
            if page and page[0].name.casefold() == name.casefold():
                return page[0]
    return None


async def _schedules(session: AsyncSession, question: Question, sources: LiveSources) -> list[ScheduleInfo]:
    runs = set(runs_of_words(question))
    return [one for one in await sources.schedules.page(session) if one.name.casefold() in runs]


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

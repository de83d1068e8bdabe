"""The title, severity, time, state and identity of a body that no mapping knows, by common names of fields.

Every leaf is scored by its own name, by the name of what holds it and by its depth; the best of each wins. Names that
no list has count by their ends: "analysedAt" ends as times do, "shortTitle" as titles do.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice

from opsteward.core.json_types import Json
from opsteward.core.word_list import words
from opsteward.events.sources.stated_text import is_over, severity_in, without_state, words_about_state
from opsteward.events.sources.values import (
    instant_of,
    is_resolved,
    line_of,
    outcome_of,
    severity_of_state,
    severity_word,
    text_of,
    word_of,
)

_LEAF_LIMIT = 3000
_NODE_LIMIT = 20_000  # with what holds leaves
_DEPTH_LIMIT = 10
_BESIDE_WEIGHT = -12


def _ranked(words: str) -> dict[str, int]:
    names = words.split()
    return {name: len(names) - place for place, name in enumerate(names)}


_TITLES = _ranked(
    """title alerttitle incidenttitle issuetitle eventtitle summary subject headline alertname alert rulename
    alarmname monitorname checkname policyname conditionname triggername eventname eventdefinitiontitle shortmessage
    problemtitle jobname searchname
    displayname detailtype messagetitle problem name message msg errormessage text description reason output
    statusmessage body content detail error exception"""
)
#: What kind of trouble it is, where nothing else is a title.
_LAST_TITLES = _ranked("eventtype type event")
_DESCRIPTIONS = _ranked(
    """description details message longmessage fullmessage text body longoutput output detail reason msg
    errormessage notes content summary statusmessage cause"""
)
#: What kind of trouble it is, where nothing describes it.
_KINDS = _ranked("alerttype alertkind eventtype triggertype checktype metric metricname category event type")
_SEVERITIES = _ranked(
    "severity alertseverity severitylevel sev level loglevel priority alertpriority urgency criticality impact"
)
_STATES = _ranked(
    """state status alertstatus alertstate newstate newstatevalue currentstate incidentstate monitorstatus
    alerttransition transition eventaction notificationtype
    action eventtype alerttype conclusion result outcome buildstatus"""
)
_TIMES = _ranked(
    """occurredat eventtime timestamp startsat startedat triggeredat firedat firedattime firedtime alerttime
    happenedat statechangetime time @timestamp datetime date createdat created updatedat lastupdated ts starttime
    receivedat eventdate datestart startdate epoch sentat start"""
)
_IDENTITIES = _ranked(
    """fingerprint dedupkey deduplicationkey incidentkey alertkey aggregationkey aggregkey alertuid correlationid
    alertid monitorid ruleid checkid alarmid policyid conditionid triggerid problemid incidentid issueid searchid
    alarmarn eventdefinitionid ruleuid"""
)
_IDENTITY_ENDS = ("dedupkey", "dedupid", "deduplicationkey", "fingerprint", "incidentkey", "alertkey", "correlationid")
#: By the ends of names, for what no list has; each ranks below all of its list.
_TITLE_ENDS = (
    "title",
    "summary",
    "subject",
    "headline",
    "readable",
    "displayname",
    "message",
    "text",
    "name",
    "reason",
)
_TIME_ENDS = ("at", "time", "timestamp", "date", "iso", "on")
_SEVERITY_ENDS = ("severity", "level", "priority", "criticality")
_STATE_ENDS = (
    "state", "status", "statusstring", "statustext", "statusname", "statestring", "statetext", "statename",
    "transition", "result", "event", "action", "type",
)  # fmt: skip
#: True, a time, or a word for it under such a name says that it is over.
_OVER = frozenset(
    words("""resolved isresolved recovered cleared closed resolvedat recoveredat clearedat closedat
    resolvedtime closedtime recoverytime resolvedon closedon fixed isfixed fixedat clear solved solvedat""")
)
#: An "id" within one of them names what the trouble is of, and is the same until it ends.
_THINGS = frozenset(
    words("""alert incident issue problem fault error monitor check rule alarm trigger policy condition definition
    detector job outage downtime site website probe""")
)
_TROUBLES = frozenset(words("alert incident issue problem alarm"))
_OBJECTS = _ranked(
    """hostname host instance node server device resource resourceid entity service servicename podname pod container
    target monitorurl"""
)
_ERRORS = _ranked("exceptionclass exceptiontype errortype errorclass exceptionname errorname")
_TRACES = _ranked("stacktrace backtrace traceback stack trace")
#: What holds them says whether a field is of the alert itself or of something beside it.
_CENTRAL = frozenset(words("alert alerts incident event issue problem alarm error monitor data payload detail details"))
_BESIDE = frozenset(
    words("""
        user sender actor author account organization org repository repo team owner assignee creator project customer
    application company tenant workspace links link headers metadata config configuration settings request browser
    device_info version tags app integration cloudevent
    channel contact contacts responders visibleto webhook subscription notificationconfiguration""")
)
#: The name of one of them is no title: "organizationName".
_NAMES_BESIDE = tuple(
    words(
        "organization org company customer network tenant team owner account user project workspace application webhook"
    )
)
_OPAQUE = re.compile(r"(?:https?://\S+|[0-9a-fA-F-]{16,}|[0-9.:TZ+\- ]+|[A-Za-z0-9+/=_-]{40,})")


@dataclass(frozen=True, kw_only=True)
class Found:
    """What was found; `certain` is whether a title was, `about` the title without what it says of a state."""

    title: str
    about: str
    description: str
    severity: str | None
    time: datetime | None
    resolved: bool
    identity: str
    object: str
    error_type: str | None
    stack_trace: str | None
    certain: bool


@dataclass(frozen=True, slots=True)
class _Leaf:
    name: str
    value: Json
    weight: float
    holder: str

    def within_trouble(self) -> _Leaf:
        """The name of an alert is its "alertName"."""
        whole = self.holder + self.name
        return replace(self, name=whole) if self.holder in _TROUBLES and whole in _TITLES else self


def _plain(name: str) -> str:
    return re.sub(r"[_\-\s.]", "", name).casefold()[:60]


def _leaves(body: Json) -> Iterator[_Leaf]:
    waiting: deque[tuple[str, Json, float, int, str]] = deque([("", body, 0.0, 0, "")])
    count = seen = 0
    while waiting and count < _LEAF_LIMIT and seen < _NODE_LIMIT:
        name, value, weight, depth, holder = waiting.popleft()
        seen += 1
        if isinstance(value, Mapping) and depth < _DEPTH_LIMIT:
            inner = weight - 4 + (3 if name in _CENTRAL else 0) + (_BESIDE_WEIGHT if name in _BESIDE else 0)
            waiting += [(_plain(str(k)), v, inner, depth + 1, name) for k, v in islice(value.items(), _LEAF_LIMIT)]
        elif isinstance(value, list) and depth < _DEPTH_LIMIT:
            waiting += [(name, v, weight - 3, depth + 1, name) for v in value[:50]]
        elif value is not None and value != "":
            count += 1
            beside = name.endswith("name") and name.startswith(_NAMES_BESIDE)
            yield _Leaf(name, value, weight + (_BESIDE_WEIGHT if beside else 0), holder)


def _ordered(leaves: list[_Leaf], names: Mapping[str, int], ends: Sequence[str] = ()) -> Iterator[_Leaf]:
    """Those of these names, the best first, of equals the one that stands first; after them those whose names end so.
    What is of something beside the alert comes last."""
    found: list[tuple[bool, bool, float, int]] = []
    for place, leaf in enumerate(leaves):
        central = leaf.weight > _BESIDE_WEIGHT
        if leaf.name in names:
            found.append((central, True, names[leaf.name] + leaf.weight, -place))
        elif end := next((rank for rank, end in enumerate(ends, 1) if leaf.name.endswith(end)), None):
            lasting = leaf.name.startswith("last") - leaf.name.startswith("first")
            found.append((central, False, leaf.weight - end + 2 * lasting, -place))
    yield from (leaves[-place] for *_, place in sorted(found, reverse=True))


def _best(
    leaves: list[_Leaf], names: Mapping[str, int], fits: Callable[[Json], bool], ends: Sequence[str] = ()
) -> _Leaf | None:
    return next((leaf for leaf in _ordered(leaves, names, ends) if fits(leaf.value)), None)


def _readable(value: Json) -> bool:
    return isinstance(value, str) and bool(re.search(r"[^\W\d]{2}", value)) and not _OPAQUE.fullmatch(value.strip())


def _is_state(value: Json) -> bool:
    return isinstance(value, str) and len(value) < 60


def _is_name(value: Json) -> bool:
    return isinstance(value, (str, int)) and not isinstance(value, bool)


def _identity(leaves: list[_Leaf]) -> _Leaf | None:
    """What its sender names the trouble by, while it lasts and when it ends. A mere "id" is mostly of the message."""
    if named := _best(leaves, _IDENTITIES, _is_name, _IDENTITY_ENDS):
        return named
    of_things = [leaf for leaf in leaves if leaf.name == "id" and leaf.holder in _THINGS and _is_name(leaf.value)]
    spoken = [leaf for leaf in leaves if leaf.name in ("id", "key") and _readable(leaf.value) and not leaf.holder]
    return next(iter([*of_things, *spoken]), None)


def _of_cloud_event(leaves: list[_Leaf]) -> _Leaf | None:
    """What a CloudEvent is about, by its attributes."""
    of_it = {leaf.name: leaf for leaf in leaves if leaf.holder == "cloudevent" and _is_name(leaf.value)}
    return of_it.get("subject") or of_it.get("source")


def _is_over(leaves: list[_Leaf], states: Sequence[Json], severity: _Leaf | None) -> bool:
    """Whether the body says that the trouble has ended: by a flag or a time of its end, by a state, by a severity that
    is none. Where a state says only that something ran to its end, the others are asked what came of it."""
    flags = [leaf for leaf in leaves if leaf.name in _OVER and leaf.weight > _BESIDE_WEIGHT]
    if any(
        word_of(leaf.value) == "true" or instant_of(leaf.value) is not None or is_resolved(leaf.value) for leaf in flags
    ):
        return True
    for state in states:
        if (outcome := outcome_of(state)) is not None:
            return outcome
    if any(word_of(leaf.value) == "false" for leaf in flags):
        return False
    return bool(states and is_resolved(states[0])) or (severity is not None and is_resolved(severity.value))


def _by_its_title(
    line: str, words: Sequence[str], resolved: bool, severity: str | None
) -> tuple[bool, str | None, str]:
    """Whether it is over, how bad it is and what it is about, where the title alone tells how it stands."""
    over = is_over(words)
    if over is None:
        return resolved, severity, line
    return over, severity or (None if over else severity_in(line)), without_state(line, words)


def find(body: Json) -> Found:
    """Look through the body. Always answers; where nothing looks like a title, the body itself is."""
    leaves = list(_leaves(body))
    title = _best([leaf.within_trouble() for leaf in leaves], _TITLES, _readable, _TITLE_ENDS)
    title = title or _best(leaves, _LAST_TITLES, _readable)
    description = _best(leaves, _DESCRIPTIONS, _readable)
    if title and (description is None or description.value == title.value):
        description = _best(leaves, _KINDS, lambda v: _readable(v) and v != title.value)
    severity = _best(leaves, _SEVERITIES, lambda v: severity_word(v) is not None, _SEVERITY_ENDS)
    states = [leaf.value for leaf in _ordered(leaves, _STATES, _STATE_ENDS) if _is_state(leaf.value)]
    time = _best(leaves, _TIMES, lambda v: instant_of(v) is not None, _TIME_ENDS)
    identity = _identity(leaves)
    thing = _best(leaves, _OBJECTS, _is_name) or _of_cloud_event(leaves)
    error = _best(leaves, _ERRORS, _readable)
    trace = _best(leaves, _TRACES, lambda v: isinstance(v, str) and "\n" in v)
    line = line_of(title.value) if title else ""
    resolved = _is_over(leaves, states, severity)
    word = severity_word(severity.value) if severity else None
    about = line
    if not any(outcome_of(state) is not None for state in states) and (words := words_about_state(line)):
        resolved, word, about = _by_its_title(line, words, resolved, word)
    if word is None and not resolved:
        word = next((found for state in states if (found := severity_of_state(state)) not in (None, "low")), None)
    named = line_of(thing.value) if thing else ""
    return Found(
        about=about or ("" if named else line),  # a mere state is of the object, if there is one
        title=line or line_of(body) or "(empty body)",
        description=text_of(description.value) if description else "",
        severity=word,
        time=instant_of(time.value) if time else None,
        resolved=resolved,
        identity=f"{identity.holder}.{identity.name}={word_of(identity.value)}" if identity else "",
        object=named,
        error_type=line_of(error.value, 200) if error else None,
        stack_trace=text_of(trace.value) if trace else None,
        certain=bool(line),
    )

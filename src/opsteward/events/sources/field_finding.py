"""The title, severity, time, state and identity of a body that no mapping knows, by common names of fields.

Every leaf is scored by its own name, by the name of what holds it and by its depth; the best of each wins.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from opsteward.core.json_types import Json
from opsteward.core.word_list import words
from opsteward.events.sources.values import instant_of, is_resolved, line_of, severity_word, text_of, word_of

_LEAF_LIMIT = 3000
_NODE_LIMIT = 20_000  # with what holds leaves
_DEPTH_LIMIT = 10


def _ranked(words: str) -> dict[str, int]:
    names = words.split()
    return {name: len(names) - place for place, name in enumerate(names)}


_TITLES = _ranked(
    """title alerttitle incidenttitle issuetitle eventtitle summary subject headline alertname rulename
    alarmname monitorname checkname policyname conditionname triggername eventname eventdefinitiontitle shortmessage
    problemtitle jobname searchname
    displayname detailtype messagetitle problem name message msg errormessage text description reason output
    statusmessage body content detail error exception eventtype type event"""
)
_DESCRIPTIONS = _ranked(
    """description details message longmessage fullmessage text body longoutput output detail reason msg
    errormessage notes content summary statusmessage cause"""
)
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
    happenedat statechangetime time @timestamp datetime date createdat created updatedat ts starttime receivedat
    eventdate epoch sentat"""
)
_IDENTITIES = _ranked(
    """fingerprint dedupkey deduplicationkey incidentkey alertkey aggregationkey aggregkey alertuid correlationid
    alertid monitorid ruleid checkid alarmid policyid conditionid triggerid problemid incidentid issueid searchid
    alarmarn eventdefinitionid ruleuid"""
)
_OBJECTS = _ranked(
    """hostname host instance node server device resource resourceid entity service servicename podname pod container
    target monitorurl url"""
)
_ERRORS = _ranked("exceptionclass exceptiontype errortype errorclass exceptionname errorname")
_TRACES = _ranked("stacktrace backtrace traceback stack trace")
#: What holds them says whether a field is of the alert itself or of something beside it.
_CENTRAL = frozenset(words("alert alerts incident event issue problem alarm monitor data payload detail details"))
_BESIDE = frozenset(
    words("""
        user sender actor author account organization org repository repo team owner assignee creator project customer
    links link headers metadata config configuration settings request browser device_info version tags app integration
    channel contact contacts responders visibleto""")
)
_OPAQUE = re.compile(r"(?:https?://\S+|[0-9a-fA-F-]{16,}|[0-9.:TZ+\- ]+|[A-Za-z0-9+/=_-]{40,})")


@dataclass(frozen=True, kw_only=True)
class Found:
    """What was found; `certain` is whether a title was."""

    title: str
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


def _plain(name: str) -> str:
    return re.sub(r"[_\-\s.]", "", name).casefold()[:60]


def _leaves(body: Json) -> Iterator[_Leaf]:
    waiting: deque[tuple[str, Json, float, int]] = deque([("", body, 0.0, 0)])
    count = seen = 0
    while waiting and count < _LEAF_LIMIT and seen < _NODE_LIMIT:
        name, value, weight, depth = waiting.popleft()
        seen += 1
        if isinstance(value, Mapping) and depth < _DEPTH_LIMIT:
            inner = weight - 4 + (3 if name in _CENTRAL else 0) - (12 if name in _BESIDE else 0)
            waiting += [(_plain(str(k)), v, inner, depth + 1) for k, v in islice(value.items(), _LEAF_LIMIT)]
        elif isinstance(value, list) and depth < _DEPTH_LIMIT:
            waiting += [(name, v, weight - 3, depth + 1) for v in value[:50]]
        elif value is not None and value != "":
            count += 1
            yield _Leaf(name, value, weight)


def _best(leaves: list[_Leaf], names: Mapping[str, int], fits: Callable[[Json], bool]) -> _Leaf | None:
    """The best named of those that fit; of equals the one that stands first."""
    named = ((names[leaf.name] + leaf.weight, -place) for place, leaf in enumerate(leaves) if leaf.name in names)
    return next((leaves[-place] for _, place in sorted(named, reverse=True) if fits(leaves[-place].value)), None)


def _readable(value: Json) -> bool:
    return isinstance(value, str) and bool(re.search(r"[^\W\d]{2}", value)) and not _OPAQUE.fullmatch(value.strip())


def find(body: Json) -> Found:
    """Look through the body. Always answers; where nothing looks like a title, the body itself is."""
    leaves = list(_leaves(body))
    title = _best(leaves, _TITLES, _readable)
    description = _best(leaves, _DESCRIPTIONS, _readable)
    severity = _best(leaves, _SEVERITIES, lambda v: severity_word(v) is not None)
    state = _best(leaves, _STATES, lambda v: isinstance(v, str) and len(v) < 60)
    time = _best(leaves, _TIMES, lambda v: instant_of(v) is not None)
    identity = _best(leaves, _IDENTITIES, lambda v: isinstance(v, (str, int)) and not isinstance(v, bool))
    thing = _best(leaves, _OBJECTS, lambda v: isinstance(v, (str, int)) and not isinstance(v, bool))
    error = _best(leaves, _ERRORS, _readable)
    trace = _best(leaves, _TRACES, lambda v: isinstance(v, str) and "\n" in v)
    line = line_of(title.value) if title else ""
    resolved = state is not None and is_resolved(state.value)
    word = severity_word(severity.value) if severity else None
    if word is None and state is not None and not resolved:
        word = severity_word(state.value)
    named = line_of(thing.value) if thing else ""
    return Found(
        title=line or line_of(body) or "(empty body)",
        description=text_of(description.value) if description and description is not title else "",
        severity=word,
        time=instant_of(time.value) if time else None,
        resolved=resolved,
        identity=f"{identity.name}={word_of(identity.value)}" if identity else "",
        object=named,
        error_type=line_of(error.value, 200) if error else None,
        stack_trace=text_of(trace.value) if trace else None,
        certain=bool(line),
    )

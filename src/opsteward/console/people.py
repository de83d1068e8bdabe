"""People in words: how a user looks, and the lines of its history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from opsteward.console.languages import N_, _
from opsteward.console.names import Names
from opsteward.console.vocabulary import spoken
from opsteward.console.wording import HISTORY, USER, Look, look_of
from opsteward.directory.types import UserChangeInfo, UserInfo

_MAX_VALUE = 300  # characters of a value in a history
_FIELDS = {
    "full_name": N_("name"),
    "system_access": N_("systems"),
    "manager_id": N_("manager"),
    "external_id": N_("external id"),
    "profile_data": N_("profile"),
    "expires_at": N_("ends"),
    "deactivated_at": N_("left"),
    "holds_names": N_("holds its names"),
    "scim": N_("SCIM data"),
}
#: Keys for comparing, and what follows from something else that is shown.
_UNTOLD = frozenset({"username_key", "email_key", "lookalike_key", "deactivated_at"})


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a user's history."""

    key: str
    at: datetime
    look: Look
    actor: str
    reason: str
    fields: tuple[tuple[str, str, str], ...]  # what, before, after
    gained: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


def user_looks(user: UserInfo) -> list[Look]:
    """Where it stands, and whether its name can be mistaken for another's."""
    alike = [Look("visibility", "look-alike", "warn")] if user.looks_like is not None else []
    return [*alike, look_of(USER, user.status)]


def history_of(
    user: UserInfo, changes: Sequence[UserChangeInfo], names: Names, people: Mapping[str, str]
) -> list[Line]:
    """What happened to a user, newest first, down to its registration. `people` are names of users by id."""
    lines = [_line(change, names, people) for change in changes]
    registered = Line(
        key="registered",
        at=user.created_at,
        look=HISTORY["registered"],
        actor=_("from %(name)s", name=user.source),
        reason="",
        fields=(),
    )
    return [*lines, registered]


def _line(change: UserChangeInfo, names: Names, people: Mapping[str, str]) -> Line:
    gained: list[str] = []
    lost: list[str] = []
    fields = []
    for name, (before, after) in sorted(change.fields.items()):
        if name in ("permissions", "system_access") and isinstance(before, list) and isinstance(after, list):
            gained += [str(one) for one in after if one not in before]
            lost += [str(one) for one in before if one not in after]
        elif name not in _UNTOLD:
            words = _(_FIELDS[name]) if name in _FIELDS else spoken(name)
            fields.append((words, _in_words(before, people), _in_words(after, people)))
    return Line(
        key=str(change.id),
        at=change.at,
        look=look_of(HISTORY, change.what),
        actor=_("by %(name)s", name=names.actor(change.actor)),
        reason=change.reason,
        fields=tuple(fields),
        gained=tuple(gained),
        lost=tuple(lost),
    )


def _in_words(value: Any, people: Mapping[str, str]) -> str:
    if value is None or value in ("", [], {}):
        return _("none")
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, list):
        return ", ".join(str(one) for one in value)[:_MAX_VALUE]
    words = str(value)
    return people.get(words, words)[:_MAX_VALUE]

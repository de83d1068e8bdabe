"""How people are shown: a user in short, and the lines of a history. No reading here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from opsteward.console.elements import ago, at, chip, icon, link, tag, text
from opsteward.console.names import Names
from opsteward.console.wording import HISTORY, USER, Look, look_of
from opsteward.core.clock import now
from opsteward.directory.types import UserChangeInfo, UserInfo

_MAX_VALUE = 300  # characters of a value in a history
_FIELDS = {
    "full_name": "name",
    "system_access": "systems",
    "manager_id": "manager",
    "external_id": "external id",
    "profile_data": "profile",
    "expires_at": "ends",
    "deactivated_at": "left",
    "holds_names": "holds its names",
    "scim": "SCIM data",
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


def draw_user_chips(user: UserInfo) -> None:
    """The same as chips."""
    with tag("div", "chips"):
        for look in user_looks(user):
            chip(look)


def draw_user_facts(user: UserInfo) -> None:
    """What it is, under its name."""
    draw_user_chips(user)
    with tag("p", "why"):
        text(user.username)
        for words in (user.email, user.role, user.department):
            if words:
                text(words)
    with tag("p", "why"):
        ago(user.created_at, "registered")
        text(f"from {user.source}")
        if user.external_id:
            text(f"external id {user.external_id}")
        if user.deactivated_at is not None:
            ago(user.deactivated_at, "left")
        if user.expires_at is not None:
            over = user.expires_at <= now()
            at(user.expires_at, "ended" if over else "ends")
    if user.looks_like is not None:
        with tag("p", "proof tone-warn"):
            icon("visibility")
            with tag("span"):
                text("This username can be mistaken for another's: ")
                link("look at that user", f"/users/{user.looks_like}")
    if user.tags:
        with tag("div", "chips"):
            for one in user.tags:
                text(one, "word")


def draw_person(user: UserInfo) -> None:
    """A link to a user among others."""
    with tag("p", "person"):
        link(user.full_name, address_of(user), "title")
        text(user.username, "quiet")


def address_of(user: UserInfo) -> str:
    """Its page."""
    return f"/users/{user.id}"


def history_of(
    user: UserInfo, changes: Sequence[UserChangeInfo], names: Names, people: Mapping[str, str]
) -> list[Line]:
    """What happened to a user, newest first, down to its registration. `people` are names of users by id."""
    lines = [_line(change, names, people) for change in changes]
    registered = Line(
        key="registered",
        at=user.created_at,
        look=HISTORY["registered"],
        actor=f"from {user.source}",
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
            words = _FIELDS.get(name, name.replace("_", " "))
            fields.append((words, _in_words(before, people), _in_words(after, people)))
    return Line(
        key=str(change.id),
        at=change.at,
        look=look_of(HISTORY, change.what),
        actor=f"by {names.actor(change.actor)}",
        reason=change.reason,
        fields=tuple(fields),
        gained=tuple(gained),
        lost=tuple(lost),
    )


def _in_words(value: Any, people: Mapping[str, str]) -> str:
    if value is None or value in ("", [], {}):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(str(one) for one in value)[:_MAX_VALUE]
    words = str(value)
    return people.get(words, words)[:_MAX_VALUE]


def draw_line(line: Line) -> None:
    """One line of a history: when, what, who; then each field before and after, and why."""
    with tag("div", f"mark tone-{line.look.tone}"):
        icon(line.look.icon)
    with tag("div", "line"):
        with tag("p", "why"):
            at(line.at)
            text(line.look.word, "kind")
            text(line.actor)
        if line.reason:
            text(f"“{line.reason}”", "quiet", name="p")
        for what, before, after in line.fields:
            with tag("p", "before-after"):
                text(f"{what} ")
                text(before, "before", name="del")
                icon("arrow_right_alt")
                text(after, "after", name="ins")
        draw_words(line.gained, "add", "good", "gained")
        draw_words(line.lost, "remove", "bad", "lost")


def draw_words(words: Sequence[str], picture: str, tone: str, said: str) -> None:
    """Names of permissions or systems that come or go, each with a sign that is no colour alone."""
    if words:
        with tag("p", "words-list") as drawn:
            for one in words:
                with tag("span", f"word tone-{tone}"):
                    icon(picture)
                    text(one)
        drawn.props["aria-label"] = f"{said}: {', '.join(words)}"[:1000]

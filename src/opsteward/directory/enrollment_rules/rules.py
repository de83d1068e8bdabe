"""Enrolment rules: who is let in by whom, and what they get. Data and pure decisions; the tables are elsewhere."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, field_validator

from opsteward.core.errors import Invalid
from opsteward.core.json_types import Json, JsonObject
from opsteward.core.name_keys import folded, name_problem
from opsteward.directory.types import ALL_SYSTEMS, HAS_ACCESS

REVIEW = "review"
BACKGROUND_CHECK = "background_check"


def _name(value: str) -> str:
    if problem := name_problem(value, most=100):
        raise ValueError(problem)
    return value


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Stage(_Data):
    """One approval. `escalate_after`: seconds until it is escalated to people."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    escalate_after: Annotated[float, Field(gt=0, le=31_536_000, allow_inf_nan=False)] | None = None

    _checked = field_validator("name")(_name)


class Match(_Data):
    """Whom a rule is for: all that is given must fit. Without `roles` the rule's own name is the role."""

    roles: Annotated[tuple[str, ...], Field(max_length=100)] = ()
    departments: Annotated[tuple[str, ...], Field(max_length=100)] = ()
    attributes: Annotated[dict[str, str | int | float | bool], Field(max_length=50)] = {}


class Rule(_Data):
    """What an enrolment of this type needs and gives. `access_days`: how long the account lasts, if not for ever."""

    auto_approve: bool = False
    permissions: Annotated[tuple[str, ...], Field(max_length=500)] = ()
    systems: Annotated[tuple[str, ...], Field(max_length=500)] = ()
    all_systems: bool = False
    welcome_template: Annotated[str, Field(max_length=10_000)] | None = None
    background_check_required: bool = False
    match: Match = Match()
    stages: Annotated[tuple[Stage, ...], Field(max_length=10)] = ()
    access_days: Annotated[int, Field(ge=1, le=36_500)] | None = None

    @field_validator("permissions", "systems")
    @classmethod
    def _names(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(_name(value) for value in values))

    @property
    def system_access(self) -> list[str]:
        """The names of the systems; `all_systems` stands for every one there is and will be."""
        return [ALL_SYSTEMS] if self.all_systems else list(self.systems)

    def within(self, permissions: Collection[str], systems: Collection[str]) -> Rule:
        """Until its enrolment is approved, a rule gives no more than what its user has already."""
        return self.model_copy(
            update={
                "permissions": tuple(p for p in self.permissions if p in permissions),
                "systems": tuple(s for s in self.system_access if s in systems),
                "all_systems": False,
            }
        )

    def needed(self) -> list[JsonObject]:
        """The stages of an enrolment by this rule, in order; none where it approves by itself."""
        checks = [Stage(name=BACKGROUND_CHECK)] if self.background_check_required else []
        reviews = [] if self.auto_approve else list(self.stages) or [Stage(name=REVIEW)]
        return [{**stage.model_dump(), "status": "waiting"} for stage in (*checks, *reviews)]


_WELCOME = "Welcome, {full_name}. Your account {username} is ready."

#: The rules that ship. A tenant's own rule of the same name takes a shipped one's place.
SHIPPED: dict[str, Rule] = {
    "standard_user": Rule(
        auto_approve=True, permissions=("read_basic", "write_basic"), systems=("main_app",), welcome_template=_WELCOME
    ),
    "premium_user": Rule(
        auto_approve=True,
        permissions=("read_basic", "write_basic", "read_premium", "write_premium"),
        systems=("main_app", "analytics"),
        welcome_template=_WELCOME,
    ),
    "contractor": Rule(
        permissions=("read_basic",),
        systems=("main_app",),
        background_check_required=True,
        welcome_template=_WELCOME,
    ),
    "executive": Rule(
        auto_approve=True,
        permissions=("read_basic", "write_basic", "read_executive", "write_executive"),
        systems=("main_app", "analytics", "executive_dashboard"),
        welcome_template=_WELCOME,
    ),
    "admin": Rule(
        permissions=("read_basic", "write_basic", "administer"),
        all_systems=True,
        background_check_required=True,
        welcome_template=_WELCOME,
    ),
}
#: For a role that no rule knows: nothing is given until a person has looked.
UNKNOWN = Rule()


class Rules:
    """The rules of a tenant, ready to choose from; `duty_pairs`: the permissions that must not meet in one user."""

    def __init__(self, rules: Mapping[str, Rule], *, duty_pairs: Sequence[tuple[str, str]] = ()) -> None:
        self.by_name = dict(rules)
        self.duty_pairs = duty_pairs
        self._by_key = {folded(name): name for name in rules}
        #: rules with conditions of their own, the narrower first; the others go by their name alone
        self._narrow = sorted(
            ((name, rule) for name, rule in rules.items() if rule.match != Match()),
            key=lambda one: (-_conditions(one[1].match), one[0]),
        )
        self._simple = {folded(name): name for name, rule in rules.items() if rule.match == Match()}

    def choose(
        self, *, role: str, department: str | None, attributes: Mapping[str, Json], wanted: str | None = None
    ) -> tuple[str, Rule]:
        """The enrolment type and its rule for such a user. A role that no rule knows is reviewed, and given nothing.

        Raises Invalid when `wanted` names no rule.
        """
        if wanted is not None:
            name = self._by_key.get(folded(wanted))
            if name is None:
                raise Invalid.field(
                    "enrollment_type", f"{wanted!r:.100} is no rule", f"use one of {', '.join(sorted(self.by_name))}"
                )
            return name, self.by_name[name]
        for name, rule in self._narrow:
            if _fits(name, rule.match, role, department, attributes):
                return name, rule
        known = self._simple.get(folded(role))
        return (known, self.by_name[known]) if known else (role, UNKNOWN)

    def of(self, enrollment_type: str) -> Rule:
        """The rule of an enrolment that was made earlier; one that is gone gives nothing."""
        return self.by_name.get(enrollment_type, UNKNOWN)


def _conditions(match: Match) -> int:
    return len(match.attributes) + bool(match.departments) + bool(match.roles)


def _fits(name: str, match: Match, role: str, department: str | None, attributes: Mapping[str, Json]) -> bool:
    roles = match.roles or (() if match.departments or match.attributes else (name,))
    return (
        (not roles or folded(role) in _keys(roles))
        and (not match.departments or (department is not None and folded(department) in _keys(match.departments)))
        and all(attributes.get(key) == value for key, value in match.attributes.items())
    )


def _keys(names: Iterable[str]) -> set[str]:
    return {folded(name) for name in names}


class Grant(NamedTuple):
    """A permission or a system beside the rule's, or with `denied` one that was taken though the rule gives it."""

    kind: str
    name: str
    denied: bool = False


def due_access(rule: Rule, grants: Iterable[Grant], *, status: str) -> tuple[list[str], list[str]]:
    """The permissions and systems that a user of this status is due, sorted: one place for all ways to change users."""
    if status not in HAS_ACCESS:
        return [], []
    permissions, systems = set(rule.permissions), set(rule.system_access)
    for grant in sorted(grants, key=lambda one: one.denied):  # what was taken stays taken
        held = permissions if grant.kind == "permission" else systems
        (held.discard if grant.denied else held.add)(grant.name)
    return sorted(permissions), sorted(systems)


def meeting(permissions: Sequence[str], conflicts: Iterable[tuple[str, str]]) -> tuple[str, str] | None:
    """The first two of these permissions that must not meet, or None."""
    held = set(permissions)
    return next((pair for pair in conflicts if held.issuperset(pair)), None)

"""The inventory as a file declares it: what would change, and the change itself, all of it or nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.errors import Conflict, FieldProblem, Invalid
from opsteward.core.json_types import Json
from opsteward.systems.registration import NewSystem
from opsteward.systems.service import Inventory

_COMPARED = (
    "type",
    "endpoint",
    "health_check_url",
    "sync_frequency",
    "criticality",
    "settings",
    "enabled",
    "owner",
    "tags",
    "runbook_url",
    "depends_on",
)


@dataclass(frozen=True, kw_only=True)
class FieldChange:
    """One field as it is and as it is declared; credentials without their values."""

    field: str
    now: Json
    declared: Json


@dataclass(frozen=True, kw_only=True)
class PlannedSystem:
    """What the file means for one system. `not_declared`: it is registered, and the file does not name it."""

    name: str
    what: Literal["create", "change", "unchanged", "remove", "not_declared"]
    fields: list[FieldChange] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class SystemsPlan:
    """All of it, by name; `changes` of them differ from the file."""

    changes: int
    systems: list[PlannedSystem]


class Declarations:
    """Compares the inventory with what is declared, and makes it so."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory

    async def plan(self, session: AsyncSession, *, declared: Sequence[NewSystem], prune: bool) -> SystemsPlan:
        """What `apply` would do; changes nothing. Raises Invalid for a name that is declared twice."""
        wanted = _by_key(declared)
        # a heartbeat is registered by its schedule, and is nothing that such a file declares
        known = [info for info in await self._inventory.all(session) if not info.endpoint.startswith("heartbeat:")]
        there = {info.name.casefold(): info for info in known}
        systems: list[PlannedSystem] = []
        for key, new in wanted.items():
            if key not in there:
                systems.append(PlannedSystem(name=new.name, what="create"))
                continue
            differing = await self._differing(session, there[key].id, new)
            what: Literal["change", "unchanged"] = "change" if differing else "unchanged"
            systems.append(PlannedSystem(name=new.name, what=what, fields=differing))
        systems += [
            PlannedSystem(name=info.name, what="remove" if prune else "not_declared")
            for key, info in there.items()
            if key not in wanted
        ]
        systems.sort(key=lambda one: one.name.casefold())
        return SystemsPlan(changes=sum(one.what in {"create", "change", "remove"} for one in systems), systems=systems)

    async def apply(
        self, session: AsyncSession, *, declared: Sequence[NewSystem], prune: bool, actor: str
    ) -> SystemsPlan:
        """Make the inventory as declared, in the transaction of the session; `prune` removes what is not named.

        Gives what was done. Raises Invalid that names the system and the field, Conflict.
        """
        plan = await self.plan(session, declared=declared, prune=prune)
        wanted = _by_key(declared)
        done = {one.name.casefold(): one for one in plan.systems}
        ids: dict[str, UUID] = {}
        for at, (key, new) in enumerate(wanted.items()):
            with _named(at):
                if done[key].what == "create":
                    # what it depends on may be declared behind it
                    made = await self._inventory.register(session, new=replace(new, depends_on=()), actor=actor)
                    ids[key] = made.id
        for at, (key, new) in enumerate(wanted.items()):
            changes = {change.field: getattr(new, change.field) for change in done[key].fields}
            if done[key].what == "create" and new.depends_on:
                changes = {"depends_on": new.depends_on}
            if changes:
                with _named(at):
                    found = ids.get(key) or (await self._found(session, new.name))
                    await self._inventory.change(session, system_id=found, changes=changes, actor=actor)
        await self._remove(session, [one.name for one in plan.systems if one.what == "remove"], actor)
        return plan

    async def _remove(self, session: AsyncSession, names: list[str], actor: str) -> None:
        """Those that others need go after them."""
        while names:
            kept: list[str] = []
            refusal: Conflict | None = None
            for name in names:
                try:
                    found = await self._found(session, name)
                    await self._inventory.remove(session, system_id=found, actor=actor)
                except Conflict as error:
                    kept.append(name)
                    refusal = error
            if refusal is not None and len(kept) == len(names):
                raise refusal
            names = kept

    async def _found(self, session: AsyncSession, name: str) -> UUID:
        info = await self._inventory.find(session, name=name)
        if info is None:
            raise Conflict(f"{name} was removed meanwhile", remedy="plan again")
        return info.id

    async def _differing(self, session: AsyncSession, system_id: UUID, new: NewSystem) -> list[FieldChange]:
        there = await self._inventory.as_registered(session, system_id=system_id)
        found = [
            FieldChange(field=name, now=was, declared=wanted)
            for name in _COMPARED
            if (was := _plain(name, there)) != (wanted := _plain(name, new))
        ]
        if new.credentials is not None and dict(there.credentials or {}) != dict(new.credentials):
            hidden = sorted({*(there.credentials or {}), *new.credentials})
            found.append(FieldChange(field="credentials", now="(hidden)", declared=f"(hidden: {', '.join(hidden)})"))
        return found


def _plain(name: str, system: NewSystem) -> Json:
    value: Any = getattr(system, name)
    if name == "depends_on":
        return sorted(each.casefold() for each in value)
    if name == "tags":
        return sorted(value)
    return dict(value or {}) if name == "settings" else value


def _by_key(declared: Sequence[NewSystem]) -> Mapping[str, NewSystem]:
    found: dict[str, NewSystem] = {}
    for at, new in enumerate(declared):
        if new.name.casefold() in found:
            raise Invalid.field(f"systems.{at}.name", "is declared twice", "keep one of them")
        found[new.name.casefold()] = new
    return found


@contextmanager
def _named(at: int) -> Iterator[None]:
    """Problems inside name the system by its place in the file."""
    try:
        yield
    except Invalid as error:
        raise Invalid(
            problems=[
                FieldProblem(field=f"systems.{at}.{p.field}", problem=p.problem, remedy=p.remedy)
                for p in error.problems
            ]
        ) from None

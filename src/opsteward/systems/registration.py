"""What is asked of a new system before it is registered: each bad field is named, and nothing is connected to."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, cast
from urllib.parse import urlsplit

from pydantic import BaseModel

from opsteward.contracts.connector import SystemRef
from opsteward.contracts.registry import Registry
from opsteward.core.errors import FieldProblem, Invalid
from opsteward.core.json_types import Json
from opsteward.systems.types import CRITICALITIES, TYPES

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_TAG = re.compile(r"[\w.:/-]{1,50}")
SHORTEST_INTERVAL, MAX_INTERVAL = 0.5, 86_400.0  # seconds between checks
MIN_OBJECTIVE = 50.0  # percent

#: Says why a connector's configuration can't be registered, or None.
Refusal = Callable[[BaseModel], FieldProblem | None]


@dataclass(frozen=True, kw_only=True)
class NewSystem:
    """What is needed to register a system. `depends_on` are names of registered systems; one that `calls_us` is not
    connected to."""

    name: str
    type: str
    endpoint: str
    health_check_url: str | None = None
    sync_frequency: int | None = None
    criticality: str = "standard"
    credentials: Mapping[str, str] | None = None
    settings: Mapping[str, Json] | None = None
    depends_on: Sequence[str] = ()
    enabled: bool = True
    owner: str | None = None
    tags: Sequence[str] = ()
    runbook_url: str | None = None
    calls_us: bool = False


class _Noted(Mapping[str, str]):
    """Credentials that note which of them were looked at."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self.read: set[str] = set()

    def __getitem__(self, key: str) -> str:
        value = self._values[key]
        self.read.add(key)
        return value

    def __iter__(self) -> Iterator[str]:
        self.read |= self._values.keys()
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


#: What connectors see of a system.
_SEEN_BY_CONNECTORS = ("name", "type", "endpoint", "health_check_url")


def changed_system(system: NewSystem, changes: Mapping[str, object]) -> NewSystem:
    """The system with these fields changed. Raises Invalid for one that there is not."""
    known = {each.name for each in fields(NewSystem)}
    if unknown := sorted(set(changes) - known):
        raise Invalid.field(unknown[0], "is no field of a system", f"use {', '.join(sorted(known))}")
    return replace(system, **cast("dict[str, Any]", dict(changes)))


def leads_elsewhere(endpoint: str, other: str) -> bool:
    """Whether two endpoints may be of different servers: all but the path counts, an option may name a host."""
    try:
        one, two = urlsplit(endpoint), urlsplit(other)
    except ValueError:
        return True
    return (one.scheme, one.netloc, one.query) != (two.scheme, two.netloc, two.query)


def target_fields(new: NewSystem) -> dict[str, Any]:
    """The fields of a `SystemRef` as this system has them."""
    return {name: getattr(new, name) for name in _SEEN_BY_CONNECTORS} | {"settings": dict(new.settings or {})}


def check_new(new: NewSystem, target: SystemRef, registry: Registry, refusal: Refusal | None) -> None:
    """Raises Invalid that names each bad field. `target` is the system as its connectors will see it."""
    problems = [*_own_problems(new)]
    if problems:
        raise Invalid(problems=problems)
    if new.calls_us:
        return
    # Every connector that serves the scheme checks its own part, so a wrong setting shows now, not at night.
    credentials = dict(new.credentials or {})
    noted = _Noted(credentials)
    for connector in registry.connectors_for(new.endpoint, new.type):
        config = connector.config_for(target, credentials)
        if refusal is not None and (problem := refusal(config)):
            raise Invalid(problems=[problem])
        # once more without the health page: one elsewhere is fetched without the credentials
        connector.config_for(replace(target, health_check_url=None), noted)
    if unread := sorted(credentials.keys() - noted.read):
        raise Invalid(
            problems=[
                FieldProblem(
                    field=f"credentials.{key[:40]}",
                    problem="is nothing that a connector of this endpoint reads",
                    remedy="leave it out; most take username and password",
                )
                for key in unread[:20]
            ]
        )


def _own_problems(new: NewSystem) -> Iterator[FieldProblem]:
    if not _NAME.fullmatch(new.name):
        yield FieldProblem(
            field="name", problem="is no system name", remedy="use 1 to 100 letters, digits, '.', '_' and '-'"
        )
    if new.type not in TYPES:
        yield FieldProblem(field="type", problem=f"{new.type!r:.40} is no type", remedy=f"use {', '.join(TYPES)}")
    if new.criticality not in CRITICALITIES:
        yield FieldProblem(
            field="criticality",
            problem=f"{new.criticality!r:.40} is no criticality",
            remedy=f"use {', '.join(CRITICALITIES)}",
        )
    for index, tag in enumerate(new.tags):
        if not _TAG.fullmatch(tag):
            remedy = "use 1 to 50 letters, digits, '.', '_', ':', '/' and '-'"
            yield FieldProblem(field=f"tags.{index}", problem="is no tag", remedy=remedy)
    if new.runbook_url is not None and not new.runbook_url.startswith(("https://", "http://")):
        yield FieldProblem(field="runbook_url", problem="is no http or https address", remedy="link a page of your own")
    try:
        if urlsplit(new.endpoint).password is not None:
            yield FieldProblem(
                field="endpoint",
                problem="holds a password",
                remedy="put it into credentials: {username, password}",
            )
    except ValueError:
        yield FieldProblem(field="endpoint", problem="is not a URL", remedy="use scheme://host[:port]/...")
    objective = (new.settings or {}).get("objective_percent", MIN_OBJECTIVE)
    is_share = isinstance(objective, int | float) and not isinstance(objective, bool)
    if not is_share or not MIN_OBJECTIVE <= cast(float, objective) < 100:
        yield FieldProblem(
            field="settings.objective_percent",
            problem="is no availability that can be promised",
            remedy=f"use a number from {MIN_OBJECTIVE:g} to below 100, such as 99.9",
        )
    interval = (new.settings or {}).get("check_interval", SHORTEST_INTERVAL)
    is_number = isinstance(interval, int | float) and not isinstance(interval, bool)
    if not is_number or not SHORTEST_INTERVAL <= cast(float, interval) <= MAX_INTERVAL:  # NaN is in no range
        yield FieldProblem(
            field="settings.check_interval",
            problem="is no usable time between checks",
            remedy=f"use a number of seconds from {SHORTEST_INTERVAL:g} to {MAX_INTERVAL:g}",
        )

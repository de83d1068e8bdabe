"""Which integration serves what: looked up by endpoint scheme, check domain or action slug."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from pydantic import BaseModel

from opsteward.contracts.action import AnyAction
from opsteward.contracts.agent import AnyAgent
from opsteward.contracts.check import AnyCheck, Domain
from opsteward.contracts.connector import Connector, SystemRef
from opsteward.contracts.integration import Integration
from opsteward.contracts.records import RecordSource
from opsteward.contracts.task import TaskType
from opsteward.core.errors import Invalid, NotFound


@dataclass(frozen=True)
class OfferedCheck:
    """A check with the connector class it looks through."""

    check: AnyCheck
    connector: type[Connector[BaseModel]]


@dataclass(frozen=True)
class OfferedAction:
    """An action with the connector class it works through (None: it needs no target) and the schemes it fits."""

    action: AnyAction
    connector: type[Connector[BaseModel]] | None
    schemes: frozenset[str]


def scheme_of(endpoint: str) -> str:
    """The scheme of an endpoint URL, lower case; empty when there is none."""
    return urlsplit(endpoint).scheme.lower()


class Registry:
    """All integrations of this process. Raises ValueError at start when two claim one slug."""

    def __init__(self, integrations: Sequence[Integration]) -> None:
        self.integrations = tuple(integrations)
        self._actions: dict[str, OfferedAction] = {}
        checks: set[str] = set()
        for integration in integrations:
            for action in integration.actions:
                if action.slug in self._actions:
                    raise ValueError(f"two integrations offer the action {action.slug}")
                self._actions[action.slug] = OfferedAction(action, integration.connector, integration.schemes)
            for check in integration.checks:
                if check.slug in checks:
                    raise ValueError(f"two integrations offer the check {check.slug}")
                checks.add(check.slug)

    @property
    def schemes(self) -> frozenset[str]:
        """Every endpoint scheme that somebody serves."""
        return frozenset().union(*(i.schemes for i in self.integrations))

    @property
    def task_types(self) -> list[TaskType]:
        """Every task type that an integration offers."""
        return [kind for integration in self.integrations for kind in integration.task_types]

    @property
    def agents(self) -> list[type[AnyAgent]]:
        """Every kind of background agent that an integration offers."""
        return [kind for integration in self.integrations for kind in integration.agents]

    @property
    def actions(self) -> Mapping[str, OfferedAction]:
        return self._actions

    def action(self, slug: str) -> OfferedAction:
        """Raises NotFound."""
        try:
            return self._actions[slug]
        except KeyError:
            raise NotFound(f"there is no action {slug[:80]!r}", remedy="see GET /api/v1/actions/catalogue") from None

    @property
    def access_actions(self) -> frozenset[str]:
        """Every action that keeps who may use a system."""
        return frozenset(i.access for i in self.integrations if i.access is not None)

    def access_action(self, endpoint: str) -> str | None:
        """The action that keeps who may use the system at this endpoint; None where nobody can."""
        scheme = scheme_of(endpoint)
        return next((i.access for i in self.integrations if scheme in i.schemes and i.access is not None), None)

    def connectors_for(self, endpoint: str, system_type: str | None = None) -> list[type[Connector[BaseModel]]]:
        """Every connector class for this endpoint, with those for systems of this type alone. Raises Invalid for a
        scheme that nobody serves."""
        scheme = scheme_of(endpoint)
        found = [
            i.connector
            for i in self.integrations
            if scheme in i.schemes and i.connector is not None and (not i.types or system_type in i.types)
        ]
        if not found:
            raise Invalid.field(
                "endpoint",
                f"nothing here connects to {scheme[:40] or 'an endpoint without a scheme'}",
                f"use one of {', '.join(sorted(self.schemes))}",
            )
        return found

    def records_connector(self, endpoint: str, system_type: str) -> type[Connector[BaseModel]] | None:
        """The connector that reads and writes the records of such a system, made for its type before any other; None
        where there is none."""
        scheme = scheme_of(endpoint)
        fitting = [
            i
            for i in self.integrations
            if scheme in i.schemes
            and i.connector is not None
            and issubclass(i.connector, RecordSource)
            and (not i.types or system_type in i.types)
        ]
        fitting.sort(key=lambda i: not i.types)
        return fitting[0].connector if fitting else None

    def checks_for(
        self,
        target: SystemRef,
        *,
        domain: Domain | None = None,
        health_only: bool = False,
        measuring: bool = False,
    ) -> list[OfferedCheck]:
        """The checks that fit a system, of one domain or all, in the order of registration. What was made for its type
        judges its health alone, unless the system names a health page of its own."""
        scheme = scheme_of(target.endpoint)
        fitting = [
            i
            for i in self.integrations
            if scheme in i.schemes and i.connector is not None and (not i.types or target.type in i.types)
        ]
        of_type = [i for i in fitting if i.types and any(check.health for check in i.checks)]
        judges = of_type if of_type and target.health_check_url is None else fitting
        return [
            OfferedCheck(check, i.connector)
            for i in fitting
            if i.connector is not None
            for check in i.checks
            if (domain is None or check.domain == domain)
            and (check.health or not health_only)
            and (check.measures or not measuring)
            and (not check.health or i in judges)
            and check.fits(target)
        ]

"""The phases by themselves, from Python and without an instance: assess, diagnose, find the causes, verify.

    import asyncio
    from opsteward.troubleshooting import Target, causes_among, diagnose_target

    shop = Target("postgresql://db.example/shop", credentials={"username": "monitor", "password": "..."})
    found = asyncio.run(diagnose_target(shop))

Nothing is changed by them: a fix is an action, and goes through the one door of an instance.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from uuid import UUID, uuid5

from opsteward.contracts.check import Domain
from opsteward.contracts.connector import SystemRef
from opsteward.contracts.registry import Registry
from opsteward.core.errors import Invalid, OpsError
from opsteward.systems.health_checks import health_of, run_checks
from opsteward.systems.service import connected
from opsteward.troubleshooting.causes import Surroundings, causes_of
from opsteward.troubleshooting.diagnose import DOMAINS, diagnose
from opsteward.troubleshooting.types import Cause, SystemDiagnosis, SystemFacts

_TIMEOUT = 30.0  # seconds for each check
_SPACE = UUID("6f1c4f0e-54a7-4a26-9c3e-0a5b5f0f9a11")
_VERIFIED_AFTER = 2  # healthy looks in a row
_LOOK_EVERY = 0.7  # seconds


@dataclass(frozen=True)
class Target:
    """A system by its endpoint, as one would register it. `needs` names the targets that it depends on."""

    endpoint: str
    name: str = ""
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    settings: Mapping[str, object] = field(default_factory=dict)
    health_check_url: str | None = None
    needs: Sequence[str] = ()
    type: str = "service"

    @property
    def known_as(self) -> str:
        return self.name or self.endpoint

    @property
    def ref(self) -> SystemRef:
        """As the checks see it. Raises Invalid for an endpoint that nothing checks."""
        ref = SystemRef(
            id=uuid5(_SPACE, self.known_as),
            tenant_id=_SPACE,
            name=self.known_as,
            type=self.type,
            endpoint=self.endpoint,
            health_check_url=self.health_check_url,
            settings=self.settings,
        )
        if not _registry().checks_for(ref):
            scheme = self.endpoint.partition(":")[0][:20]
            raise Invalid.field("endpoint", f"nothing checks {scheme}:", "see docs/guides/connect-a-system.md")
        return ref


async def diagnose_target(
    target: Target, *, domains: Sequence[Domain] = DOMAINS, timeout: float = _TIMEOUT
) -> SystemDiagnosis:
    """What is wrong with it, by the diagnosers of these domains (web, database, network); `timeout` in seconds for
    each check."""
    return await diagnose(_registry(), target.ref, target.credentials, domains=domains, timeout=timeout)


async def assess(targets: Sequence[Target], *, timeout: float = _TIMEOUT) -> SystemFacts:
    """Who is there: the version and the health of each, by name."""
    health = dict(zip((t.known_as for t in targets), await _looked_at(targets, timeout), strict=True))
    versions = dict(zip(health, await asyncio.gather(*(_version(t) for t in targets)), strict=True))
    web = next((t.endpoint for t in targets if t.endpoint.startswith("http")), "")
    return SystemFacts(base_url=web, components=list(health), versions=versions, health=health)


def causes_among(found: Sequence[SystemDiagnosis], targets: Sequence[Target] = ()) -> list[Cause]:
    """The issues of several diagnoses as causes, the likeliest first; `targets` say who needs whom."""
    ids = {target.known_as: uuid5(_SPACE, target.known_as) for target in targets}
    needs = {ids[t.known_as]: [ids[name] for name in t.needs if name in ids] for t in targets}
    issues = {issue.id: issue for each in found for issue in each.issues}
    return causes_of(list(issues.values()), Surroundings(needs=needs))


async def verify(targets: Sequence[Target], *, within: float = 30.0, timeout: float = _TIMEOUT) -> bool:
    """Whether all are healthy twice in a row, within so many seconds."""
    passes, deadline = 0, asyncio.get_running_loop().time() + within
    while True:
        passes = passes + 1 if set(await _looked_at(targets, timeout)) <= {"healthy"} else 0
        if passes >= _VERIFIED_AFTER:
            return True
        if asyncio.get_running_loop().time() >= deadline:
            return False
        await asyncio.sleep(_LOOK_EVERY)


async def _looked_at(targets: Sequence[Target], timeout: float) -> list[str]:
    registry = _registry()
    looks = [
        run_checks(ref, t.credentials, registry.checks_for(ref, health_only=True), timeout=timeout)
        for t in targets
        for ref in [t.ref]
    ]
    return [health_of(outcomes) for outcomes in await asyncio.gather(*looks)]


async def _version(target: Target) -> str:
    try:
        connector = _registry().connectors_for(target.endpoint)[0]
        async with asyncio.timeout(2.0), connected(connector, target.ref, target.credentials) as via:
            return (await via.probe()).version
    except (OpsError, TimeoutError):
        return ""


@cache
def _registry() -> Registry:
    """Those that come with checks; in the order of an instance's."""
    from opsteward.integrations import dns, ldap, machine, mysql, network, postgresql, services, supervisor, web

    return Registry(
        [
            postgresql.INTEGRATION,
            supervisor.INTEGRATION,
            web.INTEGRATION,
            dns.INTEGRATION,
            machine.INTEGRATION,
            services.INTEGRATION,
            network.INTEGRATION,
            ldap.INTEGRATION,
            mysql.INTEGRATION,
        ]
    )

"""One system, check or plug-in that is no good is named, and the others work."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel
from structlog.testing import capture_logs

from opsteward.app.registry import build_registry
from opsteward.contracts.check import Check, CheckResult, CheckStatus, Domain, Finding, Severity
from opsteward.contracts.connector import Connector, ProbeReport, SystemRef
from opsteward.contracts.integration import Integration
from opsteward.contracts.registry import Registry
from opsteward.integrations.apprise.settings import NotifySettings
from opsteward.systems.health_monitor import Monitor
from opsteward.systems.service import Inventory, NewSystem
from opsteward.systems.types import SystemInfo
from support.instance import Tenant


class NoSettings(BaseModel):
    pass


class OddConnector(Connector[NoSettings]):
    """Reaches nothing: its checks answer of themselves."""

    config_model: ClassVar[type[BaseModel]] = NoSettings

    @classmethod
    def config_for(cls, target: SystemRef, credentials: Mapping[str, str]) -> NoSettings:
        return NoSettings()

    async def probe(self) -> ProbeReport:
        return ProbeReport(reachable=True, seconds=0.0)

    async def close(self) -> None:
        pass


class Sound(Check[OddConnector]):
    slug: ClassVar[str] = "odd.sound"
    title: ClassVar[str] = "Sound"
    domain: ClassVar[Domain] = "network"
    health: ClassVar[bool] = True

    async def run(self, via: OddConnector, target: SystemRef) -> CheckResult:
        return CheckResult(status=CheckStatus.PASS, summary="all is well", evidence={"n": 1})


class Raising(Sound):
    slug: ClassVar[str] = "odd.raising"

    async def run(self, via: OddConnector, target: SystemRef) -> CheckResult:
        raise LookupError("a bug")


EVIDENCE: dict[str, dict[Any, Any]] = {
    "NUL": {"page": "a\x00b"},
    "half a character": {"page": "a\ud800b"},
    "not a number": {"share": float("nan"), "most": float("inf")},
    "no JSON": {"when": object(), "set": {1}, "bytes": b"x", 7: "a number as name"},
    "NUL in a name": {"a\x00b": 1},
    "very deep": {"list": [[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]},
    "in itself": {},
}
EVIDENCE["in itself"]["again"] = EVIDENCE["in itself"]


class Unstorable(Sound):
    slug: ClassVar[str] = "odd.unstorable"
    given: ClassVar[str] = "NUL"

    async def run(self, via: OddConnector, target: SystemRef) -> CheckResult:
        evidence = EVIDENCE[self.given]
        finding = Finding(
            type="tcp_unreachable", severity=Severity.LOW, title="t", description="d\x00", component="c",
            evidence=evidence, confidence=0.5,
        )  # fmt: skip
        return CheckResult(status=CheckStatus.WARN, summary="seen\x00", evidence=evidence, findings=[finding])


def registry_of(*checks: Check[Any]) -> Registry:
    odd = Integration(slug="odd", title="Odd", schemes=frozenset({"odd"}), connector=OddConnector, checks=checks)
    return Registry([odd])


def rooms(tenant: Tenant, registry: Registry) -> tuple[Inventory, Monitor]:
    services = tenant.instance.services
    inventory = Inventory(registry, services.box, services.bus)
    return inventory, Monitor(services.app, inventory, registry, services.bus, services.settings.systems)


async def register(tenant: Tenant, inventory: Inventory, name: str, **more: Any) -> SystemInfo:
    new = NewSystem(name=name, type="service", endpoint="odd://there/", **more)
    async with tenant.instance.services.web.unit_of_work(tenant.id) as session:
        return await inventory.register(session, new=new, actor=tenant.owner.actor)


async def seen(tenant: Tenant, inventory: Inventory, system: SystemInfo) -> SystemInfo:
    async with tenant.instance.services.web.unit_of_work(tenant.id) as session:
        return await inventory.get(session, system_id=system.id)


async def test_a_check_that_crashes_leaves_the_others_their_say(tenant: Tenant) -> None:
    inventory, monitor = rooms(tenant, registry_of(Raising(), Sound()))
    system = await register(tenant, inventory, "one")
    assert await monitor.check_now(tenant.id, system.id) == "healthy"
    found = {each["check"]: each for each in (await seen(tenant, inventory, system)).health.evidence}
    assert found["odd.raising"]["status"] == "unknown"
    assert "LookupError" in str(found["odd.raising"]["summary"])
    assert found["odd.sound"]["status"] == "pass"


@pytest.mark.parametrize("given", EVIDENCE)
async def test_evidence_that_no_database_takes_loses_nothing_else(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setattr(Unstorable, "given", given)
    inventory, monitor = rooms(tenant, registry_of(Unstorable(), Sound()))
    system = await register(tenant, inventory, "one")
    for _ in range(3):  # warnings in a row count
        await monitor.check_now(tenant.id, system.id)
    health = (await seen(tenant, inventory, system)).health
    assert health.status == "degraded"
    found = {each["check"]: each for each in health.evidence}
    assert found["odd.sound"]["evidence"] == {"n": 1}
    assert found["odd.unstorable"]["status"] == "warn"
    assert found["odd.unstorable"]["summary"] == "seen\ufffd"


async def test_a_system_whose_credentials_cant_be_read_is_unknown_and_the_others_are_watched(tenant: Tenant) -> None:
    inventory, monitor = rooms(tenant, registry_of(Sound()))
    bad, good = await register(tenant, inventory, "bad"), await register(tenant, inventory, "good")
    assert await monitor.check_now(tenant.id, bad.id) == "healthy"
    tenant.instance.sql(
        "update opsteward.systems set credentials_sealed = %s where id = %s", b"\x01" + bytes(60), bad.id
    )
    with capture_logs() as logs:
        assert await monitor.check_now(tenant.id, bad.id) == "unknown"
    assert [line["system"] for line in logs if line["event"] == "systems.credentials.unreadable"] == ["bad"]
    (evidence,) = (await seen(tenant, inventory, bad)).health.evidence
    assert "credentials can't be read" in str(evidence["summary"])
    assert await monitor.check_now(tenant.id, good.id) == "healthy"


@pytest.mark.parametrize("interval", ["1" + "0" * 400, "-1", "0", '"soon"', "null", "[]", "true"])
async def test_an_odd_interval_of_one_system_ends_no_watch(tenant: Tenant, interval: str) -> None:
    inventory, monitor = rooms(tenant, registry_of(Sound()))
    bad, good = await register(tenant, inventory, "bad"), await register(tenant, inventory, "good")
    tenant.instance.sql(
        "update opsteward.systems set settings = jsonb_build_object('check_interval', %s::jsonb) where id = %s",
        interval,
        bad.id,
    )
    watching = asyncio.create_task(monitor.run())
    try:
        async with asyncio.timeout(30):
            while (await seen(tenant, inventory, good)).health.status != "healthy":
                assert not watching.done()
                await asyncio.sleep(0.1)
    finally:
        watching.cancel()


PLUGINS = """
from opsteward.contracts.integration import Integration
GOOD = Integration(slug="good", title="Good")
TAKEN = Integration(slug="taken", title="Taken", actions=GOOD_ACTIONS)
TEXT = "no integration"
"""


def test_a_plugin_that_is_no_good_is_named_and_the_others_are_loaded(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = "from opsteward.integrations.postgresql import INTEGRATION\nGOOD_ACTIONS = INTEGRATION.actions\n"
    (tmp_path / "plugins_of_test.py").write_text(taken + PLUGINS)
    (tmp_path / "plugin_that_raises.py").write_text("raise RuntimeError('not today')\n")
    (tmp_path / "plugin_of_no_syntax.py").write_text("def (:\n")
    monkeypatch.syspath_prepend(tmp_path)
    bad = [
        "no.such:thing", "plugins_of_test:NOTHING", "plugins_of_test:TEXT", "plugin_that_raises:X",
        "plugin_of_no_syntax:X", "plugins_of_test:TAKEN", "plugins_of_test", "",
    ]  # fmt: skip
    with capture_logs() as logs:
        registry = build_registry(NotifySettings(), [*bad, "plugins_of_test:GOOD"])
    assert [line["plugin"] for line in logs if line["event"] == "app.plugin.unusable"] == bad
    assert all(line["error"] and line["remedy"] for line in logs)
    assert registry.integrations[-1].slug == "good"
    assert "postgresql.terminate_session" in registry.actions
    sys.modules.pop("plugins_of_test")

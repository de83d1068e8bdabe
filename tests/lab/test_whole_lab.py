"""The whole lab: faults of its other parts are seen by the checks that are for them, and end with a repair."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from opsteward.app.registry import build_registry
from opsteward.contracts.connector import SystemRef
from opsteward.integrations.apprise.settings import NotifySettings
from opsteward.lab.faults import FAULTS
from opsteward.lab.lab import Lab
from opsteward.systems.health_checks import run_checks

CASES = [
    ("certificate_expired", "shop-page", "certificate_expired", "renew-certificate"),
    ("missing_chunk", "shop-page", "asset_missing", "roll-back"),
    ("name_wrong", "shop-name", "dns_unexpected", "restore-zone"),
    ("contract_field", "jobs-api", "api_contract_drift", "roll-back"),
    ("inodes_full", "shop-disk", "disk_full", "free-disk"),
]


@pytest.fixture(scope="module")
def lab(home: Path) -> Iterator[Lab]:
    lab = Lab(home, whole=True, rate=2.0)
    lab.start()
    yield lab
    lab.stop()


async def found(lab: Lab, name: str) -> set[str]:
    """What all checks of a system find."""
    (system,) = (one for one in lab.describe()["systems"] if one["name"] == name)
    given: Mapping[str, Any] = {**system}
    about = {key: given[key] for key in ("name", "type", "endpoint", "health_check_url", "settings")}
    target = SystemRef(id=UUID(int=1), tenant_id=UUID(int=2), **about)
    offered = build_registry(NotifySettings()).checks_for(target)
    outcomes = await run_checks(target, system["credentials"], offered, timeout=20)
    return {finding.type for one in outcomes for finding in one.result.findings}


@pytest.mark.slow(reason="the whole lab is started, with a database and six programs")
async def test_each_fault_is_seen_and_ends_with_its_repair(lab: Lab) -> None:
    commands = lab.describe()["commands"]
    for fault, system, finding, repair in CASES:
        if FAULTS[fault].lacking(lab.facts):
            continue
        assert finding not in await found(lab, system), fault
        lab.inject(fault)
        assert finding in await found(lab, system), fault
        subprocess.run(commands[repair], check=True, timeout=30)
        assert finding not in await found(lab, system), fault


def test_a_quarter_of_the_kinds_are_controls() -> None:
    controls = [kind for kind in FAULTS.values() if kind.is_control]
    assert len(FAULTS) >= 40 and len(controls) >= len(FAULTS) / 4.5
    assert all(kind.description and kind.area for kind in FAULTS.values())

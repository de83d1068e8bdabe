"""The lab's systems as they are registered."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest

from opsteward.contracts.connector import SystemRef
from opsteward.integrations.supervisor.config import config_from
from opsteward.lab.folder import LabFacts, LabFolder
from opsteward.lab.registration import systems


@pytest.mark.parametrize("folder", ["/tmp/lab", "/tmp/two words", "/tmp/100% é #1?"])
def test_a_socket_in_any_folder_is_found(folder: str) -> None:
    facts = LabFacts(
        database_port=1,
        shop_port=2,
        admin_password="a",
        shop_password="b",
        monitor_password="c",
        supervisor_folder=folder,
        supervisor_password="d",
        rate=1.0,
    )
    (one,) = (system for system in systems(facts, LabFolder(Path(folder))) if system["name"] == "shop-processes")
    target = SystemRef(
        id=UUID(int=1),
        tenant_id=UUID(int=2),
        name=one["name"],
        type=one["type"],
        endpoint=one["endpoint"],
        health_check_url=None,
        settings=one["settings"],
    )
    assert config_from(target, one["credentials"]).socket_path == str(facts.supervisor_socket)

"""What may be registered as a system, and what the audit log keeps of it."""

from __future__ import annotations

from typing import Any

import pytest

from opsteward.core.crypto import digest
from opsteward.core.embedded_postgres import EmbeddedPostgres
from opsteward.core.errors import Invalid
from opsteward.systems.own_database import OwnDatabase
from opsteward.systems.service import Inventory, NewSystem
from opsteward.systems.types import SystemInfo
from support.instance import Tenant


async def register(tenant: Tenant, **fields: Any) -> SystemInfo:
    services = tenant.instance.services
    inventory = Inventory(
        services.registry, services.box, services.bus, refusal=OwnDatabase(services.urls.admin, embedded=True).refusal
    )
    async with services.web.unit_of_work(tenant.id) as session:
        return await inventory.register(session, new=NewSystem(**fields), actor=tenant.owner.actor)


@pytest.mark.parametrize(
    ("database", "username", "field"),
    [("opsteward", "postgres", "endpoint"), ("opsteward", "watcher", "endpoint"),
     ("postgres", "postgres", "endpoint"), ("template1", "opsteward_owner", "endpoint"),
     ("postgres", "watcher", "endpoint")],
)  # fmt: skip
async def test_opstewards_own_database_is_no_system(tenant: Tenant, database: str, username: str, field: str) -> None:
    """Its private socket asks for no password: an operator of any tenant could be the superuser."""
    new = {
        "name": "own",
        "type": "database",
        "endpoint": f"postgresql:///{database}?host={EmbeddedPostgres(tenant.instance.home).sockets}",
        "credentials": {"username": username},
    }
    with pytest.raises(Invalid) as refused:
        await register(tenant, **new)
    assert [problem.field for problem in refused.value.problems] == [field]
    assert tenant.count("systems") == 0


async def test_a_name_said_twice_is_one_need(tenant: Tenant) -> None:
    needed = await register(tenant, name="dd1", type="api", endpoint="http://127.0.0.1:9/")
    system = await register(
        tenant, name="needs", type="api", endpoint="http://127.0.0.1:9/", depends_on=["dd1", "dd1", "DD1"]
    )
    assert system.depends_on == [needed.id]


async def test_credentials_that_nobody_reads_are_named(tenant: Tenant) -> None:
    new = {"name": "web", "type": "api", "endpoint": "http://127.0.0.1:9/", "health_check_url": "http://[::1]:9/up"}
    with pytest.raises(Invalid) as refused:
        await register(tenant, **new, credentials={"username": "u", "pasword": "p", "k" * 5_000: "v"})
    assert [problem.field for problem in refused.value.problems] == [
        f"credentials.{'k' * 40}", "credentials.pasword"
    ]  # fmt: skip
    assert (await register(tenant, **new, credentials={"username": "u", "password": "p"})).has_credentials


async def test_not_a_number_is_no_time_between_checks(tenant: Tenant) -> None:
    with pytest.raises(Invalid, match="check_interval"):
        await register(
            tenant, name="nan", type="api", endpoint="http://127.0.0.1:9/", settings={"check_interval": float("nan")}
        )


async def test_the_log_pins_what_was_registered(tenant: Tenant) -> None:
    """As a digest, which tells nothing but whether the row was altered since."""
    settings = {"check_interval": 5}
    system = await register(tenant, name="web", type="api", endpoint="http://127.0.0.1:9/", settings=settings)
    [entry] = (await tenant.http.get("/api/v1/audit", params={"object_id": str(system.id)})).json()["items"]
    assert entry["detail"] == {
        "name": "web", "type": "api", "digest": digest([system.endpoint, system.health_check_url, system.settings])
    }  # fmt: skip

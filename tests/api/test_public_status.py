"""The public status page: off unless it is set, open to everybody, and nothing in it but public names and times."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
import pytest

from opsteward.app.request_services import console_services_of
from opsteward.console.mount import Console
from support.instance import ORIGIN, Instance, Tenant

INTERNALS = ("orders-db-7", "127.0.0.1:9", "postgresql", "Connection refused by shard 12", "ops@example.com")


def browser(instance: Instance, pages: dict[str, str]) -> httpx.AsyncClient:
    """Somebody without a session."""
    services = replace(console_services_of(instance.services, lambda: {"database": True}), status_pages=pages)
    made = httpx.AsyncClient(
        transport=httpx.ASGITransport(Console(services, otherwise=instance.app)), base_url=ORIGIN,
        headers={"Accept": "text/html"},
    )  # fmt: skip
    instance.clients.append(made)
    return made


async def register(tenant: Tenant, name: str, **settings: Any) -> str:
    body = {"name": name, "type": "database", "endpoint": "postgresql://127.0.0.1:9/shop", "owner": "ops@example.com",
            "credentials": {"username": "ops"},
            "settings": settings}  # fmt: skip
    answer = await tenant.http.post("/api/v1/systems", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def test_there_is_no_page_unless_one_is_named(instance: Instance, tenant: Tenant) -> None:
    answer = await browser(instance, {}).get("/status")
    assert (answer.status_code, answer.headers.get("location")) == (303, "/sign-in")
    assert (await browser(instance, {"/status": "no such tenant"}).get("/status")).status_code == 404


async def test_it_shows_public_names_states_and_incidents_and_no_internals(instance: Instance, tenant: Tenant) -> None:
    shown = await register(tenant, "orders-db-7", public_name="Orders <b>")
    await register(tenant, "hidden-db")
    instance.sql("update opsteward.systems set health = 'down' where id = %s", shown)
    instance.sql("insert into opsteward.health_days values (%s, %s, current_date, 100, 7, 100, 3)", tenant.id, shown)
    event = {"message": "Connection refused by shard 12", "source": "orders-db-7"}
    (await tenant.http.post("/api/v1/events", json=event)).raise_for_status()
    instance.sql("update opsteward.incidents set system_id = %s, category = 'system_error', muted = null "
                 "where tenant_id = %s", shown, tenant.id)  # fmt: skip

    answer = await browser(instance, {"/status": tenant.name}).get("/status")
    page = answer.text
    assert answer.status_code == 200 and "script" not in page
    assert "Orders &lt;b&gt;" in page and "Something does not work" in page and "93.00 % available" in page
    assert page.count("and not over yet") == 1
    assert not [word for word in (*INTERNALS, "hidden-db", shown) if word in page]
    assert "default-src 'self'" in answer.headers["content-security-policy"] and "set-cookie" not in answer.headers
    assert (await browser(instance, {"/status": tenant.name}).post("/status")).status_code in (303, 403, 405)


async def test_many_who_ask_are_answered_from_one_page(instance: Instance, tenant: Tenant) -> None:
    system = await register(tenant, "orders-db-7", public_name="Orders")
    asking = browser(instance, {"/status/shop": tenant.name})
    before = (await asking.get("/status/shop")).text
    instance.sql("update opsteward.systems set health = 'down' where id = %s", system)
    assert (await asking.get("/status/shop")).text == before


@pytest.mark.parametrize(
    ("health", "overall"),
    [
        ("healthy", "Everything works"),
        ("degraded", "Something is slower"),
        ("down", "Something does not work"),
        ("unknown", "not known at present"),
        ("overheated", "not known at present"),  # a word of a newer version that shares the database
    ],
)
async def test_each_health_has_its_words_and_one_that_has_none_is_not_known(
    instance: Instance, tenant: Tenant, health: str, overall: str
) -> None:
    shown = await register(tenant, "orders-db-7", public_name="Orders")
    instance.sql("update opsteward.systems set health = %s where id = %s", health, shown)
    answer = await browser(instance, {"/status": tenant.name}).get("/status")
    assert answer.status_code == 200 and overall in answer.text and "overheated" not in answer.text


async def test_muted_incidents_hide_no_others_and_those_of_other_systems_are_not_shown(
    instance: Instance, tenant: Tenant
) -> None:
    shown = await register(tenant, "orders-db-7", public_name="Orders")
    hidden = await register(tenant, "hidden-db")
    events = [{"message": f"Broken kind {chr(97 + n)} of thing", "source": f"s{n}"} for n in range(24)]
    for event in events:
        (await tenant.http.post("/api/v1/events", json=event)).raise_for_status()
    instance.sql("update opsteward.incidents set system_id = %s, category = 'system_error', muted = case "
                 "when source not in ('s0', 's1') then jsonb_build_object('by', 'silence', 'id', 'x', 'reason', 'y') "
                 "end where tenant_id = %s", shown, tenant.id)  # fmt: skip
    instance.sql("update opsteward.incidents set system_id = %s where tenant_id = %s and source = 's1'",
                 hidden, tenant.id)  # fmt: skip
    page = (await browser(instance, {"/status": tenant.name}).get("/status")).text
    assert page.count("and not over yet") == 1

"""One contract over every connector that holds records: what breaks is told in time as an error of ours, tells no
secret, and the same connector works again when the fault is over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
from fault_proxy import FaultProxy, fault_proxy
from real_parts import Postgres, system
from record_servers import Mariadb, Slapd
from records_api import RecordsApi, records_api

from opsteward.contracts.connector import Connector
from opsteward.contracts.records import Batch, Coverage, RecordTarget
from opsteward.core.errors import AuthFailed, BadReply, ConnectorError, RateLimited, Timeout, Unreachable
from opsteward.integrations.ldap.connector import LdapConnector
from opsteward.integrations.mysql.connector import MysqlConnector
from opsteward.integrations.postgresql.connector import PostgresConnector
from opsteward.integrations.rest.connector import RestConnector
from opsteward.integrations.scim.connector import ScimConnector
from opsteward.systems.record_connections import GuardedRecords, retry_pause

SECRET = "pl4nted-secret"
KINDS = ["ldap", "mysql", "postgresql", "scim", "rest"]
CALL_TIMEOUT = 0.3  # of what is to fail


@dataclass
class Case:
    """One kind of system, behind the proxy."""

    make: Callable[..., Connector[Any]]
    proxy: FaultProxy

    def guarded(self, *, tries: int = 1, timeout: float = 10.0, **credentials: str) -> GuardedRecords:
        return GuardedRecords(lambda: self.make(**credentials), call_timeout=timeout, tries=tries)


@pytest.fixture(scope="module")
async def api() -> AsyncIterator[RecordsApi]:
    async with records_api() as running:
        running.fill(4)
        yield running


@pytest.fixture(params=KINDS)
async def case(request: pytest.FixtureRequest, api: RecordsApi) -> AsyncIterator[Case]:
    endpoint, kind, settings, credentials = _system(request, api)
    async with fault_proxy(int(urlsplit(endpoint).port or 0)) as proxy:
        moved = endpoint.replace(f":{urlsplit(endpoint).port}", f":{proxy.port}")
        target = system(moved, connect_timeout_seconds=5, timeout_seconds=5, **settings)

        def make(**other: str) -> Connector[Any]:
            return kind(kind.config_for(target, credentials | other))

        yield Case(make, proxy)


def _system(request: pytest.FixtureRequest, api: RecordsApi) -> tuple[str, Any, dict[str, Any], dict[str, str]]:
    table = {"resources": {"people": {"table": "faults", "key": "id"}}}
    if request.param == "ldap":
        slapd: Slapd = request.getfixturevalue("slapd")
        people = {"people": {"filter": "(objectClass=*)", "key": "ou"}}
        login = {"username": "cn=admin,dc=example,dc=org", "password": "admin-secret"}
        return slapd.endpoint, LdapConnector, {"resources": people}, login
    if request.param == "mysql":
        mariadb: Mariadb = request.getfixturevalue("mariadb")
        mariadb.sql(
            "use shop; create table if not exists faults (id int primary key);"
            " insert ignore into faults select seq from seq_1_to_50;"
            "create or replace user fault identified by 'f'; grant all on shop.* to fault"
        )
        return mariadb.endpoint, MysqlConnector, table, {"username": "fault", "password": "f"}
    if request.param == "postgresql":
        postgres: Postgres = request.getfixturevalue("postgres")
        with psycopg.connect(postgres.dsn(), autocommit=True) as admin:
            admin.execute("create table if not exists faults (id int primary key)")
            admin.execute(
                "insert into faults select generate_series(1, 50) on conflict do nothing; grant all on faults to locked"
            )
        return postgres.endpoint(), PostgresConnector, table, {"username": "locked", "password": "right-password"}
    if request.param == "scim":
        base: str = request.getfixturevalue("scim_base")
        for number in range(5):
            user = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": f"fault{number}"}
            httpx.post(f"{base}/v2/Users", json=user, headers={"Content-Type": "application/scim+json"})
        return base, ScimConnector, {"resources": {"people": {"path": "Users"}}}, {"token": SECRET}
    return api.endpoint, RestConnector, {"resources": {"people": {"path": "none"}}}, {"token": SECRET}


async def read(via: RecordTarget) -> Batch:
    return [batch async for batch in via.read("people")][-1]


async def fails(via: RecordTarget) -> ConnectorError:
    started = time.monotonic()
    with pytest.raises(ConnectorError) as raised:
        await read(via)
    assert time.monotonic() - started < 5, "the failure took too long"
    assert SECRET not in f"{raised.value} {raised.value.extra} {raised.value.__cause__!r}"
    return raised.value


@pytest.mark.parametrize("mode", ["silent", "half_open", "truncate", "drip", "refuse"])
async def test_a_broken_connection_is_told_in_time_and_mended(case: Case, mode: str) -> None:
    via = case.guarded(timeout=CALL_TIMEOUT)
    case.proxy.mode = mode
    error = await fails(via)
    expected = (Timeout,) if mode in {"silent", "half_open", "drip"} else (Timeout, Unreachable, BadReply)
    assert isinstance(error, expected), error
    await via.close()
    case.proxy.mode = "pass"
    case.proxy.break_connections()
    via = case.guarded()
    assert (await read(via)).coverage in {Coverage.FULL, Coverage.PARTIAL}
    await via.close()


async def test_a_list_that_breaks_off_at_any_byte_is_never_whole(case: Case) -> None:
    whole = case.guarded()
    named = [await read_all(whole), await read_all(whole)][1]
    await whole.close()
    case.proxy.passed = 0
    via = case.guarded()
    assert await read_all(via) == named and len(named) > 3
    await via.close()
    total = case.proxy.passed
    case.proxy.mode = "cut"
    for cut in sorted({1, *(total * part // 8 for part in range(1, 8)), total - 20, total - 2}):
        case.proxy.bytes_left = cut
        via = case.guarded(timeout=3.0)
        try:
            batches = [batch async for batch in via.read("people")]
        except ConnectorError:
            continue
        finally:
            await via.close()
        found = {record.native_id for batch in batches for record in batch.upserts}
        assert batches[-1].coverage is not Coverage.FULL or found == named, f"{cut} of {total} bytes"


async def read_all(via: RecordTarget) -> set[str]:
    batches = [batch async for batch in via.read("people")]
    assert batches[-1].coverage is Coverage.FULL, batches[-1]
    return {record.native_id for batch in batches for record in batch.upserts}


async def test_a_connection_lost_between_two_calls_is_made_anew_without_anybody_noticing(case: Case) -> None:
    via = case.guarded(tries=3)
    await read(via)
    case.proxy.break_connections()
    await asyncio.sleep(0)
    assert (await read(via)).coverage in {Coverage.FULL, Coverage.PARTIAL}
    await via.close()


async def test_lost_credentials_are_told_once_and_not_tried_again(case: Case, api: RecordsApi) -> None:
    if case.make().__class__ is ScimConnector:
        pytest.skip("the test's SCIM server takes every token")
    api.status = 401
    try:
        via = case.guarded(tries=3, password=SECRET)
        before = len(api.calls)
        error = await fails(via)
        assert isinstance(error, AuthFailed) and len(api.calls) - before <= 1
        assert isinstance(via.failure, AuthFailed)
        await via.close()
    finally:
        api.status = None


async def test_a_server_that_asks_to_wait_is_asked_again_when_it_said(api: RecordsApi) -> None:
    target = system(api.endpoint, resources={"people": {"path": "none"}})
    via = GuardedRecords(lambda: RestConnector(RestConnector.config_for(target, {})), tries=2)
    api.status, api.retry_after = 429, "1"
    reading = asyncio.create_task(read(via))
    await asyncio.sleep(0.3)
    api.status = None
    started = time.monotonic()
    assert (await reading).coverage is Coverage.FULL
    assert 0.4 < time.monotonic() - started < 2
    assert via.failure is None


def test_what_would_fail_again_is_not_tried_again() -> None:
    assert retry_pause(AuthFailed("x"), 1) is None and retry_pause(BadReply("x"), 1) is None
    assert retry_pause(RateLimited("x", extra={"retry_after": 3600}), 1) is None
    assert retry_pause(Unreachable("x", extra={"kind": "policy"}), 1) is None
    assert retry_pause(RateLimited("x", extra={"retry_after": 5}), 1) == 5
    assert 0 < (retry_pause(Timeout("x"), 1) or 0) <= 1

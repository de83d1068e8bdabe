"""Connections to PostgreSQL: leaked, refused, full, and what our own session may."""

from __future__ import annotations

import asyncio
import json

import pytest
from postgresql_sessions import Look, hold_open, mend, outcomes, proposed, run
from real_parts import Postgres, Sessions, eventually, system

from opsteward.contracts.check import CheckStatus
from opsteward.integrations.postgresql.actions import (
    SessionIdentity,
)
from opsteward.integrations.postgresql.backend_sessions import instant, mask_literals
from opsteward.integrations.postgresql.connector import PostgresConnector


async def test_idle_in_transaction_is_found_and_ended(sessions: Sessions, look: Look) -> None:
    root = await hold_open(sessions)
    via = look(idle_in_transaction_seconds=0.05)

    async def found() -> bool:
        return bool((await run("postgresql.idle_in_transaction", via)).findings)

    await eventually(found)
    result = await run("postgresql.idle_in_transaction", via)
    (finding,) = result.findings
    assert (result.status, finding.type, finding.cause_rank) == (CheckStatus.WARN, "idle_in_transaction", 2)
    ended, proof = await mend(via, proposed(finding))
    assert outcomes(ended) == ["terminated"] and proof.ok
    assert not await sessions.alive(root.info.backend_pid)
    assert (await run("postgresql.idle_in_transaction", look())).status is CheckStatus.PASS


async def test_long_statements_are_reported_only(sessions: Sessions, look: Look) -> None:
    worker = await sessions.open()
    sessions.run(worker, "select pg_sleep(30), 'secret-text'")
    via = look(long_query_seconds=0.05)

    async def found() -> bool:
        return bool((await run("postgresql.long_queries", via)).findings)

    await eventually(found)
    (finding,) = (await run("postgresql.long_queries", via)).findings
    assert not finding.fixes
    assert "secret-text" not in json.dumps(dict(finding.evidence))


async def test_leaked_connections_are_found_and_only_they_are_ended(sessions: Sessions, look: Look) -> None:
    leaked = [await sessions.open("shop_limited", "shop-report") for _ in range(5)]
    working = [await sessions.open("shop_limited", "shop-web") for _ in range(3)]
    via = look(leak_idle_seconds=0.3)
    stop = asyncio.Event()

    async def keep_working() -> None:
        while not stop.is_set():
            for connection in working:
                await connection.execute("select 1")
            await asyncio.sleep(0.02)

    traffic = asyncio.create_task(keep_working())
    try:

        async def found() -> bool:
            findings = (await run("postgresql.connections", via)).findings
            return any(f.type == "connection_leak" and f.evidence["held"] == 5 for f in findings)

        await eventually(found)
        result = await run("postgresql.connections", via)
        findings = {f.type: f for f in result.findings}
        assert result.status is CheckStatus.FAIL
        assert findings["connection_saturation"].evidence["slots"] == 8
        leak = findings["connection_leak"]
        assert (leak.cause_rank, leak.component) == (1, "role shop_limited, shop-report")
        params = proposed(leak)
        assert {s.pid for s in params.sessions} == {c.info.backend_pid for c in leaked}
        ended, proof = await mend(via, params)
        assert outcomes(ended) == ["terminated"] * 5
        assert proof.ok
        assert (await run("postgresql.connections", via)).status is CheckStatus.PASS
        again, proof = await mend(via, params)
        assert outcomes(again) == ["already_gone"] * 5 and proof.ok
    finally:
        stop.set()
        await traffic
    assert all([await sessions.alive(c.info.backend_pid) for c in working])


async def test_a_leaked_connection_that_is_used_again_is_left_alone(sessions: Sessions, look: Look) -> None:
    held = [await sessions.open("shop_limited", "shop-report") for _ in range(8)]
    via = look(leak_idle_seconds=0.1)

    async def found() -> bool:
        result = await run("postgresql.connections", via)
        return any(f.type == "connection_leak" and f.evidence["held"] == 8 for f in result.findings)

    await eventually(found)
    (leak,) = [f for f in (await run("postgresql.connections", via)).findings if f.type == "connection_leak"]
    params = proposed(leak)
    await held[3].execute("select 1")
    ended, proof = await mend(via, params)
    used = held[3].info.backend_pid
    assert {s.pid for s in ended.sessions if s.outcome == "left_alone"} == {used}
    assert proof.ok
    assert await sessions.alive(used)


async def test_a_full_limit_in_use_is_saturation_and_no_leak(sessions: Sessions, look: Look) -> None:
    for _ in range(7):
        await sessions.open("shop_limited")
    result = await run("postgresql.connections", look(leak_idle_seconds=60))
    assert result.status is CheckStatus.WARN
    await sessions.open("shop_limited")
    result = await run("postgresql.connections", look(leak_idle_seconds=60))
    assert result.status is CheckStatus.FAIL
    assert [f.type for f in result.findings] == ["connection_saturation"]


async def test_being_refused_for_lack_of_connections_is_the_finding(sessions: Sessions, look: Look) -> None:
    for _ in range(8):
        await sessions.open("shop_limited")
    result = await run("postgresql.connections", look("shop_limited"))
    assert result.status is CheckStatus.FAIL
    assert [f.type for f in result.findings] == ["connection_saturation"]
    result = await run("postgresql.connect", look("shop_limited"))
    assert result.status is CheckStatus.FAIL
    assert result.evidence["kind"] == "too_many_connections"


async def test_connect_and_probe(look: Look, postgres: Postgres) -> None:
    result = await run("postgresql.connect", look())
    assert result.status is CheckStatus.PASS
    assert result.seconds is not None and result.seconds < 2
    assert (await look().probe()).version.startswith("18")
    by_socket = system(f"postgresql:///shop?host={postgres.socket_dir}&port={postgres.port}")
    via = PostgresConnector(PostgresConnector.config_for(by_socket, {"username": "monitor"}))
    assert (await via.probe()).reachable
    await via.close()


async def test_our_session_can_not_write(look: Look) -> None:
    rows = await look().rows("select current_setting('default_transaction_read_only') as ro", shape=dict)
    assert rows == [{"ro": "on"}]


@pytest.mark.parametrize(
    ("role", "password", "kind"),
    [("locked", "s3cret-wrong", "auth"), ("locked", "", "auth"), ("nobody_here", "s3cret-wrong", "auth")],
)
async def test_refused_sign_in_fails_and_tells_no_secret(look: Look, role: str, password: str, kind: str) -> None:
    result = await run("postgresql.connect", look(role, password))
    assert result.status is CheckStatus.FAIL
    assert result.evidence["kind"] == kind
    assert "s3cret" not in repr(result)


async def test_the_right_password_works_and_our_environment_is_not_used(
    look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await run("postgresql.connect", look("locked", "right-password"))).status is CheckStatus.PASS
    monkeypatch.setenv("PGPASSWORD", "right-password")
    assert (await run("postgresql.connect", look("locked"))).status is CheckStatus.FAIL


async def test_a_database_that_does_not_exist(postgres: Postgres) -> None:
    target = system(postgres.endpoint("nonesuch"))
    via = PostgresConnector(PostgresConnector.config_for(target, {"username": "monitor"}))
    result = await run("postgresql.connect", via)
    assert result.evidence["kind"] == "no_database"


def test_literals_are_masked_and_instants_exact() -> None:
    assert mask_literals("alter role x password 'it''s secret'") == "alter role x password '?'"
    assert mask_literals("select $a$ secret $a$, 1") == "select '?', 1"
    assert mask_literals("select 'cut off secr") == "select '?'"
    me = SessionIdentity.model_validate({"pid": 1, "backend_start": "2026-01-01T02:00:00.000001+02:00"})
    assert instant(me.backend_start) == "2026-01-01T00:00:00.000001+00:00"

"""The MCP server by the SDK's own client, over both transports: list, call, refusal, approval, progress, resources."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx
import pytest
from mcp import ClientSession, MCPError, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.types import INVALID_PARAMS

from support.live import Live, LiveOperator, LiveTenant
from support.problems import problem_of
from support.target import settled

Connect = Callable[[LiveOperator], AbstractAsyncContextManager[ClientSession]]
WORK = {"type": "crm.lead_scoring", "parameters": {"lead_data": {"role": "CTO", "engagement_score": 75}}}


@asynccontextmanager
async def on_stdio(operator: LiveOperator) -> AsyncIterator[ClientSession]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("OPSTEWARD_")}
    env = {**kept, "OPSTEWARD_URL": operator.url, "OPSTEWARD_TOKEN": operator.token}
    server = StdioServerParameters(command=sys.executable, args=["-m", "opsteward", "mcp"], env=env)
    async with stdio_client(server) as streams, ClientSession(*streams) as session:
        await session.initialize()
        yield session


@asynccontextmanager
async def over_http(operator: LiveOperator) -> AsyncIterator[ClientSession]:
    async with (
        create_mcp_http_client({"Authorization": f"Bearer {operator.token}"}) as http,
        streamable_http_client(f"{operator.url}/mcp", http_client=http) as streams,
        ClientSession(*streams) as session,
    ):
        await session.initialize()
        yield session


def text_of(result: Any) -> str:
    return "".join(one.text for one in result.content)


def told(result: Any) -> Any:
    assert not result.is_error, text_of(result)
    return json.loads(text_of(result))


@pytest.mark.slow(reason="starts the command twice for standard input and output")
@pytest.mark.parametrize("connect", [on_stdio, over_http])
async def test_a_client_sees_calls_and_is_refused_as_its_token_is(
    live: Live, company: LiveTenant, second: LiveOperator, connect: Connect
) -> None:
    async with connect(company.owner) as session:
        tools = {one.name: one for one in (await session.list_tools()).tools}
        assert {"list_incidents", "request_action", "approve_action", "run_work", "search_runbooks"} <= set(tools)
        assert all(one.description and one.annotations is not None for one in tools.values())
        assert tools["get_incident"].input_schema["required"] == ["incident_id"]
        assert tools["list_systems"].annotations.read_only_hint and not tools["run_work"].annotations.read_only_hint
        systems = told(await session.call_tool("list_systems", {}))["items"]
        assert [one["name"] for one in systems] == ["visited"]
        asked = {"action": "postgresql.analyze", "params": {}, "reason": "to see"}
        refused = await session.call_tool("request_action", asked)
        assert refused.is_error and "action" in text_of(refused)
        change = {"replaces": 0, "summary": "Another matrix", "rows": "[]"}
        asked = {"action": "crew.change_matrix", "params": change, "reason": "it waits for a person"}
        action_id = told(await session.call_tool("request_action", asked))["id"]
        await asyncio.to_thread(settled, company.owner, action_id, "awaiting_approval")
        (waiting,) = told(await session.call_tool("list_approvals", {}))["items"]
        decision = {"approval_id": waiting["id"], "plan_hash": waiting["plan_hash"], "reason": "mine"}
        not_by_oneself = await session.call_tool("approve_action", decision)
        assert not_by_oneself.is_error and "can't approve it" in text_of(not_by_oneself)
        wrong = await session.call_tool("get_incident", {"incident_id": "nonsense"})
        assert wrong.is_error and "is no id" in text_of(wrong)
        assert "visited" in (await session.read_resource("opsteward://systems")).contents[0].text
        one = await session.read_resource(f"opsteward://systems/{systems[0]['id']}")
        assert json.loads(one.contents[0].text)["name"] == "visited"
        runbooks = json.loads((await session.read_resource("opsteward://runbooks")).contents[0].text)
        assert runbooks.keys() == {"systems", "documents"}
        seen: list[float] = []

        async def progressed(progress: float, total: float | None, message: str | None) -> None:
            seen.append(progress)

        task_id = told(await session.call_tool("run_work", WORK))["task_id"]
        done = told(await session.call_tool("wait_for_work", {"task_id": task_id}, progress_callback=progressed))
        assert (done["status"], done["engine"], seen[-1]) == ("completed", "rules", 100)
    async with connect(second) as session:
        assert told(await session.call_tool("approve_action", decision))
        denied = await session.call_tool("run_work", WORK)
        assert denied.is_error and "crew.run" in text_of(denied)
    approved_by = live.sql(
        "select o.name from opsteward.audit_entries a join opsteward.operators o on a.actor = 'operator:' || o.id"
        " where a.tenant_id = %s and a.verb like '%%approved%%' and a.object_id in (%s, %s)",
        company.id, action_id, waiting["id"],
    )  # fmt: skip
    assert approved_by == [("grace",)]


async def test_a_mistake_is_told_in_our_own_words(company: LiveTenant) -> None:
    async with over_http(company.owner) as session:
        for asked, words in (
            ({"limit": "many"}, "Error executing tool list_incidents: limit: "),
            ({"limit": 0}, "Error executing tool list_incidents: limit: "),
        ):
            wrong = await session.call_tool("list_incidents", asked)
            assert wrong.is_error and text_of(wrong).startswith(words) and "http" not in text_of(wrong), text_of(wrong)
        wrong = await session.call_tool("request_action", {})
        assert "action: is missing (add it); params: is missing (add it)" in text_of(wrong)
        wrong = await session.call_tool("run_work", {"type": "nothing", "parameters": {}})
        assert text_of(wrong).count("there is no type of work") == 1
        for uri, told_of in (("incidents/nope", "'nope' is no id"), (f"systems/{uuid4()}", "no system of this id")):
            with pytest.raises(MCPError, match=told_of) as missing:
                await session.read_resource(f"opsteward://{uri}")
            assert missing.value.error.code == INVALID_PARAMS


async def test_messages_at_once_are_each_their_own_sender_s(live: Live, company: LiveTenant) -> None:
    other = live.tenant(f"other-{company.name}")
    async with over_http(company.owner) as ours, over_http(other.owner) as theirs:
        calls = [one.call_tool("list_systems", {}) for _ in range(20) for one in (ours, theirs)]
        found = [[one["name"] for one in told(result)["items"]] for result in await asyncio.gather(*calls)]
    assert found == [["visited"], []] * 20


def test_only_an_api_token_is_a_credential_and_other_sites_are_refused(company: LiveTenant) -> None:
    hello = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    owner = company.owner.http
    assert problem_of(httpx.post(f"{company.owner.url}/mcp", json=hello), 401)
    assert problem_of(httpx.post(f"{company.owner.url}/mcp", json=hello, headers={"Authorization": "Bearer x"}), 401)
    assert problem_of(owner.get("/mcp"), 405)
    assert problem_of(owner.post("/mcp", json=hello, headers={"Origin": "https://elsewhere.example"}), 403)
    assert owner.post("/mcp", content=b"{", headers={"Content-Type": "application/json"}).status_code == 400


def test_an_idle_instance_does_not_import_the_sdk() -> None:
    code = "import sys, opsteward.app.serve; print([m for m in ('mcp', 'httpx', 'httpx2') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"

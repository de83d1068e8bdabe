"""The MCP server over standard input and output, by the SDK's own client: list, call, refusal, approval, resources."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import pytest
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

from support.live import Live, LiveOperator, LiveTenant
from support.target import settled


def server(operator: LiveOperator) -> StdioServerParameters:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("OPSTEWARD_")}
    env = {**kept, "OPSTEWARD_URL": operator.url, "OPSTEWARD_TOKEN": operator.token}
    return StdioServerParameters(command=sys.executable, args=["-m", "opsteward", "mcp"], env=env)


def text_of(result: Any) -> str:
    return "".join(one.text for one in result.content)


@pytest.mark.slow(reason="starts the command twice")
async def test_a_client_sees_calls_and_is_refused_as_its_token_is(live: Live, company: LiveTenant) -> None:
    async with stdio_client(server(company.owner)) as streams, ClientSession(*streams) as session:
        await session.initialize()
        tools = {one.name: one for one in (await session.list_tools()).tools}
        assert {"list_incidents", "request_action", "approve_action", "run_work"} <= set(tools)
        assert all(one.description for one in tools.values())
        assert tools["get_incident"].input_schema["required"] == ["incident_id"]
        found = json.loads(text_of(await session.call_tool("list_systems", {})))
        assert [one["name"] for one in found["items"]] == ["visited"]
        asked = {"action": "postgresql.analyze", "params": {}, "reason": "to see"}
        refused = await session.call_tool("request_action", asked)
        assert refused.is_error and "action" in text_of(refused)
        change = {"replaces": 0, "summary": "Another matrix", "rows": "[]"}
        asked = {"action": "crew.change_matrix", "params": change, "reason": "it waits for a person"}
        action_id = json.loads(text_of(await session.call_tool("request_action", asked)))["id"]
        settled(company.owner, action_id, "awaiting_approval")
        (waiting,) = json.loads(text_of(await session.call_tool("list_approvals", {})))["items"]
        own = {"approval_id": waiting["id"], "plan_hash": waiting["plan_hash"], "reason": "mine"}
        not_by_oneself = await session.call_tool("approve_action", own)
        assert not_by_oneself.is_error and "can't approve it" in text_of(not_by_oneself)
        wrong = await session.call_tool("get_incident", {"incident_id": "nonsense"})
        assert wrong.is_error
        resource = await session.read_resource("opsteward://systems")
        assert "visited" in resource.contents[0].text
    viewer = live.operator(company, "vera", "viewer")
    async with stdio_client(server(viewer)) as streams, ClientSession(*streams) as session:
        await session.initialize()
        assert not (await session.call_tool("list_incidents", {})).is_error
        denied = await session.call_tool("request_action", {"action": "log_only", "params": {}, "reason": "x"})
        assert denied.is_error and "actions.request" in text_of(denied)

"""`opsteward mcp`: the MCP server on standard input and output, asking an instance by HTTP."""

from __future__ import annotations

from typing import Any

from opsteward.cli.client import CallFailed, Client, NoInstance
from opsteward.client.connection import Call
from opsteward.client.mcp_tools import build_server
from opsteward.core.blocking_calls import in_thread


def serve(client: Client) -> None:
    """Until standard input ends."""

    async def send(call: Call[Any]) -> Any:
        try:
            return await in_thread(client.send, call)
        except NoInstance as error:
            raise CallFailed(503, {"detail": str(error), "remedy": error.remedy}) from None

    build_server(send).run("stdio")

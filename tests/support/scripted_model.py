"""A server with OpenAI's interface, over real HTTP, that does what a script says: answers, calls tools, and misbehaves.

A script is a function from the request (and how many came before) to a `Reply`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

Request = dict[str, Any]


@dataclass(frozen=True)
class Reply:
    """What is sent back. `raw` instead of a completion; `breaks_off` after so many bytes of the body."""

    text: str | None = None
    calls: tuple[tuple[str, Any], ...] = ()
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    delay: float = 0.0
    breaks_off: int | None = None
    usage: dict[str, int] | None = field(default_factory=lambda: {"prompt_tokens": 100, "completion_tokens": 20})


Script = Callable[[Request, int], Reply]


def finding(analysis: str = "All is well.", **fields: Any) -> Reply:
    """The end that every agent comes to."""
    return Reply(calls=(("final_result", {"analysis": analysis, **fields}),))


def said(request: Request) -> str:
    """Everything in the request, as one text."""
    return json.dumps(request["messages"], ensure_ascii=False)


def tool_names(request: Request) -> list[str]:
    return [one["function"]["name"] for one in request.get("tools", [])]


def tool_replies(request: Request) -> list[str]:
    return [str(one["content"]) for one in request["messages"] if one["role"] == "tool"]


@dataclass
class ScriptedModel:
    """The running server; `requests` are those that came, `at_once` the most at a time."""

    url: str
    script: Script
    requests: list[Request] = field(default_factory=list)
    open: int = 0
    at_once: int = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        length = next(
            int(line.split(":")[1]) for line in head.splitlines() if line.lower().startswith("content-length")
        )
        request = json.loads(await reader.readexactly(length))
        self.requests.append(request)
        self.open += 1
        self.at_once = max(self.at_once, self.open)
        try:
            reply = self.script(request, len(self.requests) - 1)
            await asyncio.sleep(reply.delay)
        finally:
            self.open -= 1
        body = reply.raw if reply.raw is not None else json.dumps(_completion(request, reply)).encode()
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), **reply.headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(f"HTTP/1.1 {reply.status} Scripted\r\n{lines}\r\n".encode())
        writer.write(body if reply.breaks_off is None else body[: reply.breaks_off])
        await writer.drain()
        return reply.breaks_off is None


def _completion(request: Request, reply: Reply) -> dict[str, Any]:
    if reply.status != 200:
        return {"error": {"message": "scripted", "type": "scripted", "code": None}}
    calls = [
        {
            "id": f"call_{number}_{len(request['messages'])}",
            "type": "function",
            "function": {"name": name, "arguments": given if isinstance(given, str) else json.dumps(given)},
        }
        for number, (name, given) in enumerate(reply.calls)
    ]
    message = {"role": "assistant", "content": reply.text, **({"tool_calls": calls} if calls else {})}
    usage = reply.usage and {**reply.usage, "total_tokens": sum(reply.usage.values())}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": request["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls" if calls else "stop"}],
        **({"usage": usage} if usage else {}),
    }


@asynccontextmanager
async def scripted_model(script: Script) -> AsyncIterator[ScriptedModel]:
    """A server on a free port of this machine."""
    model = ScriptedModel(url="", script=script)
    server = await asyncio.start_server(model.handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    model.url = f"http://127.0.0.1:{port}/v1"
    try:
        yield model
    finally:
        server.close()

"""A server with watsonx.ai's chat interface and IBM's exchange of a key for a token, over real HTTP; as strict as they
are with what they don't know."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

KEY, PROJECT = "an-api-key", "a-project"
_KNOWN = {"model_id", "project_id", "messages", "tools", "tool_choice", "tool_choice_option", "max_tokens"}


@dataclass
class ScriptedWatsonx:
    """`tokens`: how many were given; `taken`: the one that is taken now; `calls`: the bodies that were answered."""

    url: str = ""
    expires_in: float = 3600
    tokens: int = 0
    taken: str = ""
    calls: list[dict[str, Any]] = field(default_factory=list)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
                body = await reader.readexactly(int(headers["content-length"]))
                status, answer = self._answer(lines[0].split(" ")[1], headers, body.decode())
                sent = json.dumps(answer).encode()
                writer.write(
                    f"HTTP/1.1 {status} Scripted\r\nContent-Type: application/json\r\n"
                    f"Content-Length: {len(sent)}\r\n\r\n".encode()
                    + sent
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    def _answer(self, target: str, headers: dict[str, str], body: str) -> tuple[int, dict[str, Any]]:
        where = urlsplit(target)
        if where.path == "/identity/token":
            form = parse_qs(body)
            if form != {"grant_type": ["urn:ibm:params:oauth:grant-type:apikey"], "apikey": [KEY]}:
                return 400, {"errorCode": "BXNIM0415E"}
            self.tokens += 1
            self.taken = f"token-{self.tokens}"
            return 200, {"access_token": self.taken, "expires_in": self.expires_in, "token_type": "Bearer"}
        if where.path != "/ml/v1/text/chat" or "version" not in parse_qs(where.query):
            return 404, {"errors": [{"code": "not_found"}]}
        if headers.get("authorization") != f"bearer {self.taken}":
            return 401, {"errors": [{"code": "authentication_token_expired"}]}
        asked = json.loads(body)
        if problem := self._problem(asked):
            return 400, {"errors": [{"code": "invalid_request_entity", "message": problem}]}
        self.calls.append(asked)
        return 200, _completion(asked)

    @staticmethod
    def _problem(asked: dict[str, Any]) -> str:
        if unknown := asked.keys() - _KNOWN:
            return f"unknown {unknown}"
        if asked.get("project_id") != PROJECT or not asked.get("model_id"):
            return "no project or model"
        if isinstance(asked.get("tool_choice"), str):
            return "tool_choice is an object"
        if any(name in json.dumps(asked.get("tools", [])) for name in ('"strict"', '"additionalProperties"')):
            return "a field of a tool is not known"
        return ""


def _completion(asked: dict[str, Any]) -> dict[str, Any]:
    call = {"name": "final_result", "arguments": json.dumps({"analysis": "Said by watsonx."})}
    message = {"role": "assistant", "tool_calls": [{"id": "call_1", "type": "function", "function": call}]}
    return {
        "id": "chat-1",
        "model_id": asked["model_id"],
        "created": 1_700_000_000,
        "created_at": "2023-11-14T22:13:20.000Z",
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
    }


@asynccontextmanager
async def scripted_watsonx() -> AsyncIterator[ScriptedWatsonx]:
    """On a free port of this machine."""
    found = ScriptedWatsonx()
    server = await asyncio.start_server(found.handle, "127.0.0.1", 0)
    found.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield found
    finally:
        server.close()

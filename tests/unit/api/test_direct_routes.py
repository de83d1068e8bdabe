"""A function that is called directly gets and gives what FastAPI would have it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Literal

import httpx
import pytest
from fastapi import Depends, FastAPI, Path, Request
from fastapi.responses import PlainTextResponse

from opsteward.api.routes import Routes, called_directly
from opsteward.core.errors import Denied


@dataclass(frozen=True)
class Short:
    number: str


@dataclass(frozen=True)
class Long(Short):
    host: str
    body: str


calls: list[str] = []


async def _host(request: Request) -> str:
    calls.append("host")
    return request.headers["host"]


async def _visitor(host: Annotated[str, Depends(_host)], request: Request) -> str:
    if "x-stranger" in request.headers:
        raise Denied("a stranger")
    return f"{host} by {request.method}"


def _taking() -> Callable[..., Awaitable[Long | Short]]:
    """A function of its own each time: what is said of one is not said of the other."""

    async def take(
        number: Annotated[str, Path(pattern="^[0-9]{1,3}$")],
        request: Request,
        visitor: Annotated[str, Depends(_visitor)],
        host: Annotated[str, Depends(_host)],
        detail: Literal["full", "none"] = "full",
    ) -> Long | Short:
        body = (await request.body()).decode()
        return Long(number, f"{visitor}, {host}", body) if detail == "full" else Short(number)

    return take


def _app() -> FastAPI:
    router = Routes(prefix="/to")
    router.post("/usual/{number}", status_code=202)(_taking())
    router.post("/direct/{number}", status_code=202)(called_directly(_taking()))
    app = FastAPI()
    app.include_router(router)

    @app.exception_handler(Denied)
    async def denied(request: Request, error: Denied) -> PlainTextResponse:
        return PlainTextResponse(str(error), status_code=403)

    return app


@pytest.mark.parametrize("path", ["12", "12?detail=none", "12?detail=full&more=1", "12?detail=some", "1234", "a"])
@pytest.mark.parametrize("headers", [{}, {"x-stranger": "yes"}])
async def test_it_answers_as_fastapi_does(path: str, headers: dict[str, str]) -> None:
    transport = httpx.ASGITransport(_app())
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
        usual = await client.post(f"/to/usual/{path}", content=b"text", headers=headers)
        calls.clear()
        direct = await client.post(f"/to/direct/{path}", content=b"text", headers=headers)
    assert (direct.status_code, direct.content, direct.headers) == (usual.status_code, usual.content, usual.headers)
    assert calls == ["host"]  # once for both that need it


async def test_what_is_taken_directly_is_taken() -> None:
    transport = httpx.ASGITransport(_app())
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
        answer = await client.post("/to/direct/7", content=b"text")
    assert (answer.status_code, answer.json()) == (202, {"number": "7", "host": "here by POST, here", "body": "text"})

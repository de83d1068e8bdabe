"""A small HTTP API that holds records, with every kind of paging, and that can misbehave on demand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

PAGE = 3


@dataclass
class RecordsApi:
    """`status` answers everything while it is set; `lost` records are left out of pages but counted."""

    port: int = 0
    people: dict[str, dict[str, Any]] = field(default_factory=dict)
    status: int | None = None
    retry_after: str = ""
    lost: int = 0
    calls: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    elsewhere: str = ""

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}/api"

    def fill(self, count: int) -> None:
        self.people = {str(n): {"id": n, "name": f"p{n}", "on": True} for n in range(1, count + 1)}

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.calls.append((request.method, request.path_qs, dict(request.headers)))
        if self.status is not None:
            headers = {"Retry-After": self.retry_after} if self.retry_after else {}
            return web.Response(status=self.status, text='{"detail": "no"}', headers=headers)
        if request.path == "/api/token":
            return web.json_response({"access_token": "granted", "expires_in": 60})
        name = request.match_info.get("id", "")
        if name:
            return await self._one(request, name)
        if request.method == "POST":
            return await self._create(request)
        return self._page(request)

    async def _create(self, request: web.Request) -> web.Response:
        body = await request.json()
        if any(one["name"] == body.get("name") for one in self.people.values()):
            return web.json_response({"detail": "name is taken"}, status=409)
        number = max(map(int, self.people), default=0) + 1
        self.people[str(number)] = {"id": number, **body}
        return web.json_response(self.people[str(number)], status=201)

    async def _one(self, request: web.Request, name: str) -> web.Response:
        if name not in self.people:
            return web.json_response({}, status=404)
        if request.method == "DELETE":
            del self.people[name]
            return web.Response(status=204)
        if request.method in {"PATCH", "PUT"}:
            self.people[name] |= await request.json()
        return web.json_response(self.people[name])

    def _page(self, request: web.Request) -> web.Response:
        everyone = list(self.people.values())[: len(self.people) - self.lost]
        kind, query = request.match_info["kind"], request.query
        at = {"page": (int(query.get("page", 1)) - 1) * PAGE, "offset": int(query.get("offset", 0))}.get(
            kind, int(query.get("cursor", 0))
        )
        if kind == "none":
            return web.json_response(everyone)
        part = everyone[at : at + PAGE]
        more = at + PAGE < len(everyone)
        body: dict[str, Any] = {"data": {"items": part}, "meta": {"total": len(self.people)}}
        following = f"{self.elsewhere or self.endpoint}/{kind}?cursor={at + PAGE}"
        headers = {}
        if kind == "cursor" and more:
            body["meta"]["next"] = at + PAGE
        if kind == "circle":
            body["meta"]["next"] = 3
        if kind == "next_url" and more:
            body["meta"]["next"] = following
        if kind == "link" and more:
            headers["Link"] = f'<{self.endpoint}/x>; rel="first", <{following}>; rel="next"'
        return web.json_response(body, headers=headers)


@asynccontextmanager
async def records_api() -> AsyncIterator[RecordsApi]:
    api = RecordsApi()
    app = web.Application()
    app.router.add_route("*", "/api/{kind}", api.handle)
    app.router.add_route("*", "/api/{kind}/{id}", api.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    api.port = runner.addresses[0][1]
    try:
        yield api
    finally:
        await runner.cleanup()

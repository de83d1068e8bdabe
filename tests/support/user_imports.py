"""How tests send users and read what came of it."""

from __future__ import annotations

from typing import Any

import httpx

from support.instance import Tenant

URL = "/api/v1/users/bulk-import"


def person(name: str, **more: Any) -> dict[str, Any]:
    return {"username": name, "email": f"{name}@example.com", "full_name": name.title(), **more}


async def send(tenant: Tenant, users: list[Any], **options: Any) -> dict[str, Any]:
    answer = await tenant.http.post(URL, json={"users": users, **options})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def send_file(tenant: Tenant, content: str | bytes, kind: str = "text/csv", **query: Any) -> httpx.Response:
    data = content.encode() if isinstance(content, str) else content
    return await tenant.http.post(URL, content=data, headers={"Content-Type": kind}, params=query)


async def users_of(tenant: Tenant) -> dict[str, dict[str, Any]]:
    items = (await tenant.http.get("/api/v1/users", params={"limit": 200})).json()["items"]
    return {one["username"]: one for one in items}


def problems(report: dict[str, Any], kind: str = "errors") -> list[tuple[int, str]]:
    return [(one["row"], one["field"]) for one in report[kind]]

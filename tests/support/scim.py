"""SCIM as an identity provider speaks it: one client, and users and groups to send."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx

from support.instance import Tenant

ROOT = "/scim/v2"
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
MESSAGES = "urn:ietf:params:scim:api:messages:2.0"


@dataclass(frozen=True, kw_only=True)
class Provisioner:
    """An identity provider with a token of its own for one tenant."""

    tenant: Tenant
    http: httpx.AsyncClient

    @classmethod
    async def of(cls, tenant: Tenant) -> Provisioner:
        """With the role that is for identity providers, and no other."""
        operator = await tenant.operator("provisioner")
        return cls(tenant=tenant, http=operator.http)

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """One request; a refusal must be a SCIM error."""
        kind = {"Content-Type": "application/scim+json"} if body is not None else {}
        answer = await self.http.request(method, f"{ROOT}{path}", json=body, headers=kind | headers)
        if answer.status_code not in (204, 304):
            assert answer.headers["content-type"] == "application/scim+json", answer.text
        if answer.status_code >= 400:
            error_of(answer, answer.status_code)
        return answer

    async def user(self, name: str, /, **more: Any) -> dict[str, Any]:
        """A new user."""
        answer = await self.ask("POST", "/Users", user(name, **more))
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def group(self, name: str, *members: str) -> dict[str, Any]:
        """A new group of these ids."""
        body = {"schemas": [GROUP], "displayName": name, "members": [{"value": one} for one in members]}
        answer = await self.ask("POST", "/Groups", body)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def patch(self, path: str, *operations: dict[str, Any], **headers: str) -> httpx.Response:
        """A PATCH of these operations."""
        body = {"schemas": [f"{MESSAGES}:PatchOp"], "Operations": list(operations)}
        return await self.ask("PATCH", path, body, **headers)

    async def patched(self, path: str, *operations: dict[str, Any]) -> dict[str, Any]:
        """The resource after a PATCH that is taken."""
        answer = await self.patch(path, *operations)
        assert answer.status_code in (200, 204), answer.text
        return dict((await self.ask("GET", path)).json())

    async def found(self, text: str, collection: str = "Users", **asked: Any) -> list[str]:
        """The names of what a filter finds."""
        answer = await self.http.get(f"{ROOT}/{collection}", params={"filter": text, **asked})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        assert page["totalResults"] >= page["itemsPerPage"] == len(page["Resources"])
        return [one.get("userName") or one["displayName"] for one in page["Resources"]]


def user(name: str, /, **more: Any) -> dict[str, Any]:
    """A user to create. What is None is left out."""
    body = {"schemas": [USER], "userName": name, "active": True, **more}
    return {key: value for key, value in body.items() if value is not None}


def error_of(answer: httpx.Response, status: int, scim_type: str | None = None) -> dict[str, Any]:
    """The SCIM error of a refusal with this status; fails the test for anything else."""
    assert answer.status_code == status, f"{answer.status_code}: {answer.text[:500]}"
    assert answer.headers["content-type"] == "application/scim+json"
    document: dict[str, Any] = answer.json()
    assert document["schemas"] == [f"{MESSAGES}:Error"]
    assert document["status"] == str(status)
    assert document["detail"]
    if scim_type is not None:
        assert document.get("scimType") == scim_type, document
    return document

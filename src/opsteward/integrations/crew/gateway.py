"""A gateway before Opsteward, as its operators see it: which routes it knows of ours, and whether they lead here.

PUT {gateway}/services/opsteward   {"name", "url", "routes": [{"path", "methods"}]}
GET {gateway}/services/opsteward   the same, 404 before
GET {gateway}/api/brain/crew/health   answered by Opsteward, through the gateway
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from opsteward.core.errors import BadReply, ConnectorError
from opsteward.core.http_client import REGISTERED_SYSTEMS
from opsteward.core.http_client.json_calls import JsonCalls, Login
from opsteward.core.json_types import Json

SERVICE = "opsteward"
HEALTH = "/api/brain/crew/health"
_TIMEOUT = 10.0
_MAX_BYTES = 1_000_000


class GatewayRoute(BaseModel):
    """A path, with {names} in it, and its methods."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    path: Annotated[str, Field(max_length=300, pattern=r"^/[A-Za-z0-9/_{}.-]*$")]
    methods: Annotated[list[str], Field(max_length=10)]


class _Service(BaseModel):
    model_config = ConfigDict(extra="ignore")

    url: Annotated[str, Field(max_length=2000)]
    routes: Annotated[list[GatewayRoute], Field(max_length=1000)]


class Gateway:
    """The gateway at an address. Raises ConnectorError where it can't be asked."""

    def __init__(self, address: str, token: str | None) -> None:
        self.address = address.rstrip("/")
        self._token = token or ""

    async def registered(self) -> tuple[str, list[GatewayRoute]] | None:
        """Where it sends our routes to, and which they are; None where it knows none."""
        reply = await self._calls().call("GET", f"{self.address}/services/{SERVICE}", expect=(404,))
        if reply.status == 404:
            return None
        try:
            found = _Service.model_validate(reply.data)
        except ValidationError:
            raise BadReply(f"{self.address} describes our service otherwise than it should") from None
        return found.url, found.routes

    async def set_routes(self, url: str, routes: Sequence[GatewayRoute]) -> None:
        """Tell it our routes and where they lead; doing it again changes nothing."""
        told: list[Json] = [one.model_dump() for one in routes]
        body: Json = {"name": SERVICE, "url": url, "routes": told}
        await self._calls().call("PUT", f"{self.address}/services/{SERVICE}", body=body)

    async def leads_here(self) -> bool:
        """Whether the crew's health is answered through it."""
        try:
            reply = await self._calls().call("GET", f"{self.address}{HEALTH}")
        except ConnectorError:
            return False
        return isinstance(reply.data, dict) and reply.data.get("status") == "healthy"

    def _calls(self) -> JsonCalls:
        login = Login(token=self._token)
        return JsonCalls(self.address, login, REGISTERED_SYSTEMS, timeout=_TIMEOUT, max_bytes=_MAX_BYTES)


def as_wanted(found: Sequence[GatewayRoute], wanted: Sequence[GatewayRoute]) -> list[str]:
    """The paths that are missing among those found, or that lack a method."""
    known: dict[str, set[str]] = {}
    for one in found:
        known.setdefault(one.path, set()).update(one.methods)
    return [one.path for one in wanted if not set(one.methods) <= known.get(one.path, set())]

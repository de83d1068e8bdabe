"""A registered webhook: each change is one signed POST, by the Standard Webhooks specification."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from opsteward.contracts.connector import Connector, ProbeReport, SystemRef, parse_fields, split_endpoint
from opsteward.contracts.records import (
    Batch,
    Change,
    ChangeResult,
    Cursor,
    Outcome,
    Record,
    RecordTarget,
    ResourceInfo,
)
from opsteward.core.errors import ConnectorError, Invalid, RateLimited
from opsteward.core.http_client import REGISTERED_SYSTEMS, HttpClient
from opsteward.core.http_client.json_calls import error_of
from opsteward.core.json_types import Json

_PREFIX = "whsec_"
_SECRET_BYTES = 24


class WebhookSettings(BaseModel):
    """A system's own `settings`, as far as they concern its webhook."""

    timeout_seconds: float = Field(default=10.0, gt=0, le=60)


class WebhookCredentials(BaseModel):
    """`signing_secret`: 24 bytes or more, base64, with or without `whsec_` before it."""

    signing_secret: SecretStr = SecretStr("")


class WebhookConfig(BaseModel):
    """Where changes are sent, and the key that signs them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str
    settings: WebhookSettings
    key: SecretStr


class WebhookConnector(Connector[WebhookConfig], RecordTarget):
    """Only sends: what is at the other end is nothing that could be read."""

    config_model: ClassVar[type[BaseModel]] = WebhookConfig

    @classmethod
    def config_for(cls, target: SystemRef, credentials: Mapping[str, str]) -> WebhookConfig:
        """Raises `Invalid` naming the field at fault."""
        parts = split_endpoint(target.endpoint)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise Invalid.field("endpoint", "is no http or https URL")
        given = parse_fields(WebhookCredentials, credentials, prefix="credentials").signing_secret.get_secret_value()
        try:
            key = base64.b64decode(given.removeprefix(_PREFIX), validate=True)
        except ValueError:
            key = b""
        if len(key) < _SECRET_BYTES:
            raise Invalid.field(
                "credentials.signing_secret", "is no base64 of 24 bytes or more", "make one: openssl rand -base64 32"
            )
        return WebhookConfig(
            url=target.endpoint,
            settings=parse_fields(WebhookSettings, target.settings, prefix="settings"),
            key=SecretStr(given.removeprefix(_PREFIX)),
        )

    async def probe(self) -> ProbeReport:
        started = time.monotonic()
        reply = await self._client().fetch(self.config.url, method="HEAD")
        return ProbeReport(reachable=True, seconds=time.monotonic() - started, detail=f"status {reply.status}")

    async def close(self) -> None:
        return None

    async def resources(self) -> Sequence[ResourceInfo]:
        return [ResourceInfo(name="changes", key="id", writable=True)]

    def read(self, resource: str, since: Cursor | None = None) -> AsyncIterator[Batch]:
        raise Invalid.field("resource", "a webhook has nothing to read", "read from another system")

    async def get(self, resource: str, native_ids: Sequence[str]) -> Mapping[str, Record]:
        return {}

    async def write(self, resource: str, changes: Sequence[Change]) -> Sequence[ChangeResult]:
        results: list[ChangeResult] = []
        for change in changes:
            try:
                await self._send(resource, change)
                results.append(ChangeResult(key=change.key, outcome=Outcome.DONE, native_id=change.native_id))
            except ConnectorError as error:
                refused = 400 <= int(error.extra.get("status", 0)) < 500
                if not results and not refused:
                    raise
                wait = error.extra.get("retry_after") if isinstance(error, RateLimited) else None
                outcome = Outcome.REFUSED if refused else Outcome.FAILED
                results.append(ChangeResult(key=change.key, outcome=outcome, problem=error.detail, retry_after=wait))
        return results

    async def _send(self, resource: str, change: Change) -> None:
        data: dict[str, Json] = {"resource": resource, "id": change.native_id, "values": dict(change.values)}
        sent: dict[str, Json] = {"type": f"record.{change.operation}", "data": data}
        body = json.dumps(sent, ensure_ascii=False).encode()
        headers = signed(base64.b64decode(self.config.key.get_secret_value()), change.key, int(time.time()), body)
        reply = await self._client().fetch(self.config.url, method="POST", headers=headers, body=body)
        if not 200 <= reply.status < 300:
            raise error_of(reply)

    def _client(self) -> HttpClient:
        return HttpClient(REGISTERED_SYSTEMS, timeout=self.config.settings.timeout_seconds)


def signed(key: bytes, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers that let a receiver see who sent it, that it is whole, new and not sent before."""
    content = f"{message_id}.{timestamp}.".encode() + body
    signature = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    return {
        "Content-Type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{signature}",
    }

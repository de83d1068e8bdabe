"""The public conformance checks of `scim2-tester`, all of them, over HTTP against a running instance."""

from __future__ import annotations

from collections import Counter
from typing import Any
from uuid import uuid4

import httpx
import pytest
from scim2_client import BaseSyncSCIMClient
from scim2_tester import Status, check_server

from support.live import Live


class Client(BaseSyncSCIMClient):
    """The library's client over HTTP."""

    def __init__(self, http: httpx.Client) -> None:
        super().__init__()
        self.client = http

    def _stays_under_base_url(self, endpoint: str) -> bool:
        return str(self.client.build_request("GET", endpoint).url).startswith(str(self.client.base_url))

    def _parse_json(self, response: Any) -> Any:
        return response.json()

    def request(self, method: str, url: str, **options: Any) -> Any:
        return self.client.request(method, url, **options)


@pytest.mark.slow(reason="runs the whole of scim2-tester")
def test_the_server_conforms(live: Live) -> None:
    tenant = live.tenant(f"scim{uuid4().hex[:12]}")
    provider = live.operator(tenant, "entra", "provisioner")
    token = provider.http.headers["authorization"]
    with httpx.Client(base_url=f"{live.url}/scim/v2", headers={"Authorization": token}, timeout=30) as http:
        results = check_server(Client(http))
    assert [f"{one.title}: {one.reason}" for one in results if one.status != Status.SUCCESS] == []
    assert Counter(one.status for one in results)[Status.SUCCESS] >= 135

"""The public conformance checks of `scim2-tester`, all of them, over HTTP against a running instance."""

from __future__ import annotations

from collections import Counter
from uuid import uuid4

import httpx
from scim2_client.engines.httpx import SyncSCIMClient
from scim2_tester import Status, check_server

from support.live import Live


def test_the_server_conforms(live: Live) -> None:
    tenant = live.tenant(f"scim{uuid4().hex[:12]}")
    provider = live.operator(tenant, "entra", "provisioner")
    with httpx.Client(base_url=f"{live.url}/scim/v2", headers=dict(provider.http.headers), timeout=30) as http:
        results = check_server(SyncSCIMClient(http))
    bad = [f"{one.title}: {one.reason}" for one in results if one.status not in (Status.SUCCESS, Status.SKIPPED)]
    assert bad == []
    assert Counter(one.status for one in results)[Status.SUCCESS] >= 135

"""Debian's Prometheus, Alertmanager and amtool, unchanged: firing and resolved end in one closed incident."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from support.alertmanager import OTHER_RECEIVERS, exporter, running_alertmanager, running_prometheus
from support.live import Live, LiveTenant
from support.prometheus import program

_WITHIN = 30.0  # seconds


@pytest.fixture
def shop(live: Live) -> LiveTenant:
    return live.tenant(f"p{uuid4().hex[:12]}")


Rows = list[dict[str, Any]]


def wait_for(read: Callable[[], Rows], done: Callable[[Rows], bool]) -> Rows:
    until = time.monotonic() + _WITHIN
    while not done(found := read()):
        assert time.monotonic() < until, found
        time.sleep(0.05)
    return found


def incidents(tenant: LiveTenant) -> Rows:
    return list(tenant.owner.http.get("/api/v1/incidents").raise_for_status().json()["items"])


def events(live: Live, tenant: LiveTenant) -> Rows:
    names = ("message", "resolved", "occurred_at", "fingerprint", "context")
    rows = live.sql(f"select {', '.join(names)} from opsteward.events where tenant_id = %s", tenant.id)
    return [dict(zip(names, row, strict=True)) for row in rows]


@pytest.mark.slow(reason="Alertmanager sends what is over after its group interval")
def test_prometheus_fires_and_resolves_directly_and_through_its_alertmanager(
    live: Live, shop: LiveTenant, tmp_path: Path
) -> None:
    ours, token = live.url.removeprefix("http://"), shop.owner.token
    began = datetime.now(UTC)
    with (
        exporter() as queue,
        running_alertmanager(tmp_path, ours, token) as alertmanager,
        running_prometheus(tmp_path, ours, token, alertmanager, queue.port),
    ):
        queue.length = 150
        [incident] = wait_for(lambda: incidents(shop), lambda found: bool(found) and found[0]["event_count"] >= 2)
        assert (incident["title"], incident["severity"], incident["status"]) == ("QueueIsLong", "high", "open")
        queue.length = 0
        events_of_it = wait_for(lambda: events(live, shop), lambda found: sum(one["resolved"] for one in found) >= 2)
    [incident] = incidents(shop)
    assert incident["status"] == "resolved"
    assert len({one["fingerprint"] for one in events_of_it}) == 1
    for event in events_of_it:
        labels = {"alertname": "QueueIsLong", "severity": "critical", "team": "checkout", "region": "eu-1"}
        labels |= {"job": "shop", "instance": f"127.0.0.1:{queue.port}"}
        assert event["context"]["labels"] == labels
        assert event["message"] == "QueueIsLong\n150 orders wait"
        assert event["context"]["link"] == "https://runbooks.example/queue"
        assert began - timedelta(seconds=1) < event["occurred_at"] < datetime.now(UTC)
    ways = {"fingerprint" in event["context"]["payload"] for event in events_of_it}
    assert ways == {True, False}  # of Alertmanager's webhook, and of Prometheus itself


@pytest.mark.slow(reason="Alertmanager sends what is over after its group interval")
def test_its_receivers_for_other_products_end_in_one_closed_incident_each(
    live: Live, shop: LiveTenant, tmp_path: Path
) -> None:
    at = datetime.now(UTC)

    def tell(port: int, ends: timedelta) -> None:
        alerts = [
            {
                "labels": {"alertname": f"DiskFull-{to}", "instance": instance, "severity": "critical", "to": to},
                "annotations": {"summary": f"disk of {instance} is full"},
                "startsAt": (at - timedelta(minutes=2)).isoformat(),
                "endsAt": (at + ends).isoformat(),
            }
            for to in OTHER_RECEIVERS
            for instance in ("db1", "db2")
        ]
        httpx.post(f"http://127.0.0.1:{port}/api/v2/alerts", json=alerts).raise_for_status()

    def all_are(status: str) -> Callable[[Rows], bool]:
        return lambda found: len(found) >= len(OTHER_RECEIVERS) and {one["status"] for one in found} == {status}

    ours = live.url.removeprefix("http://")
    with running_alertmanager(tmp_path, ours, shop.owner.token, others=True) as port:
        tell(port, timedelta(hours=1))
        fired = wait_for(lambda: incidents(shop), all_are("open"))
        tell(port, -timedelta(seconds=1))
        over = wait_for(lambda: incidents(shop), all_are("resolved"))
    assert len(over) == len(OTHER_RECEIVERS)
    assert {one["severity"] for one in fired} == {"high"}
    sources = live.sql("select distinct source from opsteward.events where tenant_id = %s", shop.id)
    assert {source for (source,) in sources} == set(OTHER_RECEIVERS)


def test_amtool_adds_an_alert_and_ends_it(live: Live, shop: LiveTenant, tmp_path: Path) -> None:
    credentials = tmp_path / "http.yml"
    credentials.write_text(f"authorization: {{credentials: {shop.owner.token}}}")

    def amtool(*arguments: str) -> str:
        command = [program("amtool"), f"--alertmanager.url={live.url}", f"--http.config.file={credentials}", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    labels = ["alertname=DiskFull", "instance=db1", "severity=warning"]
    amtool("alert", "add", *labels, "--annotation=summary=disk of db1 is full")
    [incident] = wait_for(lambda: incidents(shop), bool)
    assert (incident["title"], incident["severity"]) == ("DiskFull", "medium")
    at = datetime.now(UTC)
    started = (at - timedelta(minutes=1)).isoformat()
    amtool("alert", "add", *labels, f"--start={started}", f"--end={at.isoformat()}")
    [incident] = wait_for(lambda: incidents(shop), lambda found: found[0]["status"] == "resolved")

"""Debian's Prometheus with a rule that a test lets fire, and its Alertmanager; nothing of it is imitated."""

from __future__ import annotations

import contextlib
import http.server
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from opsteward.lab.ports import free_port
from support.prometheus import program

_READY_WITHIN = 30.0  # seconds
_PROMETHEUS = """
global: {{scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms, external_labels: {{region: eu-1}}}}
rule_files: [rules.yml]
scrape_configs: [{{job_name: shop, static_configs: [{{targets: ["127.0.0.1:{target}"]}}]}}]
alerting:
  alertmanagers:
    - static_configs: [{{targets: ["127.0.0.1:{alertmanager}"]}}]
    - static_configs: [{{targets: ["{ours}"]}}]
      authorization: {{credentials: {token}}}
"""
_RULES = """
groups:
  - name: shop
    rules:
      - alert: QueueIsLong
        expr: queue_length > 100
        labels: {severity: critical, team: checkout}
        annotations:
          summary: "Queue of {{ $labels.instance }} is long"
          description: "{{ $value }} orders wait"
          runbook_url: https://runbooks.example/queue
"""
_ALERTMANAGER = """
route: {{receiver: opsteward, group_wait: 0s, group_interval: 1s, repeat_interval: 1h, group_by: ["..."]}}
receivers:
  - name: opsteward
    webhook_configs:
      - url: http://{ours}/api/v1/intake/alertmanager
        http_config: {{authorization: {{credentials: {token}}}}}
"""
#: Receivers that speak other products' protocols, each for the alerts whose label `to` names it.
_OTHERS = """
route:
  {{receiver: nobody, group_wait: 0s, group_interval: 1s, repeat_interval: 1h, group_by: [alertname], routes: [
    {{receiver: pagerduty, matchers: [to="pagerduty"]}}, {{receiver: opsgenie, matchers: [to="opsgenie"]}},
    {{receiver: victorops, matchers: [to="victorops"]}}, {{receiver: slack, matchers: [to="generic"]}}]}}
receivers:
  - name: nobody
  - name: pagerduty
    pagerduty_configs: [{{url: "http://{ours}/v2/enqueue", routing_key: {token}}}]
  - name: opsgenie
    opsgenie_configs: [{{api_url: "http://{ours}/", api_key: {token}, priority: P1, update_alerts: true}}]
  - name: victorops
    victorops_configs:
      [{{api_url: "http://{ours}/integrations/generic/20131114/alert/", api_key: {token}, routing_key: ops}}]
  - name: slack
    slack_configs:
      [{{api_url: "http://{ours}/api/v1/intake/generic?token={token}", channel: ops, send_resolved: true}}]
"""
#: The sources at which they arrive.
OTHER_RECEIVERS = ("pagerduty", "opsgenie", "victorops", "generic")


class Queue:
    """What the exporter shows: the rule fires while `length` is over 100."""

    def __init__(self, length: int, port: int) -> None:
        self.length = length
        self.port = port


@contextlib.contextmanager
def exporter() -> Iterator[Queue]:
    """A target of Prometheus."""
    queue = Queue(0, 0)

    class Metrics(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(f"queue_length {queue.length}\n".encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Metrics)
    queue.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield queue
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def running_alertmanager(folder: Path, ours: str, token: str, *, others: bool = False) -> Iterator[int]:
    """An Alertmanager whose only receiver is this host:port of ours; its own port. `others`: by other products'
    protocols in the place of its webhook."""
    port = free_port()
    (folder / "alertmanager.yml").write_text((_OTHERS if others else _ALERTMANAGER).format(ours=ours, token=token))
    command = [
        program("prometheus-alertmanager"),
        f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'alerts'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]
    with _running(command, port, folder / "alertmanager.log"):
        yield port


@contextlib.contextmanager
def running_prometheus(folder: Path, ours: str, token: str, alertmanager: int, target: int) -> Iterator[int]:
    """A Prometheus that tells its alerts to an Alertmanager, and to us as if we were a second one."""
    port = free_port()
    config = _PROMETHEUS.format(ours=ours, token=token, alertmanager=alertmanager, target=target)
    (folder / "prometheus.yml").write_text(config)
    (folder / "rules.yml").write_text(_RULES)
    command = [
        program("prometheus"),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with _running(command, port, folder / "prometheus.log"):
        yield port


@contextlib.contextmanager
def _running(command: list[str], port: int, log: Path) -> Iterator[None]:
    with log.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)
        try:
            deadline = time.monotonic() + _READY_WITHIN
            while True:
                assert process.poll() is None and time.monotonic() < deadline, log.read_text()[-3000:]
                with contextlib.suppress(httpx.TransportError):
                    if httpx.get(f"http://127.0.0.1:{port}/-/ready").status_code == 200:
                        break
                time.sleep(0.05)
            yield
        finally:
            process.terminate()
            process.wait(timeout=20)

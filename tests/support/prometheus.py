"""Debian's Prometheus and its promtool, for tests; nothing of it is imitated."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from opsteward.lab.ports import free_port

DEPLOY = Path(__file__).parents[2] / "deploy"
_SAMPLE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$", re.MULTILINE)
_STARTS_WITHIN = 30.0  # seconds


def program(name: str) -> str:
    """Its path. Where tests are to leave nothing out it must be there; elsewhere the test is skipped."""
    found = shutil.which(name)
    if found is None:
        assert not os.environ.get("CI"), f"{name} is not installed"
        pytest.skip(f"no {name} is installed (Debian: apt-get install prometheus)")
    return found


def promtool(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """`promtool ...` with this on its standard input."""
    return subprocess.run(
        [program("promtool"), *arguments], input=given, capture_output=True, text=True, check=False, timeout=60
    )


def exported(text: str) -> set[str]:
    """The names of all series that these metrics can have, with samples or without."""
    names = set()
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE):
        names |= {name} if kind != "histogram" else {f"{name}_{part}" for part in ("bucket", "sum", "count")}
    return names


def samples(text: str) -> dict[str, float]:
    """Every sample by its name with its labels."""
    return {f"{name}{{{labels}}}" if labels else name: float(value) for name, labels, value in _SAMPLE.findall(text)}


@contextmanager
def running_prometheus(target: str, token: str) -> Iterator[httpx.Client]:
    """A Prometheus that scrapes this host:port each second, by our own example of a configuration; a client of it."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="ops-prom-") as folder:
        home = Path(folder)
        (home / "token").write_text(token)
        (home / "opsteward.rules.yml").write_text((DEPLOY / "prometheus" / "opsteward.rules.yml").read_text())
        config = (DEPLOY / "prometheus" / "prometheus.yml").read_text()
        for ours, theirs in (
            ("/etc/prometheus/opsteward.token", str(home / "token")),
            ("127.0.0.1:8080", target),
            ("15s", "1s"),
        ):
            assert ours in config
            config = config.replace(ours, theirs)
        (home / "prometheus.yml").write_text(config)
        with (home / "log").open("w") as log:
            process = subprocess.Popen(
                [
                    program("prometheus"),
                    f"--config.file={home / 'prometheus.yml'}",
                    f"--storage.tsdb.path={home / 'data'}",
                    f"--web.listen-address=127.0.0.1:{port}",
                ],
                stdout=log,
                stderr=log,
            )
            try:
                with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
                    _wait_until_ready(process, client, home)
                    yield client
            finally:
                process.terminate()
                process.wait(timeout=20)


def _wait_until_ready(process: subprocess.Popen[Any], client: httpx.Client, home: Path) -> None:
    deadline = time.monotonic() + _STARTS_WITHIN
    while True:
        assert process.poll() is None and time.monotonic() < deadline, (home / "log").read_text()[-3000:]
        try:
            if client.get("/-/ready").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)

"""Everything that `opsteward up` writes to standard error is JSON, and holds no secret, in an outage as well."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import httpx
import pytest

from support.live import Live, running_instance

pytestmark = pytest.mark.slow(reason="starts an instance, takes its database away and waits until it is back")

_PLUGIN = """
import gc, logging, threading, warnings
from opsteward.contracts.integration import Integration

def fail():
    raise RuntimeError("in a thread, password=hunter22")

class Failing:
    def __del__(self):
        raise RuntimeError("in a finaliser, password=hunter22")

warnings.warn("deprecated, password=hunter22")
logging.getLogger("some.library").warning("connects with password=%s", "hunter22")
logging.getLogger("uvicorn.error").error("refused password=hunter22")
thread = threading.Thread(target=fail)
thread.start()
thread.join()
Failing()
gc.collect()
INTEGRATION = Integration(slug="noisy", title="Noisy")
"""


def _until(live: Live, status: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{live.url}/readyz", timeout=10).status_code == status:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"/readyz did not answer {status} in time")


def test_every_line_on_standard_error_is_json(tmp_path: Path) -> None:
    (tmp_path / "noisy_plugin.py").write_text(_PLUGIN)
    settings = {
        "OPSTEWARD_LOG_FORMAT": "json",
        "LOG_LEVEL": "INFO",
        "OPSTEWARD_PLUGINS": '["noisy_plugin:INTEGRATION"]',
        "PYTHONPATH": str(tmp_path),
        "PYTHONWARNINGS": "default",
    }
    with running_instance(settings, anew=True) as live:
        postmaster = int((live.home / "postgres" / "postmaster.pid").read_text().splitlines()[0])
        os.kill(postmaster, signal.SIGINT)  # ends all connections at once
        for _ in range(20):
            assert live.admin.http.get("/api/v1/users", timeout=60).status_code in (200, 503)
        _until(live, 200)
        text = (live.home / "stderr").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert all(isinstance(line, dict) and line["event"] and line["level"] and line["timestamp"] for line in lines)
    told = " ".join(line["event"] for line in lines)
    for words in ("deprecated", "connects with", "refused", "core.log.uncaught"):
        assert words in told
    assert sum(line["event"] == "core.log.uncaught" for line in lines) >= 2
    assert "hunter22" not in text

"""schemathesis over the whole OpenAPI document: no server error, no undocumented status, every answer as described."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from support.live import Live

#: What does not hold, and is not meant to.
_NOT_MEANT = {
    "positive_data_acceptance": "much is refused for what a schema can't say: an unknown role, a cycle, a past date",
    "negative_data_rejection": "a stack trace that is too long is cut, and said to be, since an event must not be lost",
    "unsupported_method": "/users/{user_id} answers for /users/export, where only GET is, with a 422 for the id",
    "allow_header_conformance": "for the same reason",
}


@pytest.mark.slow(reason="tries generated requests on every route of the description")
def test_every_route_keeps_its_contract(live: Live, tmp_path: Path) -> None:
    tenant = live.tenant(f"contract{uuid4().hex[:12]}")
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{live.url}/api/schema/"),
            *("-H", f"Authorization: Bearer {tenant.owner.token}"),
            *("--checks", "all", "--exclude-checks", ",".join(_NOT_MEANT)),
            *("--phases", "coverage", "--seed", "1", "--generation-database", "none"),
            *("--continue-on-failure", "--no-color", "--request-timeout", "30"),
        ],
        cwd=tmp_path,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-8000:] + ran.stderr[-2000:]
    tested = re.search(r"Tested: (\d+)", ran.stdout)
    assert tested is not None and int(tested.group(1)) > 100

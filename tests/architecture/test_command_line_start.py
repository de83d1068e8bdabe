"""`opsteward --help` answers at once: nothing heavy is imported for it."""

from __future__ import annotations

import json
import subprocess
import sys

HEAVY = {
    "aiohttp", "alembic", "apprise", "cryptography", "dbos", "fastapi", "httpx", "nicegui", "opentelemetry",
    "prometheus_client", "psutil", "psycopg", "pydantic", "pydantic_settings", "rich", "sqlalchemy", "starlette",
    "structlog", "uvicorn", "yaml",
}  # fmt: skip
HELP = """
import json, sys
from opsteward.cli.main import main
sys.argv = ["opsteward", "--help"]
try:
    main()
finally:
    sys.stderr.write(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def imported_for(*command: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", HELP, *command], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "Usage: opsteward" in done.stdout
    return set(json.loads(done.stderr))


def test_help_imports_nothing_heavy() -> None:
    assert imported_for() & HEAVY == set()

"""`opsteward --help` answers at once, and a command that asks the instance hardly later: nothing heavy is imported."""

from __future__ import annotations

import json
import resource
import socket
import subprocess
import sys

HEAVY = {
    "aiohttp", "alembic", "apprise", "cryptography", "dbos", "fastapi", "httpx", "jinja2", "opentelemetry",
    "prometheus_client", "psutil", "psycopg", "pydantic", "pydantic_settings", "rich", "sqlalchemy", "starlette",
    "structlog", "uvicorn", "yaml",
}  # fmt: skip
RUN = """
import json, sys
from opsteward.cli.main import main
sys.argv = ["opsteward", *sys.argv[1:]]
try:
    main()
finally:
    sys.stderr.write("\\n" + json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


#: Typer itself reads the values of options with it.
OF_TYPER = {"pydantic"}


def imported_for(*command: str, code: int = 0) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", RUN, *command], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == code, done.stderr
    return set(json.loads(done.stderr.splitlines()[-1]))


def test_help_imports_nothing_heavy() -> None:
    assert imported_for("--help") & HEAVY == set()


def test_a_command_that_asks_the_instance_imports_nothing_heavy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    for command in (("users", "list"), ("users", "show", "ada"), ("tasks", "submit", "x"), ("incidents", "list")):
        assert imported_for("--url", f"http://127.0.0.1:{port}", *command, code=3) & (HEAVY - OF_TYPER) == set()


def test_a_worker_imports_nothing_of_what_serves_requests() -> None:
    """A sixth of its memory would be the web framework's, the API's and the console's."""
    code = "import json, sys, opsteward.app.work; print(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    modules = json.loads(done.stdout)
    assert {"fastapi", "starlette", "uvicorn", "jinja2"} & set(modules) == set()
    assert [one for one in modules if one.startswith(("opsteward.api.rest", "opsteward.console"))] == []


def test_a_command_takes_little_processor_time() -> None:
    """The best of three, as processor time: what else the machine does counts hardly."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    def seconds(*command: str) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "opsteward", *command], capture_output=True, check=False, timeout=60)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime

    asking = ("--url", f"http://127.0.0.1:{port}", "users", "list")
    assert min(seconds(*asking) for _ in range(3)) < 0.35
    assert min(seconds("--help") for _ in range(3)) < 0.35

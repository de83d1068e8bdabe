"""The second application, of another shape: an HTTP API that takes jobs, a queue in a file, and a worker.

    GET  /health       always 200: it does not look at the queue
    GET  /openapi.json what the API promises
    GET  /v1/jobs      the newest jobs; needs a token with the right `jobs:read`
    GET  /ops/queue    for operators: {"waiting", "oldest_seconds", "failed"}

The API puts five jobs a second into the queue itself, as a schedule would. `jobs/access.json` holds the tokens with
their rights and ends, and the requests that one token may make a second.
Run by the lab's supervisor as `python -m opsteward.lab.jobs HOME api|worker`.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import threading
import time
from collections import deque
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar, TypedDict

from opsteward.lab.folder import LabFacts, LabFolder, write_private
from opsteward.lab.pidfiles import write_pidfile
from opsteward.lab.releases import Release

READ = "jobs:read"
JOBS_A_SECOND = 5
POISON = "poison"
NIGHTLY_EVERY = 1.0  # seconds: a lab's night is short
_SCHEMA = """
create table if not exists jobs (
    id integer primary key, kind text not null, state text not null default 'waiting', created real not null,
    attempts integer not null default 0
)"""
_OPENAPI = {
    "openapi": "3.1.0",
    "info": {"title": "Jobs", "version": "1"},
    "paths": {
        "/v1/jobs": {
            "get": {
                "responses": {
                    "200": {
                        "description": "The newest jobs",
                        "content": {
                            "application/json": {
                                "schema": {
                                    "type": "object",
                                    "required": ["items"],
                                    "properties": {
                                        "items": {"type": "array", "items": {"$ref": "#/components/schemas/Job"}}
                                    },
                                }
                            }
                        },
                    }
                }
            }
        }
    },
    "components": {
        "schemas": {
            "Job": {
                "type": "object",
                "required": ["id", "kind", "state", "created"],
                "properties": {
                    "id": {"type": "integer"},
                    "kind": {"type": "string"},
                    "state": {"type": "string"},
                    "created": {"type": "number"},
                },
            }
        }
    },
}


class Access(TypedDict):
    """Who may what: rights and end (epoch seconds) by token; `per_second` requests of one token."""

    tokens: dict[str, dict[str, Any]]
    per_second: int


def set_access(
    folder: LabFolder,
    facts: LabFacts,
    *,
    ends: float | None = None,
    rights: tuple[str, ...] = (READ,),
    per_second: int = 100,
) -> None:
    """Who may use the API from the next request on."""
    folder.jobs.mkdir(exist_ok=True, mode=0o700)
    token = {"ends": ends if ends is not None else time.time() + 86_400, "rights": list(rights)}
    access: Access = {"tokens": {facts.jobs_token: token}, "per_second": per_second}
    write_private(folder.jobs / "access.json", json.dumps(access))


def set_schedule(folder: LabFolder, *, nightly: bool = True) -> None:
    """Whether the nightly job runs."""
    folder.jobs.mkdir(exist_ok=True, mode=0o700)
    write_private(folder.jobs / "schedule.json", json.dumps({"nightly": nightly}))


def queue(folder: LabFolder) -> sqlite3.Connection:
    """The queue; each user opens it for themselves."""
    connection = sqlite3.connect(folder.jobs / "queue.db", timeout=5, isolation_level=None)
    connection.execute("pragma journal_mode = wal")
    connection.execute(_SCHEMA)
    return connection


class Api(BaseHTTPRequestHandler):
    """The endpoints. Class attributes are set before it serves."""

    folder: LabFolder
    facts: LabFacts
    release: Release
    seen: ClassVar[deque[float]] = deque(maxlen=1000)
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer one request and close."""
        path = self.path.partition("?")[0]
        if path == "/health":
            self._say(200, {"status": "ok"})
        elif path == "/openapi.json":
            self._say(200, _OPENAPI)
        elif path == "/ops/queue":
            self._queue()
        elif path == "/v1/jobs":
            self._jobs()
        else:
            self._say(404, {"error": "no such path"})

    def _queue(self) -> None:
        if self._token() != self.facts.operator_token:
            self._say(401, {"error": "the operators' token is wanted"})
            return
        with closing(queue(self.folder)) as rows:
            (waiting, oldest), (failed,) = (
                rows.execute("select count(*), min(created) from jobs where state = 'waiting'").fetchone(),
                rows.execute("select count(*) from jobs where state = 'quarantined'").fetchone(),
            )
        age = round(time.time() - oldest, 2) if oldest else 0.0
        self._say(200, {"waiting": waiting, "oldest_seconds": age, "failed": failed})

    def _jobs(self) -> None:
        access: Access = json.loads((self.folder.jobs / "access.json").read_text())
        known = access["tokens"].get(self._token())
        if known is None:
            self._say(401, {"error": "unknown token"}, **{"WWW-Authenticate": 'Bearer error="invalid_token"'})
            return
        if known["ends"] < time.time():
            told = 'Bearer error="invalid_token", error_description="The token has expired"'
            self._say(401, {"error": "the token has expired"}, **{"WWW-Authenticate": told})
            return
        if READ not in known["rights"]:
            told = f'Bearer error="insufficient_scope", scope="{READ}"'
            self._say(403, {"error": "not allowed"}, **{"WWW-Authenticate": told})
            return
        now = time.monotonic()
        if sum(at > now - 1 for at in self.seen) >= access["per_second"]:
            self._say(429, {"error": "too many requests"}, **{"Retry-After": "2"})
            return
        self.seen.append(now)
        with closing(queue(self.folder)) as rows:
            newest = rows.execute("select id, kind, state, created from jobs order by id desc limit 5").fetchall()
        shown: Any = self.release.names()["shown"]
        self._say(200, {"items": [shown(*row) for row in newest]})

    def _token(self) -> str:
        return self.headers.get("Authorization", "").removeprefix("Bearer ")

    def _say(self, status: int, body: object, **headers: str) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """No line for each request."""


def serve(folder: LabFolder, facts: LabFacts) -> None:
    """The API, and the schedule that fills the queue."""
    Api.folder, Api.facts, Api.release = folder, facts, Release(folder.release / "jobs.py")
    threading.Thread(target=_fill, args=(folder,), daemon=True).start()
    ThreadingHTTPServer(("127.0.0.1", facts.jobs_port), Api).serve_forever()


def _fill(folder: LabFolder) -> None:
    rows = queue(folder)
    while True:
        rows.execute("insert into jobs (kind, created) values ('mail', ?)", (time.time(),))
        rows.execute("delete from jobs where state = 'done' and created < ?", (time.time() - 60,))
        time.sleep(1 / JOBS_A_SECOND)


def work(folder: LabFolder) -> None:
    """Take the oldest job first, one after the other; and run the nightly job when it is due."""
    rows = queue(folder)
    nightly_at = 0.0
    while True:
        schedule = json.loads((folder.jobs / "schedule.json").read_text())
        if schedule["nightly"] and time.time() - nightly_at > NIGHTLY_EVERY:
            nightly_at = time.time()
            (folder.jobs / "nightly.done").write_text(f"{nightly_at}\n")
        row = rows.execute("select id, kind from jobs where state = 'waiting' order by id limit 1").fetchone()
        if row is None:
            time.sleep(0.05)
            continue
        number, kind = row
        if kind == POISON:  # it can't be done, and is tried again and again
            rows.execute("update jobs set attempts = attempts + 1 where id = ?", (number,))
            print(f"job {number} failed: the payload can't be read; trying again", flush=True)
            time.sleep(0.2)
            continue
        rows.execute("update jobs set state = 'done' where id = ?", (number,))


def main() -> None:
    """Serve or work until SIGTERM."""
    folder, part = LabFolder(Path(sys.argv[1]).resolve()), sys.argv[2]
    write_pidfile(folder.run / f"jobs-{part}.json")
    if part == "api":
        serve(folder, LabFacts.load(folder))
    else:
        work(folder)


if __name__ == "__main__":
    main()

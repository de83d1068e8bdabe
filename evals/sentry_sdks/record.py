"""Run the programs beside this file, each with a real Sentry SDK, and record what the SDK sends.

    python evals/sentry_sdks/record.py [SDK...]

A program fails in several kinds (its tag `kind`), each in three variants: other values, another release, other users.
Without the SDK or its language a recording is left as it was. The recordings (`recorded/<sdk>.json`: requests as they
came) are what the tests replay. `node` SDKs are taken from `$SENTRY_NODE_MODULES`, where `npm install @sentry/node
@sentry/browser @sentry/cli raven esbuild` was said.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROGRAMS = HERE / "programs"
MODULES = Path(os.environ.get("SENTRY_NODE_MODULES", "node_modules")).resolve()
KEPT = ("content-type", "content-encoding", "x-sentry-auth", "authorization", "user-agent", "origin")
#: What runs each SDK's program; the DSN follows.
COMMANDS: dict[str, list[str]] = {
    "python": [sys.executable, str(PROGRAMS / "app.py")],
    "node": ["node", str(PROGRAMS / "app.js")],
    "ruby": ["ruby", str(PROGRAMS / "app.rb")],
    "raven-python": [sys.executable, str(PROGRAMS / "raven_app.py")],
    "raven-node": ["node", str(PROGRAMS / "raven_app.js")],
    "raven-ruby": ["ruby", str(PROGRAMS / "raven_app.rb")],
    "go": ["go", "run", str(PROGRAMS / "app.go")],
    "rust": ["sh", str(PROGRAMS / "cli.sh"), str(MODULES / "@sentry" / "cli-linux-x64" / "bin" / "sentry-cli")],
}
GO = {"GO111MODULE": "off", "GOPATH": "/usr/share/gocode"}


class Recorder:
    """A server that answers as Sentry does, and keeps what it is sent."""

    def __init__(self) -> None:
        requests: list[dict[str, object]] = []
        self.requests = requests

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                if self.headers.get("Transfer-Encoding") == "chunked":
                    body = b""
                    while size := int(self.rfile.readline().split(b";")[0], 16):
                        body += self.rfile.read(size)
                        self.rfile.readline()
                    self.rfile.readline()
                else:
                    body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items() if name.lower() in KEPT}
                requests.append({"path": self.path, "headers": headers, "body": base64.b64encode(body).decode()})
                self._answer(b'{"id": "9ec79c33ec9942ab8353589fcb2e04dc"}')

            def do_OPTIONS(self) -> None:
                self._answer(b"")

            def _answer(self, content: bytes) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Access-Control-Allow-Origin", "*")
                self.send_header("Access-Control-Allow-Headers", "*")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.dsn = f"http://{'a' * 32}@127.0.0.1:{self._server.server_port}/1001"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def run(sdk: str, dsn: str) -> None:
    if sdk == "browser":
        run_browser(dsn)
        return
    environment = os.environ | {"NODE_PATH": str(MODULES)} | (GO if sdk == "go" else {})
    with tempfile.TemporaryDirectory() as folder:
        environment |= {"GOCACHE": folder, "HOME": folder}
        subprocess.run([*COMMANDS[sdk], dsn], env=environment, check=True, timeout=300)


def run_browser(dsn: str) -> None:
    """In Chromium, from a bundle; each variant is another build."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        pages = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=folder))
        threading.Thread(target=pages.serve_forever, daemon=True).start()
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for variant, name in ((1, "app-4fQz81aB.js"), (2, "app-Zk20cc9x.js"), (3, "app-b7D_11mQ.js")):
            command = [
                str(next((MODULES / "@esbuild").glob("*/bin/esbuild"))),
                str(PROGRAMS / "browser.js"),
                "--bundle",
            ]
            command += ["--minify-whitespace", f"--outfile={folder}/{name}", "--log-level=error"]
            subprocess.run(command, env=os.environ | {"NODE_PATH": str(MODULES)}, check=True, timeout=120)
            Path(folder, "index.html").write_text(f"<!doctype html><script src='/{name}'></script>", encoding="utf-8")
            page = browser.new_page()
            page.goto(f"http://127.0.0.1:{pages.server_port}/")
            assert page.evaluate("([dsn, variant]) => window.report(dsn, variant)", [dsn, variant])
            page.close()
        browser.close()
        pages.shutdown()
        pages.server_close()


def main(wanted: list[str]) -> int:
    (HERE / "recorded").mkdir(exist_ok=True)
    for sdk in wanted or [*COMMANDS, "browser"]:
        recorder = Recorder()
        try:
            run(sdk, recorder.dsn)
        except (OSError, subprocess.SubprocessError) as error:
            print(f"{sdk}: not recorded: {error}")
            continue
        finally:
            recorder.close()
        text = json.dumps(recorder.requests, indent=0)
        (HERE / "recorded" / f"{sdk}.json").write_text(text, encoding="utf-8")
        print(f"{sdk}: {len(recorder.requests)} requests, {len(text) // 1024} KB")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

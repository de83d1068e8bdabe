"""The same SCIM requests to Opsteward and to `scim2-server`, and where the two answer differently.

`scim2-server` keeps everything in memory and is written by the authors of the library that both use, so it is no
second opinion on what the library does; it is one on filters in SQL, pages, orders, versions, bulk and conflicts. A
difference that `scim_known` does not explain, and an explanation of none, end the run with an error. `--peer` is the
program `scim2-server` of a virtual environment of its own: never a dependency.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from bench.instance import running, temporary_folder
from bench.scim_known import KNOWN, Known, known
from bench.scim_steps import Step, steps

_BRACED = re.compile(r"\{(etag:)?([a-z0-9]+)\}")


class Side:
    """One of the two servers, with the ids that it gave."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http
        self._ids: dict[str, str] = {}

    def told(self, step: Step) -> dict[str, Any]:
        """What it answers, without what differs between any two servers."""
        body = None if step.body is None else self._filled(json.dumps(step.body)).encode()
        headers = {"Content-Type": "application/scim+json"} if body is not None else {}
        headers |= {key: self._filled(value) for key, value in step.headers.items()}
        answer = self._http.request(step.method, self._filled(step.path), content=body, headers=headers)
        document = answer.json() if answer.content else None
        if step.names and answer.status_code == 201:
            self._ids[step.names] = document["id"]
        text = json.dumps(document).replace(str(self._http.base_url).rstrip("/"), "BASE")
        for name, own in self._ids.items():
            text = text.replace(own, f"<{name}>")
        if step.method == "PATCH" and answer.status_code in (200, 204):
            # either is right (RFC 7644, 3.5.2); what has become of it, the next step asks
            return {"status": "done", "body": None}
        return {"status": answer.status_code, "body": _plain(json.loads(text), ordered="sortBy" in step.path)}

    def _filled(self, text: str) -> str:
        def of(found: re.Match[str]) -> str:
            own = self._ids.get(found[2], "missing")
            if not found[1]:
                return own
            return self._http.get(f"/Users/{own}").json()["meta"]["version"]

        return _BRACED.sub(of, text)


def _plain(value: Any, *, ordered: bool) -> Any:
    """Without times, versions, words for people and new ids; what has no order is put in one."""
    if isinstance(value, list):
        listed = [_plain(one, ordered=ordered) for one in value]
        return listed if ordered else sorted(listed, key=lambda one: json.dumps(one, sort_keys=True))
    if isinstance(value, str):
        return re.sub(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", "<new>", value)
    if not isinstance(value, dict):
        return value
    # a server may fill in what it knows: groups of a user, what a member is and where, that a new user is active
    dropped = {"detail", "created", "lastModified", "version", "groups", "$ref"}
    kept = {key: one for key, one in value.items() if key not in dropped and not (key == "active" and one is True)}
    if "value" in kept and kept.get("type") in ("User", "Group"):
        del kept["type"]
    return {key: _plain(one, ordered=ordered) for key, one in kept.items()}


def differences(ours: Any, theirs: Any, where: str = "") -> Iterator[str]:
    """Each place where the answers are not the same: ours, then theirs."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in sorted({*ours, *theirs}):
            yield from differences(ours.get(key), theirs.get(key), f"{where}.{key}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from differences(one, other, f"{where}[{number}]")
    elif ours != theirs:
        yield f"{where}: {json.dumps(ours)[:150]} | {json.dumps(theirs)[:150]}"


@contextmanager
def peer(program: Path, port: int) -> Iterator[httpx.Client]:
    """`scim2-server` on this port."""
    process = subprocess.Popen([program, "--port", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}/v2", timeout=30) as http:
            for _ in range(300):
                try:
                    http.get("/ServiceProviderConfig").raise_for_status()
                    break
                except httpx.TransportError:
                    time.sleep(0.1)
            yield http
    finally:
        process.terminate()
        process.wait(10)


def compare(ours: Side, theirs: Side) -> int:
    """Every step on both; how many differences nothing explains, and how many explanations explain nothing."""
    same, wrong = 0, 0
    explained: dict[Known, list[str]] = {}
    for step in steps():
        one, other = ours.told(step), theirs.told(step)
        found = list(differences(one, other))
        if one["status"] in (500, 502, 503):
            found.append("a fault of ours")
        if not found:
            same += 1
        elif reason := known(step.label, found):
            explained.setdefault(reason, []).append(step.label)
        else:
            wrong += 1
            print(f"DIFFERENT {step.label[:110]}", *found[:6], sep="\n    ")
    for reason, labels in explained.items():
        print(f"{len(labels)} explained: {reason.why}", *(label[:110] for label in labels), sep="\n    ")
    unused = [reason for reason in KNOWN if reason.always and reason not in explained]
    for reason in unused:
        print(f"EXPLAINS NOTHING {reason.label}")
    told = sum(map(len, explained.values()))
    print(f"\n{same + told + wrong} requests: {same} answered the same, {told} explained, {wrong} not explained")
    return wrong + len(unused)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", type=Path, required=True, help="the program scim2-server")
    parser.add_argument("--port", type=int, default=18700, help="a free port for it")
    given = parser.parse_args()
    with temporary_folder() as folder, running(folder / "home") as instance, peer(given.peer, given.port) as http:
        token = {"Authorization": f"Bearer {(instance.home / 'token').read_text()}"}
        with httpx.Client(base_url=f"{instance.client.url}/scim/v2", headers=token, timeout=30) as own:
            return 1 if compare(Side(own), Side(http)) else 0


if __name__ == "__main__":
    sys.exit(main())

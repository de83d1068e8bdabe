"""Speaks HTTP to a running instance: that of `--url` or `OPSTEWARD_URL`, or the one that runs in the home here."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, cast
from urllib.parse import urlencode

from opsteward.cli.transport import Answer, NoAnswer, Transport
from opsteward.client.connection import Address, Call, CallFailed, Page, Param
from opsteward.core.json_types import JsonObject

Answered = TypeVar("Answered")

__all__ = ["CallFailed", "Client", "NoInstance"]


class NoInstance(Exception):
    """No instance of Opsteward answered: `address` says where it was looked for and why there."""

    def __init__(self, address: Address, problem: str, remedy: str = "") -> None:
        super().__init__(f"{address.url} ({address.source}): {problem}")
        self.problem = problem
        self.remedy = remedy


#: Set by `opsteward --url`.
given_url: str | None = None


class Client:
    """A thin client; every method gives what is answered. They raise CallFailed where the instance refuses, and
    NoInstance where none answers."""

    def __init__(self, url: str | None = None, token: str | None = None, *, timeout: float = 60.0) -> None:
        """`timeout`: seconds without a byte after which there is no answer. Raises NoInstance for no address."""
        self.address = Address.of(url or given_url, token)
        if url is None and given_url is not None:
            self.address = replace(self.address, source="--url")
        self.url, self.headers = self.address.url, self.address.headers
        if not self.headers.get("Authorization", "").isascii():
            raise CallFailed(401, {"detail": "a token has other characters"})
        try:
            self._transport = Transport(self.url, timeout=timeout)
        except NoAnswer as error:
            raise self._nobody(error.problem, error.remedy) from None

    def get(self, path: str, **params: Param) -> Any:
        return self._call("GET", path, params=params)

    def post(self, path: str, body: object = None, *, content: bytes | None = None, kind: str = "") -> Any:
        if content is not None:
            return self._call("POST", path, content=content, headers={"Content-Type": kind})
        return self._call("POST", path, body=body if body is not None else {})

    def put(self, path: str, body: object) -> Any:
        return self._call("PUT", path, body=body)

    def delete(self, path: str) -> None:
        self._call("DELETE", path)

    def send(self, call: Call[Answered], content: Iterable[bytes] | None = None) -> Answered:
        """A request as the Python client makes it; `content` is its body in pieces."""
        if call.text:
            with self._answered(call) as blocks:
                return cast(Answered, b"".join(blocks).decode("utf-8", errors="replace"))
        body = call.body if call.body is not None or call.method in ("GET", "DELETE") else {}
        answer = self._call(
            call.method, call.path, params=call.params, body=body, content=content, headers=_given(call.headers)
        )
        return cast(Answered, answer)

    def download(self, call: Call[str], target: Path, *, force: bool) -> int:
        """Write the answer into a file, which is there when all of it is; gives its bytes. One that is there already
        is replaced only with `force`. Raises FileExistsError too."""
        if not force and target.exists():
            raise FileExistsError(errno.EEXIST, "is there already", str(target))
        partly = target.with_name(f".{target.name}.{os.getpid()}.part")
        try:
            with self._answered(call) as blocks, partly.open("xb") as file:
                for block in blocks:
                    file.write(block)
            if force:
                partly.replace(target)
            else:
                os.link(partly, target)  # unlike a rename it never takes the place of another file
            return target.stat().st_size
        finally:
            partly.unlink(missing_ok=True)

    @contextmanager
    def _answered(self, call: Call[Answered]) -> Iterator[Iterator[bytes]]:
        target = _target(call.path, call.params)
        try:
            with self._transport.streamed(
                call.method, target, headers={**self.headers, **_given(call.headers)}
            ) as opened:
                answer, blocks = opened
                if answer.status != 200:
                    whole = Answer(answer.status, answer.kind, answer.location, b"".join(blocks))
                    self._decoded(whole, call.params)
                yield blocks
        except NoAnswer as error:
            raise self._nobody(error.problem, error.remedy) from None

    def items_of(self, page: Page[Answered]) -> list[Answered]:
        """The items of a page. Raises NoInstance for what is none: another server's answer."""
        if not isinstance(page, dict) or not isinstance(page.get("items"), list):
            raise self._nobody("what answers there is no Opsteward", "look at the address and its port")
        return page["items"]

    def _call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Param] | None = None,
        body: object = None,
        content: bytes | Iterable[bytes] | None = None,
        headers: dict[str, str] | None = None,
    ) -> object:
        own = {**self.headers, **(headers or {})}
        if content is None and body is not None:
            content = json.dumps(body).encode()
            own["Content-Type"] = "application/json"
        try:
            answer = self._transport.request(method, _target(path, params or {}), headers=own, body=content)
        except NoAnswer as error:
            raise self._nobody(error.problem, error.remedy) from None
        return self._decoded(answer, body if body is not None else params)

    def _decoded(self, answer: Answer, sent: object) -> object:
        if 300 <= answer.status < 400:
            raise self._nobody(
                f"it redirects to {answer.location[:200] or 'nowhere'}", "set OPSTEWARD_URL to where it is at last"
            )
        if not answer.body and answer.status < 300:
            return None
        try:
            value = json.loads(answer.body)
        except ValueError:
            value = None
        if answer.status < 400:
            if value is None:
                raise self._nobody("what answers there is no Opsteward", "look at the address and its port")
            return value
        if isinstance(value, dict) and (_is_ours(value) or (answer.status == 503 and "parts" in value)):
            raise CallFailed(answer.status, value, sent)
        if answer.status in (502, 503, 504):
            raise self._nobody(f"a proxy answered {answer.status} in its place", "look whether it is up, and try again")
        raise self._nobody(f"what answers there ({answer.status}) is no Opsteward", "look at the address and its port")

    def _nobody(self, problem: str, remedy: str) -> NoInstance:
        return NoInstance(self.address, problem, remedy)


def _is_ours(problem: JsonObject) -> bool:
    return str(problem.get("type", "")).startswith("urn:opsteward:")


def _given(headers: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if value is not None}


def _target(path: str, params: Mapping[str, Param]) -> str:
    given = {key: value for key, value in params.items() if value is not None}
    query = urlencode({k: str(v).lower() if isinstance(v, bool) else v for k, v in given.items()}, doseq=True)
    return f"{path}?{query}" if query else path

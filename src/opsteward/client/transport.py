"""What the two forms of the client do differently: connect, send, wait, write. The verbs are the same."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Concatenate, ParamSpec, Self

import httpx

from opsteward.client.connection import Answer, Call, Page, answer_of
from opsteward.client.embedded import Embedded, address_of
from opsteward.client.user_files import as_async
from opsteward.core.blocking_calls import in_thread

P = ParamSpec("P")


class AsyncTransport:
    """Connections to one instance, from within an event loop."""

    def __init__(self, url: str | None = None, token: str | None = None, *, timeout: float = 60.0) -> None:
        """`timeout`: seconds to wait for an answer."""
        self._given = (url, token)
        self._own: Embedded | None = None
        self._http = httpx.AsyncClient(timeout=timeout)

    async def __aenter__(self) -> Self:
        """Raises RuntimeError when an own instance does not start."""
        address = await in_thread(address_of, *self._given)
        if address is None:
            self._own = await in_thread(Embedded)
            address = self._own.address
        self._http.base_url = address.url
        self._http.headers.update(address.headers)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Give back the connections, and end the instance if it is our own."""
        await self._http.aclose()
        if self._own is not None:
            await in_thread(self._own.end)

    async def _send(self, call: Call[Answer], content: Iterator[bytes] | None = None) -> Answer:
        body = None if content is None else as_async(content)
        return answer_of(call, await self._http.request(call.method, call.path, **call.options(body)))

    async def _items(self, call: Call[Page[Answer]]) -> list[Answer]:
        page = await self._send(call)
        return page["items"]

    async def _download(self, call: Call[str], target: Path) -> Path:
        """The answer as a file, which is there once it is whole."""
        partly = target.with_name(f"{target.name}.part")
        async with self._http.stream(call.method, call.path, **call.options()) as answer:
            if answer.status_code != 200:
                await answer.aread()
                answer_of(call, answer)
            file = await in_thread(partly.open, "wb")
            try:
                async for block in answer.aiter_bytes():
                    await in_thread(file.write, block)
            finally:
                await in_thread(file.close)
        return await in_thread(partly.replace, target)

    async def _sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class BlockingTransport:
    """Connections to one instance, from ordinary code."""

    def __init__(self, url: str | None = None, token: str | None = None, *, timeout: float = 60.0) -> None:
        """`timeout`: seconds to wait for an answer. Raises RuntimeError when an own instance does not start."""
        address, self._own = address_of(url, token), None
        if address is None:
            self._own = Embedded()
            address = self._own.address
        self._http = httpx.Client(base_url=address.url, headers=address.headers, timeout=timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give back the connections, and end the instance if it is our own."""
        self._http.close()
        if self._own is not None:
            self._own.end()

    def _send(self, call: Call[Answer], content: Iterator[bytes] | None = None) -> Answer:
        return answer_of(call, self._http.request(call.method, call.path, **call.options(content)))

    def _items(self, call: Call[Page[Answer]]) -> list[Answer]:
        return self._send(call)["items"]

    def _download(self, call: Call[str], target: Path) -> Path:
        """The answer as a file, which is there once it is whole."""
        partly = target.with_name(f"{target.name}.part")
        with self._http.stream(call.method, call.path, **call.options()) as answer:
            if answer.status_code != 200:
                answer.read()
                answer_of(call, answer)
            with partly.open("wb") as file:
                for block in answer.iter_bytes():
                    file.write(block)
        return partly.replace(target)

    def _sleep(self, seconds: float) -> None:
        time.sleep(seconds)


def asynchronous(
    function: Callable[P, Call[Answer]],
) -> Callable[Concatenate[AsyncTransport, P], Awaitable[Answer]]:
    """The verb that sends what a function of `operations` gives, in the async form."""

    @wraps(function)
    async def verb(self: AsyncTransport, /, *args: P.args, **kwargs: P.kwargs) -> Answer:
        return await self._send(function(*args, **kwargs))

    return verb


def blocking(function: Callable[P, Call[Answer]]) -> Callable[Concatenate[BlockingTransport, P], Answer]:
    """The same in the blocking form."""

    @wraps(function)
    def verb(self: BlockingTransport, /, *args: P.args, **kwargs: P.kwargs) -> Answer:
        return self._send(function(*args, **kwargs))

    return verb

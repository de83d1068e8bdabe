"""The shop's customers: orders at a steady, known rate, each with its outcome in one line of `traffic.jsonl`.

    {"at": 1700000000.123, "ok": true, "status": 201, "seconds": 0.004}

`at` is when the order was sent (epoch seconds), `status` the HTTP status or, without an answer, why there was
none. The rate (orders a second) is read from a file before each order. SIGTERM ends it.
Run by the lab's supervisor as `python -m opsteward.lab.traffic HOME`.
"""

from __future__ import annotations

import asyncio
import json
import random
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

import aiohttp

from opsteward.lab.folder import LabFacts, LabFolder, current_rate
from opsteward.lab.pidfiles import write_pidfile

PATIENCE = 2.0  # seconds that a customer waits for the answer
OPEN_LIMIT = 200  # orders on their way at once; one more is counted as failed without being sent
CATCH_UP = 1.0  # seconds of missed orders that are sent late after we were not scheduled for a while
HOT_SHARE = 0.4  # of all orders go to the first product
PRODUCTS = 20


class Traffic:
    """Sends orders until it is cancelled."""

    def __init__(self, folder: LabFolder, url: str, log: IO[str], session: aiohttp.ClientSession) -> None:
        self._folder = folder
        self._url = url
        self._log = log
        self._session = session
        self._open: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Send orders at the rate in force until stopped."""
        due = time.monotonic()
        while True:
            now = time.monotonic()
            due = max(due + 1 / current_rate(self._folder), now - CATCH_UP)
            await asyncio.sleep(max(0.0, due - now))
            if len(self._open) >= OPEN_LIMIT:
                self._note(time.time(), "too many open", 0.0)
                continue
            order = asyncio.create_task(self._order())
            self._open.add(order)
            order.add_done_callback(self._open.discard)

    async def _order(self) -> None:
        at, began = time.time(), time.monotonic()
        product = 1 if random.random() < HOT_SHARE else random.randint(2, PRODUCTS)  # noqa: S311
        status: int | str
        try:
            async with self._session.post(
                self._url, json={"product_id": product, "quantity": 1}, allow_redirects=False
            ) as answer:
                await answer.read()
                status = answer.status
        except TimeoutError:
            status = "timeout"
        except aiohttp.ClientConnectorError:
            status = "refused"
        except aiohttp.ClientError:
            status = "broken off"
        self._note(at, status, time.monotonic() - began)

    def _note(self, at: float, status: int | str, seconds: float) -> None:
        line = {"at": round(at, 4), "ok": status == 201, "status": status, "seconds": round(seconds, 4)}
        self._log.write(json.dumps(line) + "\n")


async def send_orders(folder: LabFolder) -> None:
    """Send orders to the lab's shop until SIGTERM."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    url = LabFacts.load(folder).shop_url + "/orders"
    # Each order on a connection of its own, as from a customer of its own: none fails for a shared one.
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    patience = aiohttp.ClientTimeout(total=PATIENCE)
    with folder.traffic.open("a", buffering=1) as log:
        async with aiohttp.ClientSession(connector=connector, timeout=patience) as session:
            await Traffic(folder, url, log, session).run()


def main() -> None:
    folder = LabFolder(Path(sys.argv[1]).resolve())
    write_pidfile(folder.run / "traffic.json")
    with suppress(asyncio.CancelledError):
        asyncio.run(send_orders(folder))


if __name__ == "__main__":
    main()

"""The shop: a small web application with a page, a checkout and a health endpoint, in one process.

    GET  /         the products, as HTML, by the page that is deployed (`releases`); its files are below /assets/
    POST /orders   {"product_id", "quantity"}: checkout in one transaction -> 201, or 503 when it can't
    GET  /health   what the shop says of itself -> 200 or 503, always within 1.5 s

Run by the lab's supervisor as `python -m opsteward.lab.shop HOME`.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import uvicorn
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from opsteward.core.json_types import JsonObject
from opsteward.lab.folder import ConnectArgs, LabFacts, LabFolder
from opsteward.lab.pidfiles import write_pidfile
from opsteward.lab.pool import Pool
from opsteward.lab.releases import Release
from opsteward.lab.shop_bugs import BUGS, limit_open_files

_log = logging.getLogger("shop")

POOL_SIZE = 10
# So short that a leak elsewhere soon hurts: an expired connection must be opened anew, and is refused.
CONNECTION_LIFETIME = 1.0  # seconds
POOL_WAIT = 0.7  # seconds to wait for a connection
HEALTH_LIMIT = 1.2  # seconds
HEALTH_WINDOW = 2.0  # seconds of orders that health looks back on
FEWEST_ORDERS = 5  # below this a share of orders says nothing
HEALTHY_SHARE = 0.5
# The server gives up before the customers do (they wait 2 s).
SESSION_OPTIONS = "-c lock_timeout=800 -c statement_timeout=1000 -c idle_in_transaction_session_timeout=5000"

RESTOCK = 1000


class OrderForm(BaseModel):
    """What a customer sends."""

    model_config = ConfigDict(extra="forbid")

    product_id: int = Field(ge=1, le=2**31 - 1)
    quantity: int = Field(ge=1, le=10)


class UnknownProduct(Exception):
    """The order names a product that the shop does not sell."""


class OrderHistory:
    """How the orders of the last few seconds ended."""

    def __init__(self, window: float) -> None:
        self._window = window
        self._ended: deque[tuple[float, bool]] = deque()

    def add(self, ok: bool) -> None:
        self._ended.append((time.monotonic(), ok))
        self._forget()

    def share(self) -> tuple[int, float | None]:
        """Number of orders in the window, and the successful share of them (None when there are too few)."""
        self._forget()
        seen = len(self._ended)
        if seen < FEWEST_ORDERS:
            return seen, None
        return seen, sum(ok for _, ok in self._ended) / seen

    def _forget(self) -> None:
        while self._ended and self._ended[0][0] < time.monotonic() - self._window:
            self._ended.popleft()


class Shop:
    """The endpoints, over one pool."""

    def __init__(self, pool: Pool, release: Path) -> None:
        self._pool = pool
        self._assets = release / "assets"
        self._site = Release(release / "site.py")
        self._site.names()  # a release that is no code ends the start
        self._history = OrderHistory(HEALTH_WINDOW)
        self._looks: set[asyncio.Task[str]] = set()

    def app(self) -> Starlette:
        """The web application."""
        routes = [
            Route("/", self.page),
            Route("/orders", self.order, methods=["POST"]),
            Route("/health", self.health),
            Mount("/assets", StaticFiles(directory=self._assets)),
            *BUGS,
        ]
        return Starlette(routes=routes, lifespan=self._lifespan)

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        yield
        await self._pool.close()

    async def page(self, _: Request) -> Response:
        """GET /: something to look at."""
        try:
            async with self._pool.connection() as connection:
                found = await connection.execute("select name, price_cents from products order by id")
                rows = await found.fetchall()
        except (psycopg.Error, TimeoutError) as problem:
            _log.warning("page failed: %s", _said(problem))
            return HTMLResponse("<h1>We are closed for a moment</h1>", status_code=503)
        page: Any = self._site.names()["page"]
        status, headers, body = await page(rows)
        return Response(body, status, headers)

    async def order(self, request: Request) -> Response:
        """POST /orders: the checkout, one transaction."""
        try:
            form = OrderForm.model_validate_json(await request.body())
        except ValidationError as problem:
            # without what was sent: it may not even be text
            faults = problem.errors(include_url=False, include_context=False, include_input=False)
            return JSONResponse({"error": faults}, status_code=422)
        try:
            order_id = await self._checkout(form)
        except UnknownProduct:
            return JSONResponse({"error": "no such product"}, status_code=404)
        except (psycopg.Error, TimeoutError) as problem:
            self._history.add(False)
            _log.warning("checkout failed: %s", _said(problem))
            return JSONResponse({"error": "checkout failed"}, status_code=503)
        self._history.add(True)
        return JSONResponse({"order_id": order_id}, status_code=201)

    async def _checkout(self, form: OrderForm) -> int:
        async with self._pool.connection() as connection, connection.transaction():
            found = await connection.execute("select stock from products where id = %s for update", (form.product_id,))
            row = await found.fetchone()
            if row is None:
                raise UnknownProduct
            left = row[0] - form.quantity
            await connection.execute(
                "update products set stock = %s where id = %s",
                (left if left >= 0 else left + RESTOCK, form.product_id),
            )
            placed = await connection.execute(
                "insert into orders (product_id, quantity) values (%s, %s) returning id",
                (form.product_id, form.quantity),
            )
            order = await placed.fetchone()
            assert order is not None
            return int(order[0])

    async def health(self, _: Request) -> Response:
        """GET /health: a real query, and the share of orders that lately succeeded."""
        look = asyncio.create_task(self._look_at_database())
        self._looks.add(look)
        look.add_done_callback(self._looks.discard)
        # Not awaited to its end: cancelling a query may itself take seconds when the server is stuck.
        await asyncio.wait({look}, timeout=HEALTH_LIMIT)
        if look.done():
            database = look.result()
        else:
            look.cancel()
            database = f"no answer in {HEALTH_LIMIT} s"
        seen, share = self._history.share()
        healthy = database == "ok" and (share is None or share >= HEALTHY_SHARE)
        report: JsonObject = {
            "status": "ok" if healthy else "failing",
            "database": database,
            "orders": {"window_seconds": HEALTH_WINDOW, "seen": seen, "success_share": share},
        }
        return JSONResponse(report, status_code=200 if healthy else 503)

    async def _look_at_database(self) -> str:
        try:
            async with self._pool.connection() as connection:
                await connection.execute("select count(*) from products where stock > 0")
        except (psycopg.Error, TimeoutError) as problem:
            return _said(problem)
        return "ok"


def _said(problem: BaseException) -> str:
    """A failure in one line."""
    text = " ".join(str(problem).split()) or "no connection in time"
    return f"{type(problem).__name__}: {text}"


def main() -> None:
    """Serve until SIGTERM."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    folder = LabFolder(Path(sys.argv[1]).resolve())
    write_pidfile(folder.run / "shop.json")
    limit_open_files()
    facts = LabFacts.load(folder)
    connect_args: ConnectArgs = {**facts.connect_args("shop", "shop-web"), "options": SESSION_OPTIONS}
    pool = Pool(connect_args, size=POOL_SIZE, lifetime=CONNECTION_LIFETIME, wait=POOL_WAIT)
    uvicorn.run(
        Shop(pool, folder.release).app(),
        host="127.0.0.1",
        port=facts.shop_port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=1,
    )


if __name__ == "__main__":
    main()

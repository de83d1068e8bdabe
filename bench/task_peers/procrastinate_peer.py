"""Procrastinate: two workers with asynchronous tasks, deferred in one batch."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time

import psycopg
from procrastinate import App, PsycopgConnector

URL = os.environ.get("BENCH_DATABASE", "")
app = App(connector=PsycopgConnector(conninfo=URL))


@app.task(name="noop")
async def noop() -> None:
    return None


async def work() -> None:
    async with app.open_async():
        print("up", flush=True)
        await app.run_worker_async(concurrency=20, install_signal_handlers=False)


async def defer(count: int) -> None:
    async with app.open_async():
        for begin in range(0, count, 5000):
            await noop.batch_defer_async(*({} for _ in range(min(5000, count - begin))))


async def prepare() -> None:
    async with app.open_async():
        await app.schema_manager.apply_schema_async()


def run(count: int) -> dict[str, float]:
    asyncio.run(prepare())
    workers = [
        subprocess.Popen([sys.executable, "-m", __spec__.name, "work"], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    try:
        for worker in workers:
            assert worker.stdout is not None
            worker.stdout.readline()
        with psycopg.connect(URL, autocommit=True) as connection:
            began = time.monotonic()
            asyncio.run(defer(count))
            submitted = time.monotonic()
            done = "select count(*) from procrastinate_jobs where status = 'succeeded'"
            while (connection.execute(done).fetchone() or (0,))[0] < count:
                time.sleep(0.05)
            return {"submit": submitted - began, "total": time.monotonic() - began}
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()


if __name__ == "__main__":
    if sys.argv[1:] == ["work"]:
        asyncio.run(work())
    else:
        print(json.dumps(run(int(sys.argv[1]))))

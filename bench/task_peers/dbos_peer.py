"""Raw DBOS at its best settings: a plain function, few threads, a fast poll, and bulk enqueue in SQL."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time

import psycopg
from dbos import DBOS

NAME, VERSION = "bench-peer", "1"


def start(url: str, executor: str) -> None:
    """The engine in this process."""
    DBOS(
        config={
            "name": NAME,
            "system_database_url": url,
            "application_version": VERSION,
            "executor_id": executor,
            "max_executor_threads": 4,
            "sys_db_pool_size": 6,
            "log_level": "ERROR",
        }
    )


@DBOS.workflow(name="noop")
def noop() -> None:
    return None


@DBOS.step()
def light(number: int) -> int:
    return number


@DBOS.workflow(name="forty")
def forty() -> int:
    return sum(light(number) for number in range(40))


@DBOS.step()
async def light_async(number: int) -> int:
    return number


@DBOS.workflow(name="forty_async")
async def forty_async() -> int:
    return sum([await light_async(number) for number in range(40)])


def work(url: str, executor: str) -> None:
    """One worker, until it is killed."""
    start(url, executor)
    DBOS.launch()
    DBOS.register_queue("noop", worker_concurrency=400, polling_interval_sec=0.05)
    print("up", flush=True)
    while True:
        time.sleep(3600)


def run(count: int, url: str) -> dict[str, float]:
    subprocess.run([sys.executable, "-m", __spec__.name, "migrate", url], check=True)
    workers = [
        subprocess.Popen([sys.executable, "-m", __spec__.name, "work", url, f"w{n}"], stdout=subprocess.PIPE, text=True)
        for n in range(2)
    ]
    try:
        for worker in workers:
            assert worker.stdout is not None
            worker.stdout.readline()
        with psycopg.connect(url, autocommit=True) as connection:
            began = time.monotonic()
            connection.execute(
                "select count(dbos.enqueue_workflow(workflow_name => 'noop', queue_name => 'noop',"
                " application_name => %s, app_version => %s)) from generate_series(1, %s)",
                (NAME, VERSION, count),
            )
            submitted = time.monotonic()
            done = "select count(*) from dbos.workflow_status where status = 'SUCCESS' and name = 'noop'"
            while (connection.execute(done).fetchone() or (0,))[0] < count:
                time.sleep(0.05)
            return {"submit": submitted - began, "total": time.monotonic() - began}
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()


def steps(url: str) -> None:
    """For each line of standard input one workflow of 40 steps, `plain` or `asynchronous` as ours are: its seconds."""
    start(url, "steps")
    DBOS.launch()
    print("up", flush=True)
    for line in sys.stdin:
        spent = asyncio.run(_timed_async()) if line.strip() == "asynchronous" else _timed()
        print(spent, flush=True)
    DBOS.destroy()


def _timed() -> float:
    began = time.monotonic()
    forty()
    return time.monotonic() - began


async def _timed_async() -> float:
    began = time.monotonic()
    await forty_async()
    return time.monotonic() - began


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["work", url, executor]:
            work(url, executor)
        case ["migrate", url]:
            start(url, "migrate")
            DBOS.launch()
            DBOS.destroy()
        case ["steps", url]:
            steps(url)
        case [count, url]:
            print(json.dumps(run(int(count), url)))

"""Celery with Redis as broker and result store; acknowledged late, as durable work has to be."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

from celery import Celery

ADDRESS = os.environ.get("BENCH_REDIS", "redis://127.0.0.1:6379")
app = Celery("bench.task_peers.celery_peer", broker=f"{ADDRESS}/0", backend=f"{ADDRESS}/1")
app.conf.update(
    task_acks_late=True,
    worker_prefetch_multiplier=100,
    task_serializer="json",
    result_serializer="json",
    worker_send_task_events=False,
    broker_connection_retry_on_startup=True,
)


@app.task(name="noop")
def noop() -> None:
    return None


def run(count: int) -> dict[str, float]:
    import redis

    command = [sys.executable, "-m", "celery", "-A", __spec__.name, "worker", "--pool=solo", "--loglevel=ERROR"]
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    workers = [
        subprocess.Popen([*command, *quiet, "-n", f"w{n}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for n in range(2)
    ]
    try:
        while len(app.control.ping(timeout=0.5)) < 2:
            pass
        results = redis.Redis.from_url(f"{ADDRESS}/1")
        began = time.monotonic()
        with app.producer_or_acquire() as producer:
            for _ in range(count):
                noop.apply_async(producer=producer)
        submitted = time.monotonic()
        while results.dbsize() < count:
            time.sleep(0.05)
        return {"submit": submitted - began, "total": time.monotonic() - began}
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()


if __name__ == "__main__":
    print(json.dumps(run(int(sys.argv[1]))))

"""Fifty pieces of work at once against a scripted model that takes a second for each reply; and the crew's health.

    python -m bench.crew [WORKS]

The ideal is the latency of the calls that follow each other in one piece of work: handing over, the specialist, the
supervisor, the report. Prints the time of all, the ideal, the instance's memory and processor time, and how health
answered meanwhile.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from pathlib import Path

import httpx
import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.live import running_instance
from support.scripted_model import Reply, Request, finding, scripted_model, tool_names, tool_replies

LATENCY, TURNS = 1.0, 4
PART = "crm.lead_scoring"


def script(request: Request, number: int) -> Reply:
    if "delegate" in tool_names(request) and not tool_replies(request):
        return Reply(calls=(("delegate", {"part": PART}),), delay=LATENCY)
    return Reply(calls=finding().calls, delay=LATENCY)


async def health(url: str, requests: int, clients: int) -> tuple[int, float]:
    """How many failed, and the slowest."""
    failed, slowest = 0, 0.0

    async def one() -> None:
        nonlocal failed, slowest
        async with httpx.AsyncClient(base_url=url, timeout=30) as http:
            for _ in range(requests // clients):
                began = time.perf_counter()
                failed += (await http.get("/api/crew/health")).status_code != 200
                slowest = max(slowest, time.perf_counter() - began)

    await asyncio.gather(*(one() for _ in range(clients)))
    return failed, slowest


async def main(works: int) -> None:
    async with scripted_model(script) as model:
        settings = {
            "OPSTEWARD_MODEL": "compatible:scripted",
            "OPSTEWARD_MODEL_URL": model.url,
            "OPSTEWARD_MODEL_PRICES": json.dumps({"compatible:scripted": {"input": 0, "output": 0}}),
            "OPSTEWARD_CREW_REQUESTS_PER_MINUTE": "1000",
        }
        entered = running_instance(settings)
        live = await asyncio.to_thread(entered.__enter__)
        try:
            async with httpx.AsyncClient(
                base_url=live.url, headers={"Authorization": f"Bearer {live.admin.token}"}, timeout=60
            ) as http:
                await run(http, live.url, 1)  # imports the library
                seconds, engines = await run(http, live.url, works)
            ideal = LATENCY * TURNS
            print(f"{works} at once: {seconds:.2f} s, ideal {ideal:.2f} s, {seconds / ideal:.2f} times")
            print(f"at the model: {model.at_once} at once; done by {engines}")
        finally:
            await asyncio.to_thread(entered.__exit__, None, None, None)


async def run(http: httpx.AsyncClient, url: str, works: int) -> tuple[float, dict[str, int]]:
    server = psutil.Process(next(one.pid for one in psutil.process_iter() if listens(one, url)))
    began, cpu = time.perf_counter(), sum(server.cpu_times()[:2])

    async def one(number: int) -> str:
        parameters = {"lead_data": {"role": "CTO", "engagement_score": number % 100}}
        body = {"type": PART, "parameters": parameters, "requires_ai": True, "complexity": "expert"}
        return str((await http.post("/api/crew/execute", json=body)).raise_for_status().json()["task_id"])

    ids = await asyncio.gather(*(one(number) for number in range(works)))
    failed, slowest = await health(url, 100, 10)
    engines: Counter[str] = Counter()
    for task_id in ids:
        engines[await ended(http, task_id)] += 1
    seconds = time.perf_counter() - began
    cpu, memory = sum(server.cpu_times()[:2]) - cpu, server.memory_info().rss / 1e6
    print(f"health: {failed} of 100 failed, slowest {slowest:.2f} s; memory {memory:.0f} MB; CPU {cpu:.2f} s")
    return seconds, dict(engines)


async def ended(http: httpx.AsyncClient, task_id: str) -> str:
    """Who did it."""
    found = (await http.get(f"/api/crew/task/{task_id}")).json()
    if not found["ended_at"]:
        await asyncio.sleep(0.2)
        return await ended(http, task_id)
    return str(found["engine"])


def listens(process: psutil.Process, url: str) -> bool:
    try:
        return any(one.status == "LISTEN" and f":{one.laddr.port}" in url for one in process.net_connections("tcp"))
    except psutil.Error:
        return False


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 50))

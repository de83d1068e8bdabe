"""`kill -9` while a model is asked: another process goes on, pays no recorded call again, and every call is traced."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from support.homes import temporary_home
from support.instance import run_sql
from support.live import announced
from support.otlp import otlp_receiver
from support.preloaded import Forked, clean_environment, started_command_line
from support.scripted_model import Reply, Request, ScriptedModel, finding, scripted_model, tool_replies

pytestmark = pytest.mark.slow(reason="starts an instance twice, and kills it in between")


@contextmanager
def model_in_thread(script: Callable[[Request, int], Reply]) -> Iterator[ScriptedModel]:
    ready, done = threading.Event(), asyncio.Event()
    found: list[tuple[ScriptedModel, asyncio.AbstractEventLoop]] = []

    async def serve() -> None:
        async with scripted_model(script) as model:
            found.append((model, asyncio.get_running_loop()))
            ready.set()
            await done.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    ready.wait(20)
    model, loop = found[0]
    try:
        yield model
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(20)


@contextmanager
def instance_up(home: Path, settings: dict[str, str]) -> Iterator[tuple[Forked, httpx.Client]]:
    environment = clean_environment(OPSTEWARD_HOME=str(home), LOG_LEVEL="WARNING", **settings)
    process = started_command_line(["up", "--port", "0"], environment)
    try:
        url, token = announced(process), (home / "token").read_text()
        client = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=30)
        until(lambda: client.get("/readyz").status_code == 200)
        yield process, client
    finally:
        process.end(30)


def until(true: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_killed_process_s_work_goes_on_and_pays_nothing_twice() -> None:
    in_flight = threading.Event()

    def script(request: Request, number: int) -> Reply:
        if number == 1:
            in_flight.set()
            return Reply(text="never read", delay=600)
        secret = "All is well. password=hunter2hunter2"
        return finding(secret) if tool_replies(request) else Reply(calls=(("run_engine", {}),))

    with temporary_home() as home, model_in_thread(script) as model, otlp_receiver() as receiver:
        settings = {
            "OPSTEWARD_MODEL": "compatible:scripted",
            "OPSTEWARD_MODEL_URL": model.url,
            "OPSTEWARD_MODEL_PRICES": json.dumps({"compatible:scripted": {"input": 10, "output": 30}}),
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        }
        with instance_up(home, settings) as (process, http):
            body = {
                "type": "lead_scoring",
                "parameters": {"lead_data": {"role": "CTO"}},
                "requires_ai": True,
                "description": "of great secrecy",
            }
            task_id = http.post("/api/crew/execute", json=body).raise_for_status().json()["task_id"]
            assert in_flight.wait(60)
            process.kill()
        with instance_up(home, settings) as (_, http):
            until(lambda: http.get(f"/api/crew/task/{task_id}").json()["ended_at"])
            found = http.get(f"/api/crew/task/{task_id}").json()
            open_steps = run_sql(home, "select name from opsteward.crew_steps where status <> 'done'")
            spend = "select reserved_micros > 0, spent_micros from opsteward.crew_spend where scope like 'tenant%'"
            ((in_flight_stays, spent),) = run_sql(home, spend)
        assert (found["status"], found["engine"]) == ("completed", "llm:compatible:scripted"), found
        assert len(model.requests) == 3  # the first, the one in flight, and that again
        assert open_steps == []
        # the one that was in flight when the process died may be on the bill: what was reserved for it stays
        assert (in_flight_stays, spent) == (True, 3200)
        until(lambda: receiver.named("chat scripted"))
        attributes = receiver.named("chat scripted")[-1].attributes
        assert (
            attributes.items()
            >= {
                "gen_ai.operation.name": "chat",
                "gen_ai.request.model": "scripted",
                "gen_ai.response.model": "scripted",
                "gen_ai.usage.input_tokens": 100,
                "gen_ai.usage.output_tokens": 20,
                "opsteward.cost_usd": 0.0016,
                "gen_ai.agent.name": "crm.lead_analyst",
            }.items()
        )
        told = json.dumps([span.attributes for span in receiver.spans])
        assert "hunter2" not in told and "great secrecy" not in told and "All is well" not in told

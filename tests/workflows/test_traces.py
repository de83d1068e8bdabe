"""Traces: a request, the tasks and actions that it starts and their steps are one trace; off, there is nothing."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.live import Live, running_instance
from support.otlp import Receiver, Seen, otlp_receiver
from support.survival import DURABLE, PLAIN

_CALLERS = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture(scope="module")
def traced() -> Iterator[tuple[Live, Receiver]]:
    settings = {
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "OTEL_SERVICE_NAME": "steward-under-test",
        "OPSTEWARD_PLUGINS": '["support.survival:INTEGRATION"]',
        "PYTHONPATH": str(Path(__file__).parents[1]),
        "WORKER_NAME": "traced",
    }
    with (
        otlp_receiver() as receiver,
        running_instance({"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, **settings}) as live,
    ):
        yield live, receiver


def _until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_task_is_in_the_trace_of_its_request(traced: tuple[Live, Receiver]) -> None:
    live, receiver = traced
    answer = live.admin.http.post(
        "/api/v1/tasks", json={"task_type": "opsteward.echo"}, headers={"X-Correlation-ID": "of-this-test"}
    )
    task_id = answer.json()["id"]

    def arrived() -> bool:
        return any(s.attributes["opsteward.task.id"] == task_id for s in receiver.named("task opsteward.echo"))

    _until(arrived)
    (request,) = [
        s
        for s in receiver.spans
        if s.attributes["opsteward.correlation_id"] == "of-this-test" and s.name.startswith("POST")
    ]
    (task,) = [s for s in receiver.named("task opsteward.echo") if s.attributes["opsteward.task.id"] == task_id]
    assert request.name == "POST /api/v1/tasks"
    assert request.attributes["http.response.status_code"] == 202
    assert request.trace == task.trace
    assert task.attributes["opsteward.task.status"] == "completed"
    assert task.attributes["opsteward.task.attempt"] == 0
    assert task.attributes["opsteward.correlation_id"] == "of-this-test"
    assert {request.service, task.service} == {"steward-under-test"}


def test_a_callers_trace_goes_on_in_ours(traced: tuple[Live, Receiver]) -> None:
    live, receiver = traced
    callers = {"traceparent": f"00-{_CALLERS}-00f067aa0ba902b7-01"}
    answer = live.admin.http.post("/api/v1/tasks", json={"task_type": "opsteward.echo"}, headers=callers)
    assert answer.status_code == 202
    _until(
        lambda: {"POST /api/v1/tasks", "task opsteward.echo"} <= {s.name for s in receiver.spans if s.trace == _CALLERS}
    )
    (request,) = [s for s in receiver.spans if s.trace == _CALLERS and s.name.startswith("POST")]
    assert request.parent == "00f067aa0ba902b7"


@pytest.mark.parametrize("kind", [DURABLE, PLAIN])
def test_a_tasks_steps_are_spans_below_it(traced: tuple[Live, Receiver], tmp_path: Path, kind: str) -> None:
    live, receiver = traced
    body = {"task_type": kind, "parameters": {"file": str(tmp_path / "effects"), "label": "t", "steps": ["a", "b"]}}
    task_id = live.admin.http.post("/api/v1/tasks", json=body).raise_for_status().json()["id"]

    def ours() -> list[Seen]:
        return [span for span in receiver.spans if span.attributes.get("opsteward.task.id") == task_id]

    _until(lambda: len(ours()) == 3)
    (task,) = [span for span in ours() if span.name == f"task {kind}"]
    steps = [span for span in ours() if span is not task]
    assert sorted(span.name for span in steps) == ["step a", "step b"]
    assert {(span.trace, span.parent) for span in steps} == {(task.trace, task.id)}


def test_an_actions_steps_are_spans(traced: tuple[Live, Receiver]) -> None:
    live, receiver = traced
    about = {
        "action": "log_only",
        "params": {"title": "a note", "body": "of a test", "severity": "low"},
        "reason": "to see its trace",
    }
    answer = live.admin.http.post("/api/v1/actions", json=about, headers={"X-Correlation-ID": "of-an-action"})
    assert answer.status_code == 202, answer.text
    steps = {f"action {step} log_only" for step in ("plan", "execute", "verify")}
    _until(lambda: steps <= {span.name for span in receiver.spans})
    ours = [s for s in receiver.spans if s.attributes["opsteward.correlation_id"] == "of-an-action"]
    assert len({span.trace for span in ours}) == 1
    assert {span.attributes.get("opsteward.action.run_id") for span in ours if span.name in steps} == {
        answer.json()["id"]
    }


def test_a_failure_is_told_without_its_secrets(traced: tuple[Live, Receiver]) -> None:
    live, receiver = traced
    missing = "00000000-0000-7000-8000-000000000000"
    body = {"task_type": "systems.check", "parameters": {"system_id": missing}, "max_retries": 0}
    assert live.admin.http.post("/api/v1/tasks", json=body).status_code == 202
    _until(lambda: receiver.named("task systems.check"))
    (task,) = receiver.named("task systems.check")
    assert task.attributes["opsteward.task.status"] == "failed"
    assert task.failed
    assert live.admin.token not in str(receiver.spans)


_OFF = """
import sys
from opsteward.telemetry import traces
traces.start()
with traces.span("nothing", {"a": 1}) as span:
    span.note({"b": 2}); span.rename("c"); span.fail("d")
assert not traces.on()
sys.exit(any(name.startswith("opentelemetry") for name in sys.modules))
"""


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_SDK_DISABLED": "true"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_off_it_imports_nothing(environment: dict[str, str]) -> None:
    done = subprocess.run([sys.executable, "-c", _OFF], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

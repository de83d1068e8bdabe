"""`opsteward soak`: everything that an instance does, in rounds, for a set time; what was lost, failed or grew.

It pauses and resumes a task type of the tenant whose token it bears, so it is meant for an instance of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from statistics import median
from time import perf_counter
from uuid import uuid4

import httpx
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from opsteward.client.connection import Address
from opsteward.core.json_types import JsonObject
from opsteward.loadtest import saved_hours
from opsteward.loadtest.simulated_users import Recorder, User, ends_of
from opsteward.loadtest.types import AuditEntry, MemoryRow, Report, SoakEnd

_TYPE = "opsteward.echo"
_BULK, _HELD = 50, 10  # tasks of a round that depend on each other, and of one that are held by the pause
_HOLD = 1.5  # seconds of each pause
_REST = 1.0
_PATIENCE = 60.0  # seconds after which unfinished tasks of a round are lost
_MB = 1_048_576


class _Soak:
    """One run: its phases, and what they found."""

    def __init__(self, at: Address, processes: list[str]) -> None:
        self._at = at
        self._metrics = [f"{at.url}/metrics", *processes]
        self.run_id = uuid4().hex[:12]
        self.recorder = Recorder()
        self.found: list[str] = []  # what should not be
        self.rounds = self.tasks = self.lost = self.events = self.incidents = 0
        self.agents: dict[str, int] = {}
        self.memory: dict[str, list[float]] = {url: [] for url in self._metrics}
        self._user = User(at, self.recorder)
        self.first_entry: str | None = None

    async def begin(self) -> None:
        """Remember where the audit log ends, and make a schedule that fires while we run."""
        page = await self._user.call("audit", "GET", "/api/v1/audit", params={"limit": 1})
        self.first_entry = page["items"][0]["id"] if page and page["items"] else None
        body = {"name": f"soak-{self.run_id}", "cron": "* * * * *", "task": {"task_type": _TYPE}}
        self._began = perf_counter()
        self._schedule = await self._user.call("create schedule", "POST", "/api/v1/schedules", json=body)

    async def round(self) -> None:
        """Every phase once."""
        self.rounds += 1
        await self._incident_comes_and_goes()
        await self._tasks_depend_on_each_other()
        await self._a_pause_holds()
        await self._agents_are_there()
        for url in self._metrics:
            await self._sample(url)

    async def end(self) -> SoakEnd:
        """What is left to see: the schedule's tasks, the audit chain, the hours."""
        fired = 0
        if self._schedule:
            path = f"/api/v1/schedules/{self._schedule['id']}"
            made = await self._user.call(
                "list tasks", "GET", "/api/v1/tasks", params={"schedule_id": self._schedule["id"]}
            )
            ids = [task["id"] for task in made["items"]] if made else []
            fired = len(ids)
            if fired < (perf_counter() - self._began) // 60:
                self.found.append(f"the schedule of every minute fired {fired} times only")
            await self._note_ends(ids)
            await self._user.call("remove schedule", "DELETE", path)
        chain = await self._user.call("audit", "GET", "/api/v1/audit/verify")
        if not chain or not chain["ok"]:
            self.found.append("the audit chain does not verify")
        entries = await self._audit()
        await self._user.close()
        return {"schedule_fired": fired, "done_without_a_person": saved_hours.done_without_a_person(entries)}

    # -- phases ------------------------------------------------------------------------------------------------

    async def _incident_comes_and_goes(self) -> None:
        """Two dozen events of one cause are one incident; word of its end closes it."""
        about = {"message": "queue worker stuck", "error_type": "StuckWorker", "source": f"soak-{self.run_id}"}
        events = [{**about, "severity": "low", "context": {"n": n}} for n in range(24)]
        taken = await self._user.call("events", "POST", "/api/v1/events", json=events)
        if not taken:
            return
        self.events += taken["accepted"]
        opened = {event["incident_id"] for event in taken["events"]}
        if len(opened) != 1 or None in opened:
            self.found.append(f"round {self.rounds}: {len(opened)} incidents for one cause")
        self.incidents += len(opened)
        await self._user.call("events", "POST", "/api/v1/events", json=[{**about, "resolved": True}])
        for incident in opened - {None}:
            now = await self._user.call("incident", "GET", f"/api/v1/incidents/{incident}")
            if now and now["status"] != "resolved":
                self.found.append(f"round {self.rounds}: incident {incident} is {now['status']} after its end was told")

    async def _tasks_depend_on_each_other(self) -> None:
        """A chain in one submission: each runs after the one before it, the first a little later."""
        tasks: list[JsonObject] = [
            {"task_type": _TYPE, "ref": str(n), "dependencies": [str(n - 1)] if n else []} for n in range(_BULK)
        ]
        tasks[0]["delay"] = 0.5
        made = await self._user.call("submit tasks", "POST", "/api/v1/tasks/bulk", json={"tasks": tasks})
        await self._note_ends(made["ids"] if made else [])

    async def _a_pause_holds(self) -> None:
        """What is submitted while its type is paused does not begin, and is done after it is resumed."""
        control = {"scope": "task_type", "target": _TYPE}
        paused = await self._user.call("pause", "POST", "/api/v1/controls/pause", json=control)
        if paused is None:
            return
        try:
            tasks = {"tasks": [{"task_type": _TYPE} for _ in range(_HELD)]}
            made = await self._user.call("submit tasks", "POST", "/api/v1/tasks/bulk", json=tasks)
            await asyncio.sleep(_HOLD)
            for task_id in made["ids"] if made else []:
                task = await self._user.call("task", "GET", f"/api/v1/tasks/{task_id}")
                if task and task["started_at"] is not None:
                    self.found.append(f"round {self.rounds}: a task began under a pause")
        finally:
            await self._user.call("resume", "POST", "/api/v1/controls/resume", json=control)
        await self._note_ends(made["ids"] if made else [])

    async def _agents_are_there(self) -> None:
        page = await self._user.call("agents", "GET", "/api/agents/status")
        self.agents = _statuses(page.get("agents", page.get("items", []))) if page else {}
        if failed := self.agents.get("failed"):
            self.found.append(f"round {self.rounds}: {failed} agents have failed")

    async def _sample(self, url: str) -> None:
        async with httpx.AsyncClient(headers=self._at.headers, timeout=30, trust_env=False) as http:
            try:
                answer = await http.get(url)
            except httpx.HTTPError as error:
                self.recorder.errors["metrics"][type(error).__name__] += 1
                return
        for line in answer.text.splitlines():
            if line.startswith("process_resident_memory_bytes "):
                self.memory[url].append(float(line.split()[1]) / _MB)

    # -- pieces ------------------------------------------------------------------------------------------------

    async def _note_ends(self, ids: list[str]) -> None:
        ended = await ends_of(self._user, ids, patience=_PATIENCE, pause=0.25)
        self.tasks += len(ids)
        self.lost += len(ids) - len(ended)
        for task in ended.values():
            if task["status"] != "completed":
                self.found.append(f"round {self.rounds}: task {task['id']} {task['status']}: {task['error']}")

    async def _audit(self) -> list[AuditEntry]:
        """All entries since we began."""
        entries: list[AuditEntry] = []
        before: str | None = None
        while True:
            query = {"limit": 1000} | ({"before": before} if before else {})
            page = await self._user.call("audit", "GET", "/api/v1/audit", params=query)
            for entry in page["items"] if page else []:
                if entry["id"] == self.first_entry:
                    return entries
                entries.append(entry)
            before = page["next"] if page else None
            if before is None:
                return entries


def _statuses(agents: Iterable[Mapping[str, str]]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for agent in agents:
        counts[agent["status"]] = counts.get(agent["status"], 0) + 1
    return counts


def run_soak(
    at: Address, *, duration: float, processes: list[str], minutes: Mapping[str, float], most_growth: float
) -> Report:
    """Soak for `duration` seconds; `ok` where no work was lost, nothing failed and no memory grew too much (MB)."""
    soak = _Soak(at, processes)
    began = perf_counter()
    after = asyncio.run(_soaked(soak, duration))
    return _report(soak, after, minutes, seconds=perf_counter() - began, most_growth=most_growth)


async def _soaked(soak: _Soak, duration: float) -> SoakEnd:
    began = perf_counter()
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("soaking", total=duration)
        await soak.begin()
        while (gone := perf_counter() - began) < duration:
            progress.update(bar, description=f"round {soak.rounds + 1}", completed=gone)
            await soak.round()
            await asyncio.sleep(_REST)
        progress.update(bar, description="looking at what is left", completed=duration)
        return await soak.end()


def _grown(samples: list[float]) -> float:
    """MB from the second fifth of the time, when caches have filled, to the last."""
    fifth = max(1, len(samples) // 5)
    return round(median(samples[-fifth:]) - median(samples[fifth : 2 * fifth] or samples[:1]), 1) if samples else 0.0


def _report(soak: _Soak, after: SoakEnd, minutes: Mapping[str, float], *, seconds: float, most_growth: float) -> Report:
    memory: list[MemoryRow] = [
        {
            "process": url.removesuffix("/metrics"),
            "first_mb": round(samples[0], 1) if samples else None,
            "last_mb": round(samples[-1], 1) if samples else None,
            "grown_mb": _grown(samples),
        }
        for url, samples in soak.memory.items()
    ]
    found = soak.found + [
        f"{one['process']} grew by {one['grown_mb']} MB" for one in memory if _is_too_much(one, most_growth)
    ]
    done = after["done_without_a_person"]
    return {
        "ok": not (found or soak.lost or soak.recorder.failed),
        "seconds": round(seconds, 1),
        "rounds": soak.rounds,
        "tasks": soak.tasks,
        "tasks_lost": soak.lost,
        "events": soak.events,
        "incidents": soak.incidents,
        "schedule_fired": after["schedule_fired"],
        "agents": soak.agents,
        "errors": soak.recorder.failed,
        "errors_by_kind": soak.recorder.told_errors(),
        "found": found,
        "memory": memory,
        "operations": soak.recorder.rows(),
        "done_without_a_person": done,
        "assumed_minutes": dict(minutes),
        "operator_hours_saved": saved_hours.hours(done, minutes),
    }


def _is_too_much(memory: MemoryRow, most_growth: float) -> bool:
    return bool(memory["grown_mb"] > most_growth)

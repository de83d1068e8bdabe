"""The blocking form of the verbs, written from the async one by `python docs/generate.py`."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from opsteward.client import calls, files, people, systems
from opsteward.client.transport import BlockingTransport
from opsteward.client.types import (
    AgentsStatus,
    EnrollmentInfo,
    ImportReport,
    Rule,
    SubmittedTask,
    SystemHealth,
    SystemInfo,
    TaskInfo,
    TaskWithNeighbours,
    UserAnalytics,
    UserChangeInfo,
    UserInfo,
)

_LOOK_EVERY = 0.1  # seconds, while a task is waited for; longer and longer up to a second


class Opsteward(BlockingTransport):
    """A running instance: `Opsteward(url=..., token=...)`, or where `OPSTEWARD_URL` and `OPSTEWARD_TOKEN` say.

    `Opsteward()` takes the one that runs here; where none does, it starts one of its own, which ends with the
    `with` block. Every method raises CallFailed where the instance refuses, and httpx.HTTPError where it can't
    be reached.
    """

    def create_task(
        self, task_type: str, parameters: Mapping[str, Any] | None = None, *, priority: str = "normal", **more: Any
    ) -> SubmittedTask:
        """Submit a task. Further: dependencies, delay, run_at, idempotency_key, name, dedup_key, max_retries, ..."""
        call = calls.create_task(task_type, parameters, priority=priority, **more)
        return self._send(call)

    def create_tasks(self, tasks: Sequence[Mapping[str, Any]], *, idempotency_key: str | None = None) -> list[str]:
        """Submit many, all or none; gives their ids in the order given."""
        page = self._send(calls.create_tasks(tasks, idempotency_key=idempotency_key))
        return page["ids"]

    def get_task(self, task_id: str | UUID) -> TaskWithNeighbours:
        """One task with its state, progress and result."""
        return self._send(calls.get_task(task_id))

    def tasks(
        self, *, status: str | None = None, task_type: str | None = None, limit: int = 50, before: str | None = None
    ) -> list[TaskInfo]:
        """The newest first; `before` is the last id of the page before."""
        call = calls.list_tasks(status=status, task_type=task_type, limit=limit, before=before)
        return self._items(call)

    def cancel_task(self, task_id: str | UUID, *, reason: str = "") -> TaskInfo:
        """A waiting task ends at once, a running one within a moment."""
        return self._send(calls.cancel_task(task_id, reason=reason))

    def redrive_task(self, task_id: str | UUID) -> TaskInfo:
        """Run a failed, dead or cancelled task anew."""
        return self._send(calls.redrive_task(task_id))

    def wait_for_task(self, task_id: str | UUID, *, timeout: float = 60.0) -> TaskWithNeighbours:
        """The task once it has ended, however that was. Raises TimeoutError."""
        until, pause = time.monotonic() + timeout, _LOOK_EVERY
        while (task := self.get_task(task_id))["status"] not in calls.ENDED:
            if time.monotonic() > until:
                raise TimeoutError(f"task {task_id} is {task['status']} after {timeout:g} s")
            self._sleep(pause)
            pause = min(1.0, pause * 1.5)
        return task

    def register_system(self, name: str, system_type: str, endpoint: str, **more: Any) -> SystemInfo:
        """It is watched from now on. Further: health_check_url, criticality, credentials, settings, depends_on."""
        return self._send(systems.register_system(name, system_type, endpoint, **more))

    def systems(self) -> list[SystemInfo]:
        """All systems with their present health, by name."""
        return self._items(systems.systems())

    def system_health(self, system_id: str | UUID) -> SystemHealth:
        """The health of one system as last measured."""
        return self._send(systems.system_health(system_id))

    def get_system_status(self) -> AgentsStatus:
        """The agents, the processes that run them, and the queue of tasks."""
        return self._send(systems.system_status())

    def pause(self, scope: calls.Scope, target: str = "", *, reason: str = "") -> None:
        """Begin nothing new: everything, the tenant, one task_type or one action."""
        self._send(calls.pause(scope, target, reason=reason))

    def resume(self, scope: calls.Scope, target: str = "", *, reason: str = "") -> None:
        """Go on."""
        self._send(calls.resume(scope, target, reason=reason))

    def register_user(
        self, username: str, email: str, full_name: str, *, role: str = "standard_user", **more: Any
    ) -> UserInfo:
        """Register a user, enrolled by its role. Further: department, manager_id, profile_data, tags, ..."""
        return self._send(people.register_user(username, email, full_name, role=role, **more))

    def get_user(self, user_id: str | UUID) -> UserInfo:
        """One user with its access."""
        return self._send(people.get_user(user_id))

    def update_user(self, user_id: str | UUID, **changes: Any) -> UserInfo:
        """Change fields of a user; a new role is a new enrolment. Further: reason, version."""
        return self._send(people.update_user(user_id, **changes))

    def deactivate_user(self, user_id: str | UUID, *, reason: str = "") -> UserInfo:
        """Take every access; nothing is erased."""
        return self._send(people.deactivate_user(user_id, reason=reason))

    def users(
        self,
        *,
        search: str | None = None,
        status: str | None = None,
        role: str | None = None,
        department: str | None = None,
        limit: int = 50,
        after: str | None = None,
    ) -> list[UserInfo]:
        """By username; `after` is the last username of the page before."""
        call = people.list_users(
            search=search, status=status, role=role, department=department, limit=limit, after=after
        )
        return self._items(call)

    def bulk_user_import(
        self,
        users: files.Source,
        *,
        file_format: str | None = None,
        mode: files.Mode = "create",
        dry_run: bool = False,
        enrollment_type: str | None = None,
        mapping: Mapping[str, str] | None = None,
        delimiter: str = "",
        encoding: str = "",
        timeout: float = 3600.0,
    ) -> ImportReport:
        """Import users (mappings, or the path of a file) and wait: `successful_imports`, `failed_imports`, `errors`,
        `user_ids` and more. Sent again, it is the same import. Raises TimeoutError; the import goes on then."""
        kind, content = files.content_of(users, file_format)
        call = files.bulk_import(
            kind, mode=mode, dry_run=dry_run, enrollment_type=enrollment_type, mapping=mapping, delimiter=delimiter,
            encoding=encoding,
        )  # fmt: skip
        report, until, pause = self._send(call, content), time.monotonic() + timeout, _LOOK_EVERY
        while not files.ended(report):
            if time.monotonic() > until:
                raise TimeoutError(f"import {report['job_id']} is at {report['progress']} % after {timeout:g} s")
            self._sleep(pause)
            pause = min(1.0, pause * 1.5)
            report = self.get_import(report["job_id"])
        return self._whole(report)

    def get_import(self, job_id: str | UUID, *, whole: bool = False) -> ImportReport:
        """How far an import is, with the first of its users and errors; with `whole` all of them."""
        report = self._send(files.get_import(str(job_id)))
        return self._whole(report) if whole else report

    def _whole(self, report: ImportReport) -> ImportReport:
        """The report with all of its users and errors."""
        if files.lacks_ids(report):
            ids: list[str] = []
            after: str | None = None
            while page := self._items(files.more_ids(report["job_id"], after)):
                ids += [one["id"] for one in page]
                after = ids[-1]
            report["user_ids"] = ids
        if files.lacks_errors(report):
            report["errors"] = files.errors_of(self._text(files.all_errors(report["job_id"])))
        return report

    def export_users(self, path: str | Path, *, file_format: str | None = None) -> Path:
        """All users into a file that can be imported again: CSV, NDJSON, JSON or LDIF, by its name or as given."""
        target = Path(path)
        return self._download(files.export(files.format_of(target, file_format)), target)

    def user_history(self, user_id: str | UUID) -> list[UserChangeInfo]:
        """Every change of a user, newest first."""
        return self._items(people.user_history(user_id))

    def enrollment_requests(
        self, *, status: str | None = None, limit: int = 50, before: str | None = None
    ) -> list[EnrollmentInfo]:
        """The newest first; `pending_manual_review` are those that wait for a person."""
        return self._items(people.enrollment_requests(status=status, limit=limit, before=before))

    def approve_enrollment(
        self, enrollment_id: str | UUID, *, approver: str | None = None, reason: str = ""
    ) -> EnrollmentInfo:
        """Approve the stage that it waits at; after the last one the user has its access."""
        return self._send(people.decide_enrollment("approve", enrollment_id, approver=approver, reason=reason))

    def reject_enrollment(
        self, enrollment_id: str | UUID, *, approver: str | None = None, reason: str = ""
    ) -> EnrollmentInfo:
        """End it without access."""
        return self._send(people.decide_enrollment("reject", enrollment_id, approver=approver, reason=reason))

    def enrollment_rules(self) -> dict[str, Rule]:
        """The rules that hold, by name."""
        return self._send(people.enrollment_rules())

    def update_enrollment_rules(self, rules: Mapping[str, Mapping[str, Any] | None]) -> dict[str, Rule]:
        """Set these rules, all or none; None forgets one. Gives all that hold then."""
        return self._send(people.update_enrollment_rules(rules))

    def get_user_analytics(self, days: int = 30) -> UserAnalytics:
        """Figures of users and enrolments. Rates are 0-100."""
        return self._send(people.get_user_analytics(days))

"""The blocking form of the verbs, written from the async one by `python docs/generate.py`."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from uuid import UUID

from opsteward.client import calls, choices, user_files
from opsteward.client.blocking_verbs import Verbs
from opsteward.client.operations import enrollments, systems, tasks, users
from opsteward.client.operations import help as help_operations
from opsteward.client.types.enrollments import EnrollmentInFull, EnrollmentStatus, Rule
from opsteward.client.types.help import Added
from opsteward.client.types.syncs import SyncOperation
from opsteward.client.types.systems import SystemInfo
from opsteward.client.types.tasks import SubmittedTask, TaskInfo, TaskStatus, TaskWithNeighbours
from opsteward.client.types.users import ImportReport, UserChangeInfo, UserInfo, UserStatus
from opsteward.core.json_types import Json

_LOOK_EVERY = 0.1  # seconds, while a task is waited for; longer and longer up to a second


class Opsteward(Verbs):
    """A running instance: `Opsteward(url=..., token=...)`, or where `OPSTEWARD_URL` and `OPSTEWARD_TOKEN` say.

    `Opsteward()` takes the one that runs here; where none does, it starts one of its own, which ends with the
    `with` block. Every method raises CallFailed where the instance refuses, and httpx.HTTPError where it can't
    be reached.
    """

    def create_task(
        self,
        task_type: str,
        parameters: Mapping[str, Json] | None = None,
        *,
        priority: str = "normal",
        dependencies: Sequence[str | UUID] = (),
        delay: float | None = None,
        run_at: datetime | None = None,
        idempotency_key: str | None = None,
        **more: Json,
    ) -> SubmittedTask:
        """Submit a task, to begin after `delay` seconds or at `run_at`. Further: name, dedup_key, max_retries, ..."""
        call = calls.create_task(
            task_type, parameters, priority=priority, dependencies=dependencies, delay=delay, run_at=run_at,
            idempotency_key=idempotency_key, **more,
        )  # fmt: skip
        return self._send(call)

    def create_tasks(self, tasks: Sequence[Mapping[str, Json]], *, idempotency_key: str | None = None) -> list[str]:
        """Submit many, all or none; gives their ids in the order given."""
        page = self._send(calls.create_tasks(tasks, idempotency_key=idempotency_key))
        return page["ids"]

    def tasks(
        self,
        *,
        status: TaskStatus | None = None,
        task_type: str | None = None,
        limit: int = 50,
        before: str | None = None,
    ) -> list[TaskInfo]:
        """The newest first; `before` is the last id of the page before."""
        call = tasks.list_tasks(status=status, task_type=task_type, limit=limit, before=before)
        return self._items(call)

    def wait_for_task(self, task_id: str | UUID, *, timeout: float = 60.0) -> TaskWithNeighbours:
        """The task once it has ended, however that was. Raises TimeoutError."""
        until, pause = time.monotonic() + timeout, _LOOK_EVERY
        while (task := self.get_task(task_id))["status"] not in choices.ENDED:
            if time.monotonic() > until:
                raise TimeoutError(f"task {task_id} is {task['status']} after {timeout:g} s")
            self._sleep(pause)
            pause = min(1.0, pause * 1.5)
        return task

    def register_system(self, name: str, system_type: str, endpoint: str, **more: Json) -> SystemInfo:
        """It is watched from now on. Further: health_check_url, criticality, credentials, settings, depends_on."""
        return self._send(calls.register_system(name, system_type, endpoint, **more))

    def sync_user_data(
        self, source: str | UUID, target: str | UUID, *, sync_type: str = "incremental", **more: Json
    ) -> SyncOperation:
        """Bring the system `target` in step with `source`, by their mapping. Further: dry_run, max_deletions."""
        return self._send(calls.sync_user_data(source, target, sync_type=sync_type, **more))

    def systems(self) -> list[SystemInfo]:
        """All systems with their present health, by name."""
        return self._items(systems.list_systems())

    def pause(self, scope: choices.Scope, target: str = "", *, reason: str = "") -> None:
        """Begin nothing new: everything, the tenant, one task_type or one action."""
        self._send(calls.pause(scope, target, reason=reason))

    def resume(self, scope: choices.Scope, target: str = "", *, reason: str = "") -> None:
        """Go on."""
        self._send(calls.resume(scope, target, reason=reason))

    def register_user(
        self, username: str, email: str, full_name: str, *, role: str = "standard_user", **more: Json
    ) -> UserInfo:
        """Register a user, enrolled by its role. Further: department, manager_id, profile_data, tags, ..."""
        return self._send(calls.register_user(username, email, full_name, role=role, **more))

    def users(
        self,
        *,
        search: str | None = None,
        status: UserStatus | None = None,
        role: str | None = None,
        department: str | None = None,
        limit: int = 50,
        after: str | None = None,
    ) -> list[UserInfo]:
        """By username; `after` is the last username of the page before."""
        call = users.list_users(
            search=search, status=status, role=role, department=department, limit=limit, after=after
        )
        return self._items(call)

    def bulk_user_import(
        self,
        users: user_files.Source,
        *,
        file_format: str | None = None,
        mode: user_files.Mode = "create",
        dry_run: bool = False,
        enrollment_type: str | None = None,
        mapping: Mapping[str, str] | None = None,
        delimiter: str = "",
        encoding: str = "",
        timeout: float = 3600.0,
    ) -> ImportReport:
        """Import users (mappings, or the path of a file) and wait: `successful_imports`, `failed_imports`, `errors`,
        `user_ids` and more. Sent again, it is the same import. Raises TimeoutError; the import goes on then."""
        kind, content = user_files.content_of(users, file_format)
        call = user_files.bulk_import(
            kind, mode=mode, dry_run=dry_run, enrollment_type=enrollment_type, mapping=mapping, delimiter=delimiter,
            encoding=encoding,
        )  # fmt: skip
        report, until, pause = self._send(call, content), time.monotonic() + timeout, _LOOK_EVERY
        while not user_files.ended(report):
            if time.monotonic() > until:
                raise TimeoutError(f"import {report['job_id']} is at {report['progress']} % after {timeout:g} s")
            self._sleep(pause)
            pause = min(1.0, pause * 1.5)
            report = self.get_import(report["job_id"])
        return self._whole(report)

    def add_document(
        self,
        document: str | Path | bytes,
        *,
        name: str | None = None,
        url: str | None = None,
        access: Sequence[str] | None = None,
    ) -> Added:
        """Add a document to answer questions from: the path of a file or its content, which needs a name. `url`: where
        people read it; `access`: roles or permissions of which a reader needs one."""
        called, content = user_files.document_of(document, name)
        call = help_operations.add_document(name=called, url=url, access=None if access is None else list(access))
        return self._send(call, content)

    def get_import(self, job_id: str | UUID, *, whole: bool = False) -> ImportReport:
        """How far an import is, with the first of its users and errors; with `whole` all of them."""
        report = self._send(user_files.get_import(job_id))
        return self._whole(report) if whole else report

    def _whole(self, report: ImportReport) -> ImportReport:
        """The report with all of its users and errors."""
        if user_files.lacks_ids(report):
            ids: list[str] = []
            after: str | None = None
            while page := self._items(users.imported_users(report["job_id"], after=after, limit=user_files.MAX_IDS)):
                ids += [one["id"] for one in page]
                after = ids[-1]
            report["user_ids"] = ids
        if user_files.lacks_errors(report):
            report["errors"] = user_files.errors_of(self._send(users.import_errors(report["job_id"], format="ndjson")))
        return report

    def export_users(self, path: str | Path, *, file_format: str | None = None) -> Path:
        """All users into a file that can be imported again: CSV, NDJSON, JSON or LDIF, by its name or as given."""
        target = Path(path)
        return self._download(users.export_users(format=user_files.export_format_of(target, file_format)), target)

    def user_history(self, user_id: str | UUID) -> list[UserChangeInfo]:
        """Every change of a user, newest first."""
        return self._items(users.user_history(user_id))

    def enrollment_requests(
        self, *, status: EnrollmentStatus | None = None, limit: int = 50, before: str | None = None
    ) -> list[EnrollmentInFull]:
        """The newest first; `pending_manual_review` are those that wait for a person."""
        return self._items(enrollments.list_enrollments(status=status, limit=limit, before=before))

    def update_enrollment_rules(self, rules: Mapping[str, Rule | None]) -> dict[str, Rule]:
        """Set these rules, all or none; None forgets one. Gives all that hold then."""
        return self._send(enrollments.update_enrollment_rules(rules=dict(rules)))

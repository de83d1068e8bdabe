"""The welcome of new users: a task when they are let in, which sends each of them a message by the action service."""

from __future__ import annotations

import re
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.actions.service import ActionService
from opsteward.actions.types import NewAction
from opsteward.contracts.task import TaskContext, TaskType
from opsteward.core.db import Database
from opsteward.core.json_types import JsonObject
from opsteward.directory.enrollment_rules.service import rules_of
from opsteward.directory.types import UserInfo, UsersEnrolled
from opsteward.directory.users.queries import several
from opsteward.tasks.submission import Submission
from opsteward.tasks.types import NewTask

WELCOME = "users.welcome"
ACTOR = "system:lifecycle"
#: Users of one task.
MAX_AT_ONCE = 500
_FIELD = re.compile(r"\{(username|full_name|email|role|department)\}")


class Welcome(BaseModel):
    """The users who were let in, and as what."""

    model_config = ConfigDict(extra="forbid")

    user_ids: Annotated[list[UUID], Field(min_length=1, max_length=MAX_AT_ONCE)]
    enrollment_type: Annotated[str, Field(min_length=1, max_length=100)]


class WelcomeUsers:
    """Hears of users who were let in."""

    def __init__(self, submission: Submission) -> None:
        self._submission = submission

    async def users_enrolled(self, session: AsyncSession, message: UsersEnrolled) -> None:
        """Their welcome is a task, or a few where they are many, committed with their enrolment."""
        if not message.welcome_template:
            return
        ids = [str(user_id) for user_id in message.user_ids]
        tasks = [
            NewTask(
                task_type=WELCOME,
                name="Welcome new users",
                params={"user_ids": ids[begin : begin + MAX_AT_ONCE], "enrollment_type": message.enrollment_type},
                priority="low",
            )
            for begin in range(0, len(ids), MAX_AT_ONCE)
        ]
        await self._submission.submit(session, tasks=tasks, actor=ACTOR)


def welcome_task_type(db: Database, action_service: ActionService, *, configured: bool) -> TaskType:
    """`configured`: whether any service reaches users."""

    async def welcome(ctx: TaskContext, params: Welcome) -> JsonObject:
        if not configured:
            return {"requested": 0, "why": "no service reaches users: OPSTEWARD_NOTIFY_USERS is not set"}
        async with db.unit_of_work(ctx.tenant_id) as session:
            template = (await rules_of(session)).of(params.enrollment_type).welcome_template
            users = [one for one in await several(session, user_ids=params.user_ids) if one.email is not None]
            for user in users if template else []:
                # keyed by user: a task that runs again asks for nothing twice
                await action_service.request(session, new=_message(user, template or ""))
        return {"requested": len(users) if template else 0, "without_address": len(params.user_ids) - len(users)}

    return TaskType(slug=WELCOME, purpose="Sends new users the welcome of their rule", params=Welcome, run=welcome)


def _message(user: UserInfo, template: str) -> NewAction:
    return NewAction(
        action="message_user",
        params={"email": user.email, "title": "Welcome", "body": filled(template, user)},
        reason="the user was let in",
        requested_by=ACTOR,
        idempotency_key=f"{user.id}:welcome",
    )


def filled(template: str, user: UserInfo) -> str:
    """The template with the user's own words in it; braces around anything else stay as they are."""
    return _FIELD.sub(lambda found: str(getattr(user, found.group(1)) or ""), template)

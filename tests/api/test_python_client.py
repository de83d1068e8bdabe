"""Opsteward from Python, in both forms, on a running instance."""

from __future__ import annotations

import inspect
from uuid import uuid4

import pytest

from opsteward import AsyncOpsteward, CallFailed, Opsteward, Priority, SystemType
from support.live import Live, LiveOperator


@pytest.fixture
def owner(live: Live) -> LiveOperator:
    return live.tenant(f"python-{uuid4().hex[:10]}").owner


def test_a_task_is_submitted_followed_and_read(owner: LiveOperator) -> None:
    with Opsteward(owner.url, owner.token) as ops:
        task = ops.create_task("opsteward.echo", {"message": "hello"}, priority=Priority.HIGH)
        assert ops.wait_for_task(task["id"])["result_data"] == {"message": "hello"}
        assert ops.tasks(status="completed")[0]["priority"] == "high"


def test_the_same_key_is_the_same_submission(owner: LiveOperator) -> None:
    with Opsteward(owner.url, owner.token) as ops:
        tasks = [{"task_type": "opsteward.echo"}] * 3
        first = ops.create_tasks(tasks, idempotency_key="once")
        assert ops.create_tasks(tasks, idempotency_key="once") == first


def test_what_is_refused_says_why(owner: LiveOperator) -> None:
    with Opsteward(owner.url, owner.token) as ops:
        with pytest.raises(CallFailed) as refused:
            ops.create_task("no.such_type")
        assert refused.value.status == 422
        assert refused.value.problem["errors"][0]["field"] == "task_type"
        with pytest.raises(TimeoutError):
            ops.wait_for_task(ops.create_task("opsteward.echo", delay=3600)["id"], timeout=0.2)


async def test_the_async_form_does_the_same(owner: LiveOperator) -> None:
    async with AsyncOpsteward(owner.url, owner.token) as ops:
        waiting = await ops.create_task("opsteward.echo", delay=3600)
        assert (await ops.cancel_task(waiting["id"], reason="not needed"))["status"] == "cancelled"
        again = await ops.redrive_task(waiting["id"])
        assert (await ops.wait_for_task(again["id"]))["status"] == "completed"
        await ops.pause("tenant", reason="a test")
        held = await ops.create_task("opsteward.echo")
        await ops.resume("tenant")
        assert (await ops.wait_for_task(held["id"]))["status"] == "completed"
        with pytest.raises(CallFailed):
            await ops.resume("tenant")


def test_both_forms_have_the_same_verbs() -> None:
    def verbs(form: type) -> dict[str, str]:
        named = {name: value for name, value in vars(form).items() if callable(value) and not name.startswith("_")}
        return {name: str(inspect.signature(value)) for name, value in named.items()}

    assert verbs(Opsteward) == verbs(AsyncOpsteward)


def test_people_by_python(owner: LiveOperator) -> None:
    with Opsteward(owner.url, owner.token) as ops:
        joiner = ops.register_user("grace", "grace@example.com", "Grace H.", role="premium_user", department="Navy")
        assert "write_premium" in joiner["permissions"]
        moved = ops.update_user(joiner["id"], role="contractor", reason="left the navy")
        assert moved["permissions"] == ["read_basic"]
        (waiting,) = ops.enrollment_requests(status="pending_manual_review")
        assert ops.approve_enrollment(waiting["id"], reason="checked")["stage"] == 1
        assert ops.reject_enrollment(waiting["id"], reason="no")["status"] == "rejected"
        assert [one["username"] for one in ops.users(search="GRACE")] == ["grace"]
        assert ops.deactivate_user(joiner["id"])["status"] == ops.get_user(joiner["id"])["status"] == "inactive"
        assert ops.user_history(joiner["id"])[0]["what"] == "deactivated"
        ops.update_enrollment_rules({"guest": {"auto_approve": True, "permissions": ["look"]}})
        assert ops.enrollment_rules()["guest"]["permissions"] == ["look"]
        assert ops.get_user_analytics(days=7)["new_users_count"] == 1


def test_systems_by_python(owner: LiveOperator) -> None:
    with Opsteward(owner.url, owner.token) as ops:
        shop = ops.register_system("shop-by-python", SystemType.API, "http://127.0.0.1:9/", criticality="backup")
        assert shop["name"] in [system["name"] for system in ops.systems()]
        assert ops.system_health(shop["id"])["status"]
        assert {"summary", "agents", "processes", "queue"} <= set(ops.get_system_status())

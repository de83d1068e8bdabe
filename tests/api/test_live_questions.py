"""Questions about an instance whose state is known: right answers with links, and nothing beyond the asker's rights."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from opsteward.core.clock import now
from opsteward.directory.users import queries as users
from support.instance import Instance, Tenant

#: A question, what its answer holds, and what it must not hold.
QUESTIONS = (
    ("which incidents are open?", ("2 open incidents", "pump is stuck", "login by force"), "disk is full"),
    ("how many incidents are open right now?", ("2 open",), ""),
    ("any problems right now?", ("pump is stuck",), ""),
    ("which high severity incidents are open?", ("login by force",), "pump is stuck"),
    ("which incidents were resolved today?", ("disk is full",), "pump is stuck"),
    ("why was incident 3 closed?", ("old logs were deleted",), ""),
    ("who closed incident 3?", ("ada",), ""),
    ("who acknowledged incident 1?", ("gudrun",), ""),
    ("is incident 2 still open?", ("is open",), ""),
    ("what is the severity of incident 2?", ("severity high",), ""),
    ("any incidents that nobody has acknowledged?", ("login by force",), "pump is stuck"),
    ("what is the oldest open incident?", ("pump is stuck",), ""),
    ("what is wrong with the mill?", ("pump is stuck",), ""),
    ("which alerts came from vpn?", ("login by force",), "pump is stuck"),
    ("is there an incident 99?", ("no incident 99",), ""),
    ("is billing up?", ("billing is unknown",), ""),
    ("what does billing depend on?", ("billing depends on orders-db",), ""),
    ("what depends on orders-db?", ("billing depends on orders-db",), ""),
    ("who owns billing?", ("Payments team",), ""),
    ("where is the runbook of billing?", ("https://wiki.example/billing",), ""),
    ("how many systems are there?", ("2 systems",), ""),
    ("which systems are critical?", ("billing",), "orders-db ("),
    ("who has access to billing?", ("Hedy Lamarr",), "Linus"),
    ("does hedy have access to billing?", ("has access to billing",), ""),
    ("which role does linus have?", ("contractor",), ""),
    ("how many users are in Engineering?", ("1 user",), ""),
    ("which users are pending?", ("Linus",), "Hedy"),
    ("which enrolments wait?", ("Linus",), "Hedy"),
    ("who is on call?", ("ada",), ""),
    ("who is on call next?", ("gudrun",), ""),
    ("which tasks are waiting?", ("nightly-report",), ""),
    ("what is the status of nightly-report?", ("pending",), ""),
    ("who submitted nightly-report?", ("ada",), ""),
    ("which tasks failed last night?", ("no tasks",), ""),
    ("when does cleanup run next?", ("next at",), ""),
    ("what is silenced?", ("source", "load test"), ""),
    ("which standing orders are in force?", ("standing order",), ""),
    ("is anything paused?", ("opsteward.echo", "maintenance"), ""),
    ("who paused the tasks and why?", ("ada", "maintenance"), ""),
    ("what waits for my approval?", ("Nothing waits",), ""),
    ("who registered billing?", ("by ada",), ""),
    ("what changed today?", ("changes today",), ""),
    ("who are the operators?", ("ada", "gudrun"), ""),
    ("what may I do?", ("incidents.read",), ""),
    # without a verb, as an order, passive, negated, misspelt
    ("open incidents", ("pump is stuck", "login by force"), "disk is full"),
    ("billing status", ("billing is unknown",), ""),
    ("security incidents", ("login by force",), "pump is stuck"),
    ("hedy's email address", ("hedy@example.com",), ""),
    ("show me the unacknowledged incidents", ("login by force",), "pump is stuck"),
    ("list all contractors", ("Linus",), "Hedy"),
    ("by whom was incident 3 resolved?", ("ada",), ""),
    ("was incident 1 acknowledged by anybody?", ("gudrun",), ""),
    ("which incidents has nobody looked at?", ("login by force",), "pump is stuck"),
    ("who hasn't been approved yet?", ("Linus",), ""),
    ("can linus use billing?", ("does not have access",), ""),
    ("who can get into billing?", ("Hedy",), "Linus"),
    ("which systems would be affected if orders-db goes down?", ("billing depends on orders-db",), ""),
    ("which of our systems are the most important?", ("billing",), "orders-db ("),
    ("where can I find the runbook for billing?", ("wiki.example/billing",), ""),
    ("which alerts came in during the last hour?", ("pump is stuck",), ""),
    ("do I have to approve anything?", ("Nothing waits",), ""),
    ("who acknowleged incident 1", ("gudrun",), ""),
    ("wich systems are criticl?", ("billing",), "orders-db ("),
    ("list the tasks that faild today", ("no tasks",), ""),
    # what is denied is turned round
    ("which systems are not critical?", ("orders-db",), "billing ("),
    ("which users are not active?", ("Linus",), "Hedy"),
    ("which tasks did not fail?", ("nightly-report",), "no tasks"),
    ("which schedules are not paused?", ("cleanup",), ""),
    ("welche Systeme haben kein Runbook?", ("orders-db",), "billing ("),
)
#: A question, and what of it cannot be applied or is not known: no answer is given as if it were.
NOT_SO_NARROW = (
    ("which systems except billing are critical?", "except billing"),
    ("which users are not in Finance?", "not"),
    ("who has no access to billing?", "no"),
    ("which silences were not made by ada?", "not"),
    ("did more than 3 tasks fail?", "more than 3"),
    ("which incidents took longer than 2 hours to resolve?", "longer than 2 hours"),
    ("which systems were not healthy yesterday?", "yesterday"),
    ("does Zoltan have access to billing?", "nobody and nothing called zoltan"),
    ("which incidents did Priya acknowledge?", "nobody and nothing called priya"),
)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def mill(instance: Instance) -> Tenant:
    """A tenant whose state is known."""
    tenant = await instance.tenant()
    gudrun = await tenant.operator("operator", name="gudrun")

    async def send(method: str, path: str, body: Any) -> dict[str, Any]:
        answer = await tenant.http.request(method, f"/api/v1/{path}", json=body)
        assert answer.is_success, answer.text
        return dict(answer.json()) if answer.content else {}

    events = [
        {"message": "the pump is stuck", "source": "mill", "severity": "medium", "error_type": "PumpError"},
        {"message": "unauthorized login by force", "source": "vpn", "severity": "high", "error_type": "BruteForce"},
        {"message": "the disk is full", "source": "silo", "severity": "medium", "error_type": "OSError"},
    ]
    ids = [(await send("POST", "events", event))["events"][0]["incident_id"] for event in events]
    await send("POST", f"incidents/{ids[2]}/resolve", {"reason": "old logs were deleted"})
    (await gudrun.http.post(f"/api/v1/incidents/{ids[0]}/acknowledge", json={})).raise_for_status()
    database = {"name": "orders-db", "type": "api", "endpoint": "http://127.0.0.1:9/", "criticality": "standard"}
    await send("POST", "systems", database)
    billing = {"name": "billing", "criticality": "critical", "owner": "Payments team", "depends_on": ["orders-db"]}
    await send("POST", "systems", {**database, **billing, "runbook_url": "https://wiki.example/billing"})
    hedy = {"username": "hedy", "email": "hedy@example.com", "full_name": "Hedy Lamarr", "department": "Finance"}
    hedy_id = (await send("POST", "users", hedy))["id"]
    await send("POST", f"users/{hedy_id}/grants", {"kind": "system", "name": "billing"})
    linus = {"username": "linus", "email": "linus@example.com", "full_name": "Linus Torvalds"}
    await send("POST", "users", {**linus, "department": "Engineering", "role": "contractor"})
    turn = {
        "name": "week",
        "participants": ["ada", "gudrun"],
        "starts_on": now().date().isoformat(),
        "handover": "00:00",
    }
    await send("PUT", "oncall/schedules/primary", {"rotations": [turn]})
    await send("POST", "tasks", {"task_type": "opsteward.echo", "name": "nightly-report", "delay": 3600})
    cleanup = {"name": "cleanup", "cron": "0 6 * * *", "task": {"task_type": "opsteward.echo"}}
    await send("POST", "schedules", cleanup)
    until = (now() + timedelta(hours=2)).isoformat()
    await send("POST", "silences", {"matchers": ['source="staging"'], "reason": "load test", "ends_at": until})
    await send("POST", "controls/pause", {"scope": "task_type", "target": "opsteward.echo", "reason": "maintenance"})
    return tenant


async def ask(http: Any, question: str) -> dict[str, Any]:
    return dict((await http.post("/api/v1/help/ask", json={"question": question})).raise_for_status().json())


async def test_questions_of_state_have_right_answers_with_links(mill: Tenant) -> None:
    wrong = []
    for question, held, not_held in QUESTIONS:
        answer = await ask(mill.http, question)
        right = all(part in answer["answer"] for part in held) and not (not_held and not_held in answer["answer"])
        linked = answer["citations"] and all(one["url"].startswith("/") for one in answer["citations"])
        if not (right and linked and answer["known"] and answer["engine"] == "live"):
            wrong.append((question, answer["engine"], answer["answer"][:300]))
    assert wrong == []


async def test_what_cannot_be_applied_is_named_and_not_passed_over(mill: Tenant) -> None:
    wrong = []
    for question, named in NOT_SO_NARROW:
        answer = await ask(mill.http, question)
        if answer["known"] or named not in answer["answer"].split("Without it")[0]:
            wrong.append((question, answer["engine"], answer["answer"][:300]))
    assert wrong == []


@pytest.mark.parametrize(
    "question",
    [
        "how do I acknowledge an incident?",
        "what is a standing order?",
        "what happens when a task fails?",
        "how are approvals requested from the API?",
        "notify a slack channel when an incident opens",
        "approval expiry",
    ],
)
async def test_how_something_is_done_is_for_documents(mill: Tenant, question: str) -> None:
    assert (await ask(mill.http, question))["engine"] in ("passages", "none")


async def test_nothing_is_told_beyond_the_askers_rights(mill: Tenant) -> None:
    narrow = await mill.http.post("/api/v1/tokens", json={"name": "only-help", "scopes": ["help"]})
    http = mill.instance.client(narrow.json()["token"])
    secrets = (
        "pump is stuck",
        "login by force",
        "Payments team",
        "Hedy",
        "nightly-report",
        "load test",
        "gudrun",
        "Linus",
    )
    for question, *_ in QUESTIONS:
        answer = await ask(http, question)
        told = f"{answer['answer']} {answer['citations']}"
        assert not [secret for secret in secrets if secret in told], (question, told)
        assert answer["engine"] != "live" or "permission" in answer["answer"] or "You are" in answer["answer"]


async def test_who_has_something_is_not_looked_for_among_all_users(
    mill: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, page = [], users.page

    async def counted(session: Any, **wanted: Any) -> Any:
        if wanted.get("search") is None:
            read.append(wanted)
        return await page(session, **wanted)

    monkeypatch.setattr(users, "page", counted)  # as it is, and noted
    assert "Hedy Lamarr" in (await ask(mill.http, "who has access to BILLING?"))["answer"]
    assert "No active user" in (await ask(mill.http, "who has access to nothing-there?"))["answer"]
    assert read == []

"""Four sets of questions over every room, each written before anything was mended for it; and who may hear what."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from opsteward.core.clock import now
from support.clinic import Clinic, clinic
from support.instance import Instance, Tenant

SETS = Path(__file__).parent.parent / "support" / "clinic_questions"
#: `{iso3}`: the day three days ago, `{iso+3}`: in three days; `{wd3}`: its weekday, `{d3}`: as `4 March`.
_DAY = re.compile(r"\{(wd|iso|d)(\+?)(\d+)\}")
#: What must reach nobody who may not read it: names of systems, people and things.
SECRETS = (
    "lab-results", "pacs-archive", "Password guessing", "Hedy", "Yuki", "Olga", "nightly-report", "gudrun", "ci-deploy",
    "fridge-sensors", "ops-mail", "page-the-lab", "hr-people", "move yuki", "gpt-4o", "the pool was raised",
)  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def made(instance: Instance) -> Clinic:
    """A tenant whose past is known."""
    return await clinic(instance)


def questions(name: str, at: datetime) -> list[tuple[str, list[str]]]:
    """Of a set, with days as they are now: a question, and what its answer holds."""

    def day(found: re.Match[str]) -> str:
        then = at + timedelta(days=int(found[3]) * (1 if found[2] else -1))
        return {"wd": f"{then:%A}", "iso": then.date().isoformat(), "d": f"{then.day} {then:%B}"}[found[1]]

    lines = (SETS / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    pairs = [_DAY.sub(day, line).split("|", 1) for line in lines if line and not line.startswith("#")]
    return [(question.strip(), [part.strip() for part in held.split("&")]) for question, held in pairs]


def holds(answer: str, part: str) -> bool:
    """Whether an answer is as the part of an expectation says: `!` not, `/` between and before choices."""
    low, part = answer.casefold(), part.casefold()
    if part.startswith("!"):
        return part[1:].strip() not in low
    return any(choice.strip() in low for choice in (part[1:].split("/") if part.startswith("/") else [part]))


async def answer_to(http: Any, question: str) -> dict[str, Any]:
    answer = await http.post("/api/v1/help/ask", json={"question": question})
    return dict(answer.raise_for_status().json())


@pytest.mark.slow(reason="sixty questions, each looked up and kept")
@pytest.mark.parametrize("name", ["first", "second", "third", "fourth"])
async def test_the_state_of_every_room_is_told(made: Clinic, name: str) -> None:
    wrong = []
    for question, held in questions(name, made.made):
        answer = await answer_to(made.tenant.http, question)
        if held[0] == "~":  # nothing is known of it, or not so narrowly
            right = not answer["known"] and all(holds(answer["answer"], part) for part in held[1:])
        else:
            right = answer["engine"] == "live" and answer["known"] and all(holds(answer["answer"], p) for p in held)
        if not right:
            wrong.append((question, answer["engine"], answer["answer"][:200]))
    assert not wrong, "\n".join(map(str, wrong))


@pytest.mark.slow(reason="sixty questions by three who may not know")
async def test_nothing_of_it_is_told_to_who_may_not_read_it(made: Clinic, other_tenant: Tenant) -> None:
    narrow = await made.tenant.http.post("/api/v1/tokens", json={"name": "only-help", "scopes": ["help"]})
    some = await made.tenant.http.post("/api/v1/tokens", json={"name": "some", "scopes": ["help", "tasks"]})
    askers = (
        (made.tenant.instance.client(narrow.json()["token"]), SECRETS),
        (made.tenant.instance.client(some.json()["token"]), [one for one in SECRETS if one != "nightly-report"]),
        (other_tenant.http, SECRETS),
    )
    told = []
    for question, _ in questions("first", now()):
        for http, secrets in askers:
            answer = await answer_to(http, question)
            heard = f"{answer['answer']} {answer['citations']}"
            told += [(question, one, heard[:200]) for one in secrets if one in heard and one not in question]
    assert not told, "\n".join(map(str, told))


@pytest.mark.slow(reason="sixty questions of a viewer")
async def test_a_viewer_hears_no_operators_and_no_audit(made: Clinic) -> None:
    told = []
    for question, _ in questions("third", now()):
        answer = await answer_to(made.people["clara"].http, question)
        barred = [one["url"] for one in answer["citations"] if one["url"] in ("/audit", "/operators")]
        told += [(question, answer["answer"][:200])] if barred and answer["known"] else []
    assert not told, "\n".join(map(str, told))

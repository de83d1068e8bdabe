"""The same things asked in the words of many people: terse, chatty, with slips, names written in many ways."""

from __future__ import annotations

from pathlib import Path

import pytest
import pytest_asyncio

from support.harbour import harbour
from support.instance import Instance, Tenant

PHRASINGS = Path(__file__).parent.parent / "support" / "live_phrasings.txt"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def port(instance: Instance) -> Tenant:
    """A tenant whose state is known."""
    return await harbour(instance)


def phrasings() -> list[tuple[str, list[str]]]:
    """Questions, and what their answers hold."""
    lines = [line for line in PHRASINGS.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    pairs = [line.split("|", 1) for line in lines]
    return [(question.strip(), [part.strip() for part in held.split("&")]) for question, held in pairs]


def holds(answer: str, part: str) -> bool:
    """Whether an answer is as the part of an expectation says."""
    low, part = answer.casefold(), part.casefold()
    if part.startswith("!"):
        return part[1:].strip() not in low
    return any(choice.strip() in low for choice in part.removeprefix("/").split("/" if part.startswith("/") else "\0"))


async def answer_to(tenant: Tenant, question: str) -> dict[str, str]:
    answer = await tenant.http.post("/api/v1/help/ask", json={"question": question})
    return dict(answer.raise_for_status().json())


@pytest.mark.slow(reason="a hundred questions, each looked up and kept")
async def test_state_is_told_in_whatever_words_it_is_asked_for(port: Tenant) -> None:
    wrong = []
    for question, held in phrasings():
        answer = await answer_to(port, question)
        if answer["engine"] != "live" or not all(holds(answer["answer"], part) for part in held):
            wrong.append((question, answer["engine"], answer["answer"][:200]))
    assert wrong == []


@pytest.mark.parametrize(
    "question",
    [
        "why do approvals need a second person",
        "what should I do if the primary database runs out of disk",
        "which permissions does an approver have",
        "make a service start at boot",
        "who last changed each line of a file",
        "is the moon full tonight",
        "steps to restore a database from backup",
    ],
)
async def test_what_is_written_somewhere_is_no_state(port: Tenant, question: str) -> None:
    assert (await answer_to(port, question))["engine"] in ("passages", "none")

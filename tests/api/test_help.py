"""Documents and the questions that they answer: with sources, in versions, for those who may read them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from opsteward.core.http_client import refuse_networks
from opsteward.crew.language_models.building import Reasoners
from opsteward.crew.settings import ModelSettings, Price
from opsteward.help import service, storing
from opsteward.help.documents import Documents
from opsteward.help.search import Findings
from opsteward.help.types import Added
from support.documents import archive
from support.instance import Operator, Tenant
from support.problems import problem_of
from support.scripted_model import Reply, scripted_model

PRICES = {"compatible:scripted": Price(input=0, output=0)}
RESTORE = b"# Backups\n\n## Restore\n\nRun pg_restore on the standby, then call the quay warden.\n"


async def add(who: Tenant | Operator, name: str, data: bytes, **params: Any) -> dict[str, Any]:
    answer = await who.http.post("/api/v1/help/documents", params={"name": name, **params}, content=data)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def ask(who: Tenant | Operator, question: str) -> dict[str, Any]:
    return dict((await who.http.post("/api/v1/help/ask", json={"question": question})).raise_for_status().json())


async def test_a_document_answers_with_its_source(tenant: Tenant) -> None:
    [document] = (await add(tenant, "backup.md", RESTORE))["documents"]
    answer = await ask(tenant, "whom do we call after a pg_restore on the standby?")
    assert (answer["known"], answer["engine"]) == (True, "passages")
    assert "quay warden" in answer["answer"]
    assert answer["citations"][0]["url"].startswith(f"/help/documents/{document['id']}#c")
    assert answer["citations"][0]["quote"] in answer["answer"]


async def test_what_nobody_wrote_down_is_not_known(tenant: Tenant) -> None:
    await add(tenant, "backup.md", RESTORE)
    answer = await ask(tenant, "which wine goes with salmon?")
    assert (answer["known"], answer["engine"], answer["citations"]) == (False, "none", [])


async def test_the_products_own_pages_answer_without_any_document(tenant: Tenant) -> None:
    answer = await ask(tenant, "how do I create an API token?")
    assert answer["known"]
    assert answer["citations"][0]["kind"] == "product"


async def test_a_new_version_takes_the_place_of_the_old_one(tenant: Tenant) -> None:
    first = await add(tenant, "backup.md", RESTORE)
    assert (await add(tenant, "backup.md", RESTORE))["unchanged"] == 1
    second = await add(tenant, "backup.md", RESTORE.replace(b"quay", b"station"))
    assert [d["version"] for d in (*first["documents"], *second["documents"])] == [1, 2]
    answer = (await ask(tenant, "whom do we call after a pg_restore on the standby?"))["answer"]
    assert "station warden" in answer
    assert "quay" not in answer
    document = second["documents"][0]["id"]
    versions = (await tenant.http.get(f"/api/v1/help/documents/{document}/versions")).json()["items"]
    assert [one["version"] for one in versions] == [2, 1]


async def test_what_is_removed_is_not_found_and_not_kept(tenant: Tenant) -> None:
    [document] = (await add(tenant, "backup.md", RESTORE))["documents"]
    assert (await tenant.http.delete(f"/api/v1/help/documents/{document['id']}")).status_code == 204
    assert not (await ask(tenant, "whom do we call after a pg_restore on the standby?"))["answer"].count("quay")
    assert tenant.count("help_chunks") == 0


async def test_access_is_by_role_or_permission(tenant: Tenant) -> None:
    viewer, auditor = await tenant.operator("viewer"), await tenant.operator("auditor")
    [document] = (await add(tenant, "vault.md", b"# Vault\n\nThe vault code is kept by Grace.", access=["auditor"]))[
        "documents"
    ]
    address = f"/api/v1/help/documents/{document['id']}"
    question = "who keeps the vault code?"
    for who, may in ((tenant, True), (auditor, True), (viewer, False)):
        assert ("Grace" in (await ask(who, question))["answer"]) is may
        assert bool((await who.http.get("/api/v1/help/documents")).json()["items"]) is may
        assert (await who.http.get(f"{address}/versions")).status_code == (200 if may else 404)
    opened = await tenant.http.put(f"{address}/access", json={"access": []})
    assert opened.json()["access"] == []
    assert "Grace" in (await ask(viewer, question))["answer"]


async def test_other_tenants_find_nothing_of_it(tenant: Tenant, other_tenant: Tenant) -> None:
    await add(tenant, "vault.md", b"# Vault\n\nThe vault code is kept by Grace.")
    assert "Grace" not in (await ask(other_tenant, "who keeps the vault code?"))["answer"]
    assert (await other_tenant.http.get("/api/v1/help/documents")).json()["items"] == []


async def test_an_archive_is_many_documents_and_what_can_not_be_read_says_why(tenant: Tenant) -> None:
    files = [("a/pumps.md", b"# Pumps\n\nThey stand in the cellar."), ("a/noise.pdf", b"no pdf")]
    added = await add(tenant, "all.zip", archive(files))
    assert {one["name"]: one["status"] for one in added["documents"]} == {
        "a/pumps.md": "indexed", "a/noise.pdf": "refused",
    }  # fmt: skip
    assert "cellar" in (await ask(tenant, "where do the pumps stand?"))["answer"]
    digests = (await tenant.http.get("/api/v1/help/digests")).json()
    assert set(digests) == {"a/pumps.md", "a/noise.pdf"}


async def test_many_small_additions_are_merged_and_all_found(tenant: Tenant) -> None:
    for number in range(10):
        await add(tenant, f"m{number}.md", f"# Machine {number}\n\nMachine number{number} is in hall{number}.".encode())
    assert (
        len(tenant.instance.sql("select distinct segment from opsteward.help_postings where tenant_id = %s", tenant.id))
        < 8
    )
    for number in (0, 5, 9):
        assert f"hall{number}" in (await ask(tenant, f"where is machine number{number}?"))["answer"]


@pytest.mark.parametrize(
    ("params", "data", "field"),
    [
        ({"name": " "}, b"x", "name"),
        ({"name": "case:1"}, b"x", "name"),
        ({"name": "a.md", "access": ["nobody"]}, b"x", "access"),
        ({"name": "a.md"}, b"", "body"),
        ({"name": "a.md", "url": "javascript:alert(1)"}, b"x", "url"),
        ({"name": "a.md", "url": "//elsewhere.example/"}, b"x", "url"),
    ],
)
async def test_what_is_wrong_is_named(tenant: Tenant, params: dict[str, Any], data: bytes, field: str) -> None:
    answer = await tenant.http.post("/api/v1/help/documents", params=params, content=data)
    assert problem_of(answer, 422)["errors"][0]["field"] == field


async def test_only_public_addresses_are_fetched(tenant: Tenant) -> None:
    for url in ("http://127.0.0.1:9/", "http://169.254.169.254/latest", "file:///etc/passwd", "http://[::1]/"):
        answer = await tenant.http.post("/api/v1/help/documents/fetch", json={"url": url})
        assert problem_of(answer, 422)["errors"][0]["field"] == "url"
    assert tenant.count("help_documents") == 0
    refuse_networks([])


async def test_an_answer_is_rated_by_who_asked(tenant: Tenant) -> None:
    viewer = await tenant.operator("viewer")
    answer = await ask(viewer, "how do I create an API token?")
    address = f"/api/v1/help/answers/{answer['id']}/feedback"
    assert (await tenant.http.post(address, json={"helpful": True})).status_code == 404
    assert (await viewer.http.post(address, json={"helpful": False, "comment": "old"})).status_code == 204
    [(helpful, comment)] = tenant.instance.sql(
        "select helpful, comment from opsteward.help_answers where id = %s", answer["id"]
    )
    assert (helpful, comment) == (False, "old")


async def test_a_resolved_incident_is_found_as_a_case_until_it_goes_on(tenant: Tenant) -> None:
    event = {
        "message": "The grinder is jammed by walnuts",
        "source": "mill",
        "severity": "high",
        "error_type": "JamError",
    }
    taken = (await tenant.http.post("/api/v1/events", json=event)).json()["events"][0]
    incident = f"/api/v1/incidents/{taken['incident_id']}"
    await tenant.http.post(f"{incident}/resolve", json={"reason": "the sieve was emptied"})
    services = tenant.instance.services
    await services.timers.fire_due(services.app)
    question = "have we seen a grinder jammed by walnuts before?"
    answer = await ask(tenant, question)
    assert "the sieve was emptied" in answer["answer"]
    assert answer["citations"][0]["kind"] == "case"
    assert answer["citations"][0]["url"] == f"/incidents/{taken['incident_id']}"
    assert (await tenant.http.get("/api/v1/help/documents")).json()["items"] == []
    await tenant.http.post(f"{incident}/reopen", json={"reason": "again"})
    await services.timers.fire_due(services.app)
    assert "sieve" not in (await ask(tenant, question))["answer"]


async def test_no_timer_waits_for_documents_that_are_being_stored(tenant: Tenant) -> None:
    event = {"message": "The loom is tangled by yarn", "source": "mill", "severity": "high", "error_type": "JamError"}
    taken = (await tenant.http.post("/api/v1/events", json=event)).json()["events"][0]
    await tenant.http.post(f"/api/v1/incidents/{taken['incident_id']}/resolve", json={"reason": "the yarn was cut"})
    await add(tenant, "backup.md", RESTORE)
    services = tenant.instance.services
    async with services.app.unit_of_work(tenant.id) as session:
        (await storing.locked_corpus(session)).version += 1
        await session.flush()
        async with asyncio.timeout(10):
            await services.timers.fire_due(services.app)
    question = "have we seen a loom tangled by yarn before?"
    assert "yarn was cut" not in (await ask(tenant, question))["answer"]
    tenant.instance.sql("update opsteward.timers set due_at = now() where tenant_id = %s", tenant.id)
    await services.timers.fire_due(services.app)
    assert "yarn was cut" in (await ask(tenant, question))["answer"]


async def test_one_tenants_questions_are_searched_one_after_the_other(
    tenant: Tenant, other_tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    searching, peak, other_has_its_answer = 0, 0, asyncio.Event()

    async def search(*_: object, **__: object) -> Findings:
        nonlocal searching, peak
        searching += 1
        peak = max(peak, searching)
        await other_has_its_answer.wait()
        searching -= 1
        return Findings([])

    async def at_once(*_: object, **__: object) -> Findings:
        return Findings([])

    monkeypatch.setattr(service, "search", search)  # a search lasts as long as the test wants
    asked = [asyncio.ensure_future(ask(tenant, "how do I create an API token?")) for _ in range(6)]
    while not searching:
        await asyncio.sleep(0.01)
    monkeypatch.setattr(service, "search", at_once)
    async with asyncio.timeout(10):
        await ask(other_tenant, "how do I create an API token?")
    other_has_its_answer.set()
    await asyncio.gather(*asked)
    assert peak == 1


async def test_pages_that_come_slowly_keep_nobody_from_their_turn(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    came = asyncio.Event()

    async def fetch(*_: object, **__: object) -> Added:
        await came.wait()
        return Added(documents=[], unchanged=0)

    monkeypatch.setattr(Documents, "fetch", fetch)  # a page comes as slowly as the test wants
    address = "/api/v1/help/documents/fetch"
    page, uploads = {"url": "https://example.com/"}, tenant.instance.app.state.capacity.uploads
    fetching = [asyncio.ensure_future(tenant.http.post(address, json=page)) for _ in range(20)]
    async with asyncio.timeout(10):
        while uploads.waiting < 18:  # of an operator's, two are read at once
            await asyncio.sleep(0.01)
        assert (await tenant.http.get("/api/v1/help/documents")).status_code == 200
    came.set()
    assert {answer.status_code for answer in await asyncio.gather(*fetching)} == {201}


@pytest.fixture
async def writing(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[Reply]]:
    """Answers are written by a model that gives the replies in this list; without any it is broken."""
    replies: list[Reply] = []
    services = tenant.instance.services
    async with scripted_model(lambda request, count: replies[-1] if replies else Reply(status=500)) as server:
        models = ModelSettings(model="compatible:scripted", model_url=server.url, model_prices=PRICES, model_retries=0)
        made = Reasoners(
            services.app,
            settings=services.settings.crew,
            models=models,
            inventory=services.inventory,
            action_service=services.action_service,
        )
        monkeypatch.setattr(services.help, "_writer", made.write_answer)
        yield replies


async def test_with_a_model_answers_are_written_and_each_sentence_cites(tenant: Tenant, writing: list[Reply]) -> None:
    await add(tenant, "backup.md", RESTORE)
    question = "how do we restore the orders database?"
    quoted = await ask(tenant, question)
    assert quoted["engine"] == "passages"  # the model is broken
    wrong = {"text": "Then bananas are peeled by the gardener.", "sources": [1]}
    right = {"text": quoted["citations"][0]["quote"].split(".")[0][:200], "sources": [1]}
    writing.append(Reply(calls=(("final_result", {"sentences": [right, wrong]}),)))
    answer = await ask(tenant, question)
    assert (answer["engine"], answer["known"]) == ("written", True)
    assert answer["answer"].endswith("[1]")
    assert "bananas" not in answer["answer"]
    assert answer["citations"] == quoted["citations"]
    assert tenant.count("crew_model_calls") == 2
    writing.append(Reply(calls=(("final_result", {"sentences": [wrong]}),)))
    assert (await ask(tenant, question))["answer"] == quoted["answer"]

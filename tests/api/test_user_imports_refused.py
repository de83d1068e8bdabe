"""Files of users that are refused, whole or by row, and what others see of an import."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from uuid import uuid4

import pytest

from support.instance import Instance, Tenant
from support.problems import problem_of
from support.user_imports import URL, person, problems, send, send_file, users_of


async def test_a_slip_in_an_option_is_refused_and_no_foreign_export(tenant: Tenant) -> None:
    answer = await tenant.http.post(URL, json={"users": [person("ada")], "dryrun": True})
    assert problem_of(answer, 422)["errors"][0]["field"] == "dryrun"
    assert tenant.count("users") == 0


@pytest.mark.parametrize(("content", "kind", "query", "status"), [
    (b"", "text/csv", {}, 400),
    (b"", "application/json", {}, 400),
    (b"[]", "application/json", {}, 422),
    (b"[{]", "application/json", {}, 400),
    (b'[{"username": "a"}', "application/json", {}, 400),
    (b"[1, 2]", "application/json", {}, 422),
    (b"nothing", "application/x-ndjson", {}, 422),
    (b"\xff\xfe\x00", "application/x-ndjson", {}, 422),
    (b"username,email,full_name\n\xc3\xa4,\xe4,x\n", "text/csv", {}, 422),
    (b"a,b\n1,2\n", "text/plain", {}, 400),
    (b"a,b\n1,2\n", "text/csv", {"delimiter": "xx"}, 422),
    (b"a,b\n1,2\n", "text/csv", {"encoding": "klingon"}, 422),
    (b"a,b\n1,2\n", "text/csv", {"mapping": '{"a": "password"}'}, 422),
    (b"a,b\n1,2\n", "text/csv", {"mapping": "["}, 422),
])  # fmt: skip
async def test_what_is_no_import_is_refused_whole(
    tenant: Tenant, content: bytes, kind: str, query: dict[str, str], status: int
) -> None:
    answer = await send_file(tenant, content, kind, **query)
    assert problem_of(answer, status)["errors"]
    for table in ("users", "import_jobs", "import_parts", "import_problems", "tasks"):
        assert tenant.count(table) == 0, table


@pytest.mark.parametrize("kind", ["application/x-ndjson", "text/csv", "text/ldif"])
async def test_a_row_without_an_end_is_refused_and_not_held(tenant: Tenant, kind: str) -> None:
    endless = "x" * 3_000_000
    good = [person("ada"), person("bob")]
    if kind == "text/csv":
        lines = ["username,email,full_name", *(",".join(one.values()) for one in good)]
        lines.insert(2, f"eve,eve@example.com,{endless}")
    elif kind == "text/ldif":
        lines = [f"dn: uid={one['username']}\nuid: {one['username']}\nmail: {one['email']}\ncn: X\n" for one in good]
        lines.insert(1, f"dn: uid=eve\nuid: eve\nmail: eve@example.com\ncn: {endless}\n")
    else:
        lines = [json.dumps(one) for one in good]
        lines.insert(1, json.dumps(person("eve", department=endless)))
    answer = await send_file(tenant, "\n".join(lines), kind)
    job_id = answer.json()["job_id"]
    services = tenant.instance.services
    await services.imports.run(services.app, tenant_id=tenant.id, job_id=job_id, progress=lambda *_: None)
    report = (await tenant.http.get(f"/api/v1/users/imports/{job_id}")).json()
    assert (report["created"], problems(report)) == (2, [(2, "row")])
    assert set(await users_of(tenant)) == {"ada", "bob"}


async def test_duties_that_must_not_meet_are_refused_by_row(tenant: Tenant) -> None:
    given = {"payer": "pay", "chief": "approve"}
    rules = {name: {"permissions": [what], "auto_approve": True} for name, what in given.items()}
    assert (await tenant.http.put("/api/v1/enrollment-rules", json={"rules": rules})).is_success
    made = await send(tenant, [person("ada", role="payer")])
    pairs = {"pairs": [["approve", "pay"]]}
    assert (await tenant.http.put("/api/v1/segregation-of-duties", json=pairs)).is_success
    granted = {"kind": "permission", "name": "pay"}
    assert (await tenant.http.post(f"/api/v1/users/{made['user_ids'][0]}/grants", json=granted)).is_success
    report = await send(tenant, [person("ada", role="chief"), person("bob", role="chief")], mode="upsert")
    assert problems(report) == [(1, "role")]
    assert "segregation of duties" in report["errors"][0]["reason"]
    found = await users_of(tenant)
    assert (found["ada"]["role"], found["ada"]["permissions"]) == ("payer", ["pay"])
    assert found["bob"]["permissions"] == ["approve"]


async def test_a_name_that_looks_like_anothers_is_told_and_flagged(tenant: Tenant) -> None:
    made = await send(tenant, [person("paul"), person("оlga", email="olga1@example.com")])
    rows = [person("раul", email="p2@example.com"), person("olga"), person("OLGA", email="o3@example.com")]
    for dry_run in (True, False):
        report = await send(tenant, rows, dry_run=dry_run)
        told = [(one["row"], one["field"], one["reason"]) for one in report["warnings"]]
        assert told == [
            (1, "username", "can be mistaken for paul"), (2, "username", "can be mistaken for оlga"),
        ]  # fmt: skip
        assert problems(report) == [(3, "username")]
    found = await users_of(tenant)
    looks = {name: found[name]["looks_like"] for name in ("paul", "раul", "оlga", "olga")}
    assert looks == {"paul": None, "раul": found["paul"]["id"], "оlga": None, "olga": found["оlga"]["id"]}
    assert len(made["user_ids"]) == 2


async def test_what_a_review_took_stays_taken_until_the_user_moves(tenant: Tenant) -> None:
    ada = (await send(tenant, [person("ada")]))["user_ids"][0]
    review = (await tenant.http.post("/api/v1/access-reviews", json={"name": "Q"})).json()
    items = (await tenant.http.get(f"/api/v1/access-reviews/{review['id']}/items")).json()["items"]
    (taken,) = [one for one in items if one["name"] == "write_basic"]
    path = f"/api/v1/access-reviews/{review['id']}/decisions"
    body = {"decisions": [{"item_id": taken["id"], "decision": "revoke", "reason": "too much"}]}
    answer = await tenant.http.post(path, json=body)
    assert answer.is_success, answer.text
    await send(tenant, [person("ada", department="New")], mode="upsert")
    assert (await users_of(tenant))["ada"]["permissions"] == ["read_basic"]
    await send(tenant, [person("ada", role="premium_user")], mode="upsert")
    moved = (await users_of(tenant))["ada"]
    assert moved["permissions"] == ["read_basic", "read_premium", "write_basic", "write_premium"]
    named = (await tenant.http.put(f"/api/v1/users/{ada}", json={"role": "standard_user"})).json()
    assert named["permissions"] == ["read_basic", "write_basic"], "moved by hand it is the same"


async def test_no_file_makes_an_operator(tenant: Tenant) -> None:
    before = tenant.count("operators"), tenant.count("tokens")
    roles = ("owner", "admin", "operator", "platform")
    report = await send(tenant, [person(f"{role}-x", role=role) for role in roles])
    assert report["created"] == len(roles)
    assert (tenant.count("operators"), tenant.count("tokens")) == before
    found = (await users_of(tenant)).values()
    assert {(one["status"], tuple(one["permissions"])) for one in found} == {("pending", ())}
    fields = await send(tenant, [person("eve", operator_role="owner"), person("kim", permissions=["administer"])])
    assert problems(fields) == [(1, "operator_role"), (2, "permissions")]


async def test_the_report_is_paged_and_downloaded_with_inert_cells(tenant: Tenant) -> None:
    report = await send(tenant, [person("ada"), person("bob", email="=1+1"), person("eve", email="nobody")])
    path = f"/api/v1/users/imports/{report['job_id']}"
    shown = (await tenant.http.get(path)).json()
    assert shown["errors"] == report["errors"]
    assert (shown["status"], shown["progress"], shown["rows"]) == ("completed", 100, 3)
    (listed,) = (await tenant.http.get("/api/v1/users/imports")).json()["items"]
    assert (listed["job_id"], listed["failed_imports"]) == (report["job_id"], 2)
    lines = list(csv.reader(io.StringIO((await tenant.http.get(f"{path}/errors")).text)))
    assert lines[0] == ["row", "line", "kind", "field", "reason", "value"]
    assert [line[-1] for line in lines[1:]] == ["'=1+1", "nobody"]
    told = (await tenant.http.get(f"{path}/errors", params={"format": "ndjson"})).text.splitlines()
    assert [json.loads(line)["value"] for line in told] == ["=1+1", "nobody"]
    assert (await tenant.http.get(f"{path}/users")).json()["items"] == [{"id": report["user_ids"][0]}]
    for missing in ("", "/errors", "/users"):
        assert (await tenant.http.get(f"/api/v1/users/imports/{uuid4()}{missing}")).status_code == 404


async def test_others_see_nothing_of_it(tenant: Tenant, other_tenant: Tenant) -> None:
    job_id = (await send(tenant, [person("ada")]))["job_id"]
    assert (await other_tenant.http.get(f"/api/v1/users/imports/{job_id}")).status_code == 404
    assert "ada" not in (await other_tenant.http.get("/api/v1/users/export")).text
    reader = await tenant.operator("viewer")
    assert (await reader.http.post(URL, json={"users": [person("eve")]})).status_code == 403


async def test_a_large_file_waits_for_a_worker_and_is_not_held(
    tenant: Tenant, instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [person(f"u{n}") for n in range(1001)]
    text = "\n".join(json.dumps(row) for row in rows)
    answer = await send_file(tenant, text, "application/x-ndjson")
    assert answer.status_code == 202, answer.text
    told = answer.json()
    assert (told["status"], told["progress"]) == ("queued", 0)
    again = await send_file(tenant, text, "application/x-ndjson")
    assert again.json()["job_id"] == told["job_id"]
    assert tenant.count("tasks") == tenant.count("import_jobs") == 1
    seen: list[int] = []
    services = instance.services
    await services.imports.run(
        services.app, tenant_id=tenant.id, job_id=told["job_id"], progress=lambda percent, _: seen.append(percent)
    )
    done = (await tenant.http.get(f"/api/v1/users/imports/{told['job_id']}")).json()
    assert (done["status"], done["created"], done["progress"]) == ("completed", 1001, 100)
    assert tenant.count("users") == tenant.count("enrollments") == 1001
    assert tenant.count("import_parts") == 0
    assert seen[-1] == 100


async def test_an_upload_beyond_the_limit_leaves_nothing(
    tenant: Tenant, instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = instance.services.settings
    small = settings.api.model_copy(update={"max_import_bytes": 2_000_000})
    monkeypatch.setattr(instance.app.state.services, "settings", replace(settings, api=small))
    answer = await send_file(tenant, b'{"username": "a"}\n' * 150_000, "application/x-ndjson")
    problem_of(answer, 413)
    assert tenant.count("import_jobs") == tenant.count("import_parts") == 0

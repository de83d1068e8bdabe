"""What a tenant sets for its sources: forms of its own, a secret, topics; bodies that are kept and read again."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

from support.instance import Instance, Tenant
from support.problems import problem_of

STRANGE = {"alarm": {"label": "Pump 7 failed", "grade": "red", "no": 7, "since": "2024-03-01T10:00:00Z", "over": "n"}}
FORMS = [
    {
        "when": "alarm", "title": "alarm.label", "severity": "alarm.grade", "severity_map": {"red": "high"},
        "resolved": "alarm.over == 'y'", "identity": "[to_string(alarm.no)]", "time": "[alarm.since]",
    }
]  # fmt: skip


async def sent(tenant: Tenant, source: str, body: Any, **options: Any) -> dict[str, Any]:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = await tenant.http.post(f"/api/v1/intake/{source}", content=content, **options)
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


async def got(tenant: Tenant, path: str) -> Any:
    answer = await tenant.http.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_body_of_unknown_shape_is_kept_mapped_and_read_again(tenant: Tenant) -> None:
    assert not (await sent(tenant, "generic", STRANGE))["mapped"]
    [kept] = (await got(tenant, "/api/v1/sources/generic/bodies"))["items"]
    assert not kept["mapped"] and kept["reading"]["count"] == 1
    whole = await got(tenant, f"/api/v1/sources/generic/bodies/{kept['id']}")
    assert json.loads(whole["body"]) == STRANGE
    tried = await tenant.http.post(
        "/api/v1/sources/preview", json={"source": "generic", "body": STRANGE, "shapes": FORMS}
    )
    assert tried.json()["events"][0]["severity"] == "high"

    answer = await tenant.http.patch("/api/v1/sources/generic", json={"shapes": FORMS})
    assert answer.status_code == 200 and answer.json()["info"]["own_shapes"] == 1, answer.text
    again = await tenant.http.post(f"/api/v1/sources/generic/bodies/{kept['id']}/read")
    assert again.status_code == 202 and again.json()["mapped"], again.text
    [kept] = (await got(tenant, "/api/v1/sources/generic/bodies"))["items"]
    assert kept["mapped"]
    assert kept["reading"]["first"]["title"] == "Pump 7 failed"
    over = STRANGE | {"alarm": STRANGE["alarm"] | {"over": "y", "since": "2024-03-01T10:30:00Z"}}
    assert (await sent(tenant, "generic", over))["mapped"]
    resolved = [one for one in (await got(tenant, "/api/v1/incidents"))["items"] if one["status"] == "resolved"]
    assert [one["title"] for one in resolved] == ["Pump 7 failed"]


async def test_a_source_of_ones_own_is_made_listed_and_removed(tenant: Tenant, other_tenant: Tenant) -> None:
    problem_of(await tenant.http.post("/api/v1/intake/pump-station", json=STRANGE), 404)
    problem_of(await tenant.http.patch("/api/v1/sources/pump-station", json={"title": "Pumps"}), 404)
    new = {"slug": "pump-station", "title": "Pumps", "shapes": FORMS}
    assert (made := await tenant.http.post("/api/v1/sources", json=new)).status_code == 201, made.text
    for taken_name in ("pump-station", "Prometheus"):
        problem_of(await tenant.http.post("/api/v1/sources", json=new | {"slug": taken_name}), 409)
    problem_of(await tenant.http.post("/api/v1/sources", json=new | {"slug": "bad name!"}), 422)
    taken = await sent(tenant, "Pump-Station", STRANGE)
    assert (taken["source"], taken["mapped"]) == ("pump-station", True)
    sources = {one["slug"]: one for one in (await got(tenant, "/api/v1/sources"))["items"]}
    own = sources["pump-station"]
    assert (own["title"], own["shipped"], own["bodies"], own["events"], own["unmapped"]) == ("Pumps", False, 1, 1, 0)
    assert own["last_received_at"] and sources["grafana"]["bodies"] == 0
    problem_of(await other_tenant.http.post("/api/v1/intake/pump-station", json=STRANGE), 404)
    assert "pump-station" not in {one["slug"] for one in (await got(other_tenant, "/api/v1/sources"))["items"]}
    assert (await tenant.http.delete("/api/v1/sources/pump-station")).status_code == 204
    problem_of(await tenant.http.post("/api/v1/intake/pump-station", json=STRANGE), 404)
    problem_of(await tenant.http.delete("/api/v1/sources/pump-station"), 404)


async def test_what_can_not_be_set_is_told_by_its_field(tenant: Tenant) -> None:
    for name, body, field in (
        ("generic", {"shapes": [{"title": "a b ["}]}, "mapping"),
        ("generic", {"shapes": [{"titel": "a"}]}, "shapes"),
        ("generic", {"topics": ["no topic"]}, "topics"),
        ("generic", {"secret": "short"}, "secret"),
    ):
        problem = problem_of(await tenant.http.patch(f"/api/v1/sources/{name}", json=body), 422)
        assert field in json.dumps(problem["errors"]), problem
    viewer = await tenant.operator("viewer")
    problem_of(await viewer.http.patch("/api/v1/sources/generic", json={"shapes": []}), 403)


async def test_forms_that_ask_for_too_much_do_not_stop_the_intake(tenant: Tenant) -> None:
    # each of so many pairs of pairs: minutes of work
    greedy = "[" + ",".join(["[a,a,a,a,a,a,a,a]"] * 3) + "]" + "[].[@,@,@,@,@,@,@,@][]" * 9 + " && `true`"
    answer = await tenant.http.patch("/api/v1/sources/generic", json={"shapes": [{"when": greedy[:1990]}]})
    assert answer.status_code in (200, 422), answer.text
    if answer.status_code == 200:
        await sent(tenant, "generic", {"a": list(range(20)), "title": "it goes on"})
        [kept] = (await got(tenant, "/api/v1/sources/generic/bodies"))["items"]
        assert kept["reading"]["first"]["title"] == "it goes on"


async def test_a_source_with_a_secret_takes_signed_bodies_only(tenant: Tenant) -> None:
    secret = "a secret of this test"
    assert (await tenant.http.patch("/api/v1/sources/github", json={"secret": secret})).status_code == 200
    detail = await got(tenant, "/api/v1/sources/github")
    assert detail["has_secret"] and detail["info"]["signed"] and secret not in json.dumps(detail)
    body = json.dumps({"zen": "käse", "hook_id": 1}).encode()
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    await sent(tenant, "github", body, headers={"X-Hub-Signature-256": f"sha256={signature}"})
    for headers in ({}, {"X-Hub-Signature-256": f"sha256={'0' * 64}"}):
        problem = problem_of(await tenant.http.post("/api/v1/intake/github", content=body, headers=headers), 401)
        assert secret not in json.dumps(problem) and signature not in json.dumps(problem)
    info = (await got(tenant, "/api/v1/sources/github"))["info"]
    assert (info["bodies"], info["refused"]) == (1, 2) and "x-hub-signature-256" in info["last_refusal"]
    sealed = tenant.instance.sql("select secret_sealed from opsteward.source_settings where tenant_id = %s", tenant.id)
    assert secret.encode() not in bytes(sealed[0][0])
    assert (await tenant.http.patch("/api/v1/sources/github", json={"secret": None})).status_code == 200
    await sent(tenant, "github", body)


async def test_a_secret_without_a_known_signature_refuses_all_and_says_why(tenant: Tenant) -> None:
    await tenant.http.patch("/api/v1/sources/zabbix", json={"secret": "a secret of this test"})
    problem = problem_of(await tenant.http.post("/api/v1/intake/zabbix", json={"name": "x"}), 401)
    assert "signature" in problem["remedy"]
    how = {"header": "x-own", "scheme": "token"}
    assert (await tenant.http.patch("/api/v1/sources/zabbix", json={"signature": how})).status_code == 200
    await sent(tenant, "zabbix", {"name": "x"}, headers={"X-Own": "a secret of this test"})


async def test_of_a_source_so_many_bodies_are_kept(tenant: Tenant, monkeypatch: Any) -> None:
    monkeypatch.setattr("opsteward.events.sources.kept_bodies.UNMAPPED_LIMIT", 3)
    for number in range(5):
        await sent(tenant, "generic", {"title": f"number {number}"})
    await sent(tenant, "alertmanager", {"alerts": [{"labels": {"alertname": "A"}}]})
    await sent(tenant, "alertmanager", {"alerts": [{"labels": {"alertname": "A"}}]})
    kept = (await got(tenant, "/api/v1/sources/generic/bodies"))["items"]
    assert [one["reading"]["first"]["title"] for one in kept] == ["number 4", "number 3", "number 2"]
    assert len((await got(tenant, "/api/v1/sources/prometheus/bodies"))["items"]) == 1


async def test_bodies_are_of_their_tenant_alone(tenant: Tenant, other_tenant: Tenant, instance: Instance) -> None:
    await sent(tenant, "generic", STRANGE)
    [kept] = (await got(tenant, "/api/v1/sources/generic/bodies"))["items"]
    assert (await got(other_tenant, "/api/v1/sources/generic/bodies"))["items"] == []
    problem_of(await other_tenant.http.get(f"/api/v1/sources/generic/bodies/{kept['id']}"), 404)
    problem_of(await other_tenant.http.post(f"/api/v1/sources/generic/bodies/{kept['id']}/read"), 404)
    problem_of(await tenant.http.get(f"/api/v1/sources/github/bodies/{kept['id']}"), 404)

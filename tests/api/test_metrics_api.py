"""`/metrics`: who sees what, what it says, and that Prometheus' own tool finds nothing wrong with it."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from uuid import uuid4

import httpx
import pytest

from opsteward.api.app import build_app
from opsteward.app.request_services import api_services_of
from opsteward.core.errors import Conflict
from opsteward.events.types import NewEvent
from opsteward.telemetry.metrics import EVENTS
from support.instance import ORIGIN, Instance, Tenant
from support.live import Live
from support.problems import problem_of
from support.prometheus import DEPLOY, exported, promtool, running_prometheus, samples

#: What Prometheus and its exporters for every process add by themselves.
_OTHERS = {"up"}
_NAME = re.compile(r"\b(?:opsteward|process)_[a-z_]+\b|\bup\b")


async def scraped(client: httpx.AsyncClient) -> str:
    answer = await client.get("/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return answer.text


@pytest.fixture(autouse=True)
def nothing_kept(instance: Instance) -> None:
    """What another test's scrape has read is not told to this one."""
    instance.services.figures._kept.clear()


@pytest.fixture
async def platform(instance: Instance) -> Tenant:
    return await instance.tenant(roles=("owner", "platform"))


async def submit(tenant: Tenant, *, delay: float = 0) -> None:
    answer = await tenant.http.post("/api/v1/tasks", json={"task_type": "opsteward.echo", "delay": delay})
    assert answer.status_code == 202, answer.text


async def test_a_tenant_sees_its_own_figures_and_nothing_of_the_installation(
    tenant: Tenant, other_tenant: Tenant
) -> None:
    await submit(tenant)
    await submit(tenant, delay=3600)
    for _ in range(3):
        await submit(other_tenant)
    viewer = await tenant.operator("viewer")

    seen = samples(await scraped(viewer.http))

    assert seen['opsteward_tasks{status="pending",task_type="opsteward.echo"}'] == 2
    assert seen['opsteward_tasks_ready{task_type="opsteward.echo"}'] == 1
    assert seen['opsteward_tasks_delayed{task_type="opsteward.echo"}'] == 1
    assert not [name for name in seen if name.startswith(("opsteward_http", "process_", "opsteward_processes"))]


async def test_a_platform_operator_sees_the_installation_without_names(platform: Tenant, tenant: Tenant) -> None:
    await submit(tenant)
    event = {"message": f"secret-{uuid4()}", "source": "a-source", "error_type": "OperationalError"}
    assert (await tenant.http.post("/api/v1/events", json=event)).status_code == 202
    await tenant.http.get(f"/api/v1/tasks/{uuid4()}")
    await tenant.http.get("/nowhere")

    text = await scraped(platform.http)
    seen = samples(text)

    assert seen['opsteward_tasks_ready{task_type="opsteward.echo"}'] >= 1
    assert seen['opsteward_events_total{category="system_error"}'] >= 1
    assert seen['opsteward_http_requests_total{method="GET",route="/api/v1/tasks/{task_id}",status="404"}'] >= 1
    assert seen['opsteward_http_requests_total{method="GET",route="other",status="404"}'] >= 1
    assert seen["process_resident_memory_bytes"] > 1_000_000
    assert seen["opsteward_database_up"] == 1
    for private in (tenant.name, str(tenant.id), event["message"], event["source"], tenant.owner.name):
        assert f'"{private}"' not in text


async def test_the_scrapers_role_reads_the_metrics_and_nothing_else(platform: Tenant, tenant: Tenant) -> None:
    answer = await tenant.http.post("/api/v1/operators", json={"name": "prom", "roles": ["metrics"]})
    assert "only a platform operator" in problem_of(answer, 403)["detail"]

    assert (
        await platform.http.post("/api/v1/operators", json={"name": "prom", "roles": ["metrics"]})
    ).status_code == 201
    scraper = await platform.operator("metrics")
    assert "opsteward_http_requests_total" in await scraped(scraper.http)
    problem_of(await scraper.http.get("/api/v1/incidents"), 403)
    assert (await scraper.http.get("/api/v1/me")).json()["permissions"] == ["metrics.installation", "metrics.read"]


async def test_what_was_rolled_back_is_not_counted(instance: Instance, tenant: Tenant) -> None:
    async def take(*, and_fail: bool) -> None:
        async with instance.services.web.unit_of_work(tenant.id) as session:
            await instance.services.intake.take(
                session, events=[NewEvent(message="page not found", category="ignorable")], actor="system:test"
            )
            if and_fail:
                raise Conflict("on purpose")

    counted = EVENTS.labels("ignorable")._value.get
    before = counted()
    with pytest.raises(Conflict):
        await take(and_fail=True)
    assert counted() == before
    await take(and_fail=False)
    assert counted() == before + 1


async def test_without_a_token_only_this_machine_and_only_where_a_setting_says_so(instance: Instance) -> None:
    def client(*, public: bool, peer: str) -> httpx.AsyncClient:
        api_services = api_services_of(instance.services, lambda: {"database": True})
        settings = instance.services.settings
        telemetry = settings.telemetry.model_copy(update={"metrics_public": public})
        api_services.settings = replace(settings, telemetry=telemetry)
        transport = httpx.ASGITransport(build_app(api_services), client=(peer, 1))
        made = httpx.AsyncClient(transport=transport, base_url=ORIGIN)
        instance.clients.append(made)
        return made

    open_here = client(public=True, peer="127.0.0.1")
    assert "opsteward_http_requests_total" in await scraped(open_here)
    assert "opsteward_database_up" in await scraped(client(public=True, peer="::1"))
    problem_of(await open_here.get("/metrics", headers={"X-Forwarded-For": "192.0.2.7"}), 401)
    problem_of(await open_here.get("/metrics", headers={"Authorization": "Bearer ops_wrong"}), 401)
    problem_of(await client(public=True, peer="192.0.2.7").get("/metrics"), 401)
    problem_of(await client(public=False, peer="127.0.0.1").get("/metrics"), 401)


async def test_scrapes_that_follow_each_other_share_one_look_at_the_database(
    instance: Instance, tenant: Tenant
) -> None:
    figures, series = instance.services.figures, 'opsteward_tasks_ready{task_type="opsteward.echo"}'
    await submit(tenant)
    texts = await asyncio.gather(*(scraped(tenant.http) for _ in range(20)))
    assert {samples(text)[series] for text in texts} == {1}
    await submit(tenant)
    assert samples(await scraped(tenant.http))[series] == 1  # told again, not read again
    figures._kept.clear()
    assert samples(await scraped(tenant.http))[series] == 2


async def test_promtool_finds_nothing_wrong(platform: Tenant, tenant: Tenant) -> None:
    await submit(tenant)
    text = await scraped(platform.http)
    checked = promtool("check", "metrics", given=text)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
    # the tool does find what is wrong
    assert promtool("check", "metrics", given=text + "# TYPE bad_metric counter\nbad_metric 1\n").returncode != 0


# ---------------------------------------------------------------- what is built on them


def expressions() -> Iterator[tuple[str, str]]:
    """Every query of the dashboards and the alert rules, with the place where it stands."""
    for path in sorted((DEPLOY / "grafana").glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel["targets"]:
                yield f"{path.name}: {panel['title']}", target["expr"]
    rules = (DEPLOY / "prometheus" / "opsteward.rules.yml").read_text()
    for expr in re.findall(r"^\s+expr: (.+)$", rules, re.MULTILINE):
        yield "opsteward.rules.yml", expr


async def test_dashboards_and_alerts_ask_for_what_there_is(platform: Tenant) -> None:
    known = exported(await scraped(platform.http)) | _OTHERS
    asked = list(expressions())
    assert len(asked) > 50
    for place, expr in asked:
        bare = re.sub(r'"[^"]*"', "", expr)
        names = set(_NAME.findall(bare))
        assert names, f"{place} asks for nothing of ours: {expr}"
        assert names <= known, f"{place} asks for {names - known}"


@pytest.mark.slow(reason="a real Prometheus scrapes at its interval")
def test_a_real_prometheus_scrapes_it_without_error(live: Live) -> None:
    made = live.admin.http.post("/api/v1/operators", json={"name": f"p-{uuid4().hex[:8]}", "roles": ["metrics"]})
    token = live.admin.http.post("/api/v1/tokens", json={"operator": made.json()["name"]}).json()["token"]
    assert live.admin.http.post("/api/v1/tasks", json={"task_type": "opsteward.echo"}).status_code == 202
    with running_prometheus(live.url.removeprefix("http://"), token) as prometheus:

        def result(query: str) -> list[dict[str, object]]:
            answer = prometheus.get("/api/v1/query", params={"query": query}).raise_for_status().json()
            return list(answer["data"]["result"])

        wanted = 'sum(opsteward_tasks{task_type="opsteward.echo"}) > 0'
        _until(lambda: bool(result("up == 1")) and bool(result(wanted)))
        (target,) = prometheus.get("/api/v1/targets").json()["data"]["activeTargets"]
        assert (target["health"], target["lastError"]) == ("up", "")
        assert result("scrape_samples_scraped > 50")
        assert result("opsteward_processes") and result("opsteward_leaders == 1")
        groups = prometheus.get("/api/v1/rules").json()["data"]["groups"]
        _until(lambda: _evaluated(prometheus))
        assert len(groups[0]["rules"]) > 10
        # every query of a dashboard is one that Prometheus can answer
        for place, expr in expressions():
            asked = expr.replace("$__rate_interval", "1m").replace("$instance", ".*")
            answer = prometheus.get("/api/v1/query", params={"query": asked})
            assert answer.status_code == 200, f"{place}: {answer.text}"


def _evaluated(prometheus: httpx.Client) -> bool:
    rules = prometheus.get("/api/v1/rules").json()["data"]["groups"][0]["rules"]
    assert [rule.get("lastError") for rule in rules if rule.get("lastError")] == []
    return all(rule["health"] == "ok" for rule in rules)


def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)

"""Direct calls over the API and by the command line: what is declared, and what can't be run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from opsteward.cli.main import commands
from opsteward.crew.direct_calls.running import DirectCalls
from support.instance import Instance, Tenant
from support.problems import problem_of

CALLS = """
orders:
  system: shop-db
  says: Orders since a day
  sql: select id from orders where day >= :since
  values:
    since: {type: date, default: 2026-01-01}
broken:
  system: shop-db
  sql: delete from orders
"""


@pytest.fixture
def declared(instance: Instance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "calls.yaml").write_text(CALLS, encoding="utf-8")
    services = instance.services
    calls = DirectCalls(tmp_path, services.web, services.inventory, services.registry)
    monkeypatch.setattr(services.direct_calls, "__dict__", calls.__dict__)


async def test_none_are_declared_unless_a_folder_is_named(tenant: Tenant) -> None:
    found = (await tenant.http.get("/api/v1/direct-calls")).json()
    assert found == {"items": [], "problems": []}
    problem = problem_of(await tenant.http.post("/api/v1/direct-calls/orders", json={}), 404)
    assert "OPSTEWARD_DIRECT_CALLS" in problem["remedy"]


@pytest.mark.usefixtures("declared")
async def test_calls_are_listed_with_their_values_and_the_faulty_one_with_its_line(tenant: Tenant) -> None:
    found = (await tenant.http.get("/api/v1/direct-calls")).json()
    assert [one["name"] for one in found["items"]] == ["orders"]
    assert found["items"][0]["values"] == [
        {"name": "since", "type": "date", "says": "", "required": False, "default": "2026-01-01", "choices": []}
    ]
    assert [(one["line"], one["field"]) for one in found["problems"]] == [(10, "broken.sql")]


@pytest.mark.usefixtures("declared")
async def test_a_wrong_value_and_a_system_that_is_not_there_are_told(tenant: Tenant) -> None:
    wrong = await tenant.http.post("/api/v1/direct-calls/orders", json={"values": {"since": "soon"}})
    assert problem_of(wrong, 422)["errors"][0]["field"] == "values.since"
    problem = problem_of(await tenant.http.post("/api/v1/direct-calls/orders", json={}), 404)
    assert "shop-db" in problem["detail"]


def test_a_folder_is_checked_by_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "calls.yaml").write_text(CALLS, encoding="utf-8")
    told = CliRunner().invoke(commands(), ["direct-calls", "check", str(tmp_path)])
    assert told.exit_code == 1
    assert "calls.yaml, line 10: broken.sql" in told.output
    as_json = CliRunner().invoke(commands(), ["direct-calls", "check", str(tmp_path), "--json"])
    assert json.loads(as_json.output)["calls"] == 1

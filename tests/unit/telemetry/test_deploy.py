"""The dashboards and alert rules that ship: whole, and clean by Prometheus' own tool."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.prometheus import DEPLOY, promtool

DASHBOARDS = sorted((DEPLOY / "grafana").glob("*.json"))


def test_there_are_dashboards() -> None:
    assert {path.stem for path in DASHBOARDS} >= {"overview", "tasks", "processes"}
    uids = [json.loads(path.read_text())["uid"] for path in DASHBOARDS]
    assert len(set(uids)) == len(uids)


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_is_whole(path: Path) -> None:
    board: dict[str, Any] = json.loads(path.read_text())
    assert board["schemaVersion"] >= 36 and board["title"] and board["uid"]
    variables = {one["name"] for one in board["templating"]["list"]}
    taken: set[tuple[int, int]] = set()
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in board["panels"]:
        assert panel["title"] and panel["type"] in ("stat", "timeseries", "table")
        assert panel["targets"], panel["title"]
        for target in panel["targets"]:
            assert target["expr"] and target["refId"]
            for source in (panel["datasource"], target["datasource"]):
                assert source["type"] == "prometheus"
                assert source["uid"].strip("${}") in variables
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken and place["x"] + place["w"] <= 24, f"{panel['title']} lies upon another"
        taken |= cells


def test_promtool_takes_the_rules_and_the_example() -> None:
    folder = DEPLOY / "prometheus"
    rules = promtool("check", "rules", str(folder / "opsteward.rules.yml"))
    assert rules.returncode == 0, rules.stdout + rules.stderr
    config = promtool("check", "config", "--syntax-only", str(folder / "prometheus.yml"))
    assert config.returncode == 0, config.stdout + config.stderr


def test_promtool_refuses_a_bad_rule(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yml"
    bad.write_text("groups: [{name: a, rules: [{alert: B, expr: 'sum('}]}]")
    assert promtool("check", "rules", str(bad)).returncode != 0


def test_every_alert_says_what_it_means() -> None:
    (group,) = yaml.safe_load((DEPLOY / "prometheus" / "opsteward.rules.yml").read_text())["groups"]
    for rule in group["rules"]:
        assert rule["annotations"]["summary"] and rule["labels"]["severity"] in ("critical", "warning", "info")
        assert rule["for"]


def test_the_provisioning_examples_are_yaml() -> None:
    found = sorted((DEPLOY / "grafana" / "provisioning").rglob("*.yml"))
    assert len(found) == 2
    assert all(yaml.safe_load(path.read_text())["apiVersion"] == 1 for path in found)

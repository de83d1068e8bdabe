"""What real Sentry SDKs sent, recorded by evals/sentry_sdks/record.py: all of it is taken, and grouped right."""

from __future__ import annotations

import base64
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from support.instance import Instance, Tenant

RECORDED = sorted((Path(__file__).parents[2] / "evals" / "sentry_sdks" / "recorded").glob("*.json"))


async def replayed(instance: Instance, tenant: Tenant, recording: Path) -> list[dict[str, Any]]:
    """The events that are stored once all was sent again, with the key of a DSN of ours in the place of its own."""
    made = (await tenant.http.post("/api/v1/sentry-projects", json={"name": "shop"})).json()
    key = made["dsn"].split("//")[1].partition("@")[0]
    anybody = instance.client()
    for sent in json.loads(recording.read_text()):
        headers = {name: value.replace("a" * 32, key) for name, value in sent["headers"].items()}
        path = sent["path"].replace("1001", str(made["number"])).replace("a" * 32, key)
        answer = await anybody.post(path, content=base64.b64decode(sent["body"]), headers=headers)
        assert answer.status_code == 200, answer.text
    rows = instance.sql(
        "select fingerprint, message, error_type, stack_trace, context from opsteward.events where tenant_id = %s",
        tenant.id,
    )
    return [dict(zip(("fingerprint", "message", "error_type", "trace", "context"), r, strict=True)) for r in rows]


@pytest.mark.parametrize("recording", RECORDED, ids=lambda path: path.stem)
async def test_an_sdks_reports_are_kept_and_grouped(instance: Instance, tenant: Tenant, recording: Path) -> None:
    events = await replayed(instance, tenant, recording)
    assert len(events) >= 9
    of_kind: dict[str, set[str]] = defaultdict(set)
    kinds_of: dict[str, set[str]] = defaultdict(set)
    for event in events:
        kind = event["context"]["tags"]["kind"]
        of_kind[kind].add(event["fingerprint"])
        kinds_of[event["fingerprint"]].add(kind)
        assert event["context"]["event_id"]
        if "exception" in event["context"] and event["error_type"]:
            assert event["error_type"] in event["trace"] if event["trace"] else True
    split = {kind: len(found) for kind, found in of_kind.items() if len(found) > 1}
    merged = [sorted(kinds) for kinds in kinds_of.values() if len(kinds) > 1]
    assert (split, merged) == ({}, []), "one group for each kind"

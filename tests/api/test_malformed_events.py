"""Malformed rows among events: the bad are named by their row, the good are taken."""

from __future__ import annotations

import json

import pytest

from support.instance import Tenant
from support.malformed import JSON, broken_bodies
from support.problems import named_fields, problem_of

EVENTS = "/api/v1/events"


async def test_bad_lines_of_ndjson_are_rejected_by_row(tenant: Tenant) -> None:
    bad = list(broken_bodies().values())
    lines = [b'{"message": "first"}', *bad, b"", b'{"message": 5}', b'{"surprise": 1}', b'{"message": "last"}']
    body = b"\n".join(lines)
    for kind in ("application/x-ndjson", "application/jsonl"):
        answer = await tenant.http.post(EVENTS, content=body, headers={"Content-Type": kind})
        assert answer.status_code == 202, answer.text
        told = answer.json()
        assert told["accepted"] == len(told["events"]) == 2
        rows = {rejected["row"] for rejected in told["rejected"]}
        blank = sum(not line.strip() for line in bad)  # blank lines are no rows
        last = 1 + len(bad) - blank + 2
        assert rows == set(range(2, last + 1))
        assert all(rejected["field"] and rejected["reason"] for rejected in told["rejected"])
        fields = {rejected["field"] for rejected in told["rejected"] if rejected["row"] >= last - 1}
        assert fields == {"message", "surprise"}
    assert tenant.count("events") == 4


async def test_ndjson_without_a_good_line_is_refused(asker: Tenant) -> None:
    kind = {"Content-Type": "application/x-ndjson"}
    for body in (b"", b"\n\n\n", b"nonsense\n", b"[]\n1\nnull\n", b'{"message": "\\u0000"}\n'):
        assert named_fields(await asker.http.post(EVENTS, content=body, headers=kind))
        problem_of(await asker.http.post(EVENTS, content=body, headers=kind), 422)


async def test_a_batch_with_bad_rows_is_taken_but_for_those(tenant: Tenant) -> None:
    batch = [
        {"message": "good"},
        {"message": "bad", "severity": "purple"},
        "no object",
        {"message": "also good", "severity": "P1"},
        {"message": "x", "occurred_at": "2026-01-01T00:00:00"},
        {"message": "x", "occurred_at": "0001-01-01T00:00:00+14:00"},
        {"message": "x", "occurred_at": "9999-12-31T23:59:59-14:00"},
        {"message": "x", "occurred_at": 0},
    ]
    answer = await tenant.http.post(EVENTS, json=batch)
    assert answer.status_code == 202
    told = answer.json()
    assert told["accepted"] == 2
    assert [(rejected["row"], rejected["field"]) for rejected in told["rejected"]] == [
        (2, "severity"), (3, "body"), *((row, "occurred_at") for row in (5, 6, 7, 8)),
    ]  # fmt: skip
    assert tenant.count("events") == 2


async def test_a_batch_without_a_good_row_is_refused(asker: Tenant) -> None:
    problem_of(await asker.http.post(EVENTS, json=[]), 422)
    answer = await asker.http.post(EVENTS, json=[{"message": 1}, {"text": "x"}])
    problem_of(answer, 422)
    assert named_fields(answer) == {"1.message", "2.message", "2.text"}


@pytest.mark.parametrize("kind", [JSON, "application/x-ndjson"])
async def test_too_many_events_at_once_are_refused(asker: Tenant, kind: str) -> None:
    most = asker.instance.services.settings.api.max_events_per_request
    one = b'{"message": "x"}'
    body = b"[" + b",".join([one] * (most + 1)) + b"]" if kind == JSON else b"\n".join([one] * (most + 1))
    answer = await asker.http.post(EVENTS, content=body, headers={"Content-Type": kind})
    problem_of(answer, 422)
    assert named_fields(answer) == {"body"}


UNSTORABLE = {
    "NUL in a text": ({"message": "a\x00b"}, "message"),
    "NUL in a name": ({"message": "x", "context": {"a\x00": 1}}, "context"),
    "half a character": ({"message": "a\ud800"}, "message"),
    "half a character far inside": ({"message": "x", "context": {"a": [{"b": "\udfff"}]}}, "context.a.0.b"),
    "too deep": ({"message": "x", "context": {"a": json.loads("[" * 100 + "]" * 100)}}, None),
    "null": (None, "body"),
    "a list": ([[]], "body"),
}


@pytest.mark.parametrize("kind", [JSON, "application/x-ndjson"])
@pytest.mark.parametrize("name", UNSTORABLE)
async def test_a_row_that_cant_be_stored_takes_no_other_with_it(tenant: Tenant, kind: str, name: str) -> None:
    row, field = UNSTORABLE[name]
    rows = [{"message": "first"}, row, {"message": "last"}]
    body = json.dumps(rows) if kind == JSON else "\n".join(map(json.dumps, rows))
    answer = await tenant.http.post(EVENTS, content=body, headers={"Content-Type": kind})
    assert answer.status_code == 202, answer.text
    assert answer.json()["accepted"] == tenant.count("events") == 2
    assert {rejected["row"] for rejected in answer.json()["rejected"]} == {2}
    if field:
        assert answer.json()["rejected"][0]["field"] == field


async def test_an_array_that_is_no_json_is_refused_whole(asker: Tenant) -> None:
    for body in ('[{"message": "x"}', '[{"message": NaN}]', '[{"message": "x"}]]', "[" * 100_000, b"\xff[", "[] []"):
        answer = await asker.http.post(EVENTS, content=body, headers={"Content-Type": JSON})
        problem_of(answer, 400)

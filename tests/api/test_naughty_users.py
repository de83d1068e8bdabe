"""Over a thousand naughty strings in the text fields of a user: given back exactly, or refused by the field's name."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from support.instance import Tenant
from support.naughty import NAUGHTY
from support.problems import named_fields, why_no_problem

#: Fields that name nobody: each text goes into all of them at once.
FREE = ("full_name", "department", "external_id", "tags", "profile_data")


def _given(field: str, text: str) -> Any:
    given: dict[str, Any] = {"email": f"{text}@example.com", "tags": [text], "profile_data": {"said": text}}
    return given.get(field, text)


def _body(number: int, fields: tuple[str, ...], text: str) -> dict[str, Any]:
    body: dict[str, Any] = {"username": f"u{number}", "email": f"u{number}@example.com", "full_name": "N"}
    return body | {field: _given(field, text) for field in fields}


async def _register(tenant: Tenant, body: dict[str, Any]) -> httpx.Response:
    # half a surrogate pair can be sent as an escape only
    raw = json.dumps(body)
    return await tenant.http.post("/api/v1/users", content=raw, headers={"Content-Type": "application/json"})


@pytest.mark.slow(reason="sends each of five hundred strings")
async def test_it_is_kept_exactly_or_refused_where_nobody_is_named_by_it(tenant: Tenant) -> None:
    assert len(NAUGHTY) > 500
    kept, wrong = dict.fromkeys(FREE, 0), []
    for number, text in enumerate(NAUGHTY):
        fields = FREE
        answer = await _register(tenant, _body(number, fields, text))
        if answer.status_code != 201:
            if why := why_no_problem(answer):
                wrong.append(f"{text!r:.60}: {why}")
                continue
            refused = {name.partition(".")[0] for name in named_fields(answer)}
            if not refused & set(FREE):
                wrong.append(f"{text!r:.60} names {refused}")
            fields = tuple(field for field in FREE if field not in refused)
            answer = await _register(tenant, _body(number, fields, text))
        if answer.status_code != 201:
            wrong.append(f"{text!r:.60} in {fields}: {answer.text[:200]}")
            continue
        told = answer.json()
        for field in fields:
            kept[field] += 1
            if told[field] != _given(field, text):
                wrong.append(f"{text!r:.60} in {field} came back as {told[field]!r:.60}")
    assert wrong == []
    assert min(kept.values()) > 0.7 * len(NAUGHTY)


@pytest.mark.parametrize(("field", "at_least"), [("username", 0.7), ("email", 0.25), ("role", 0.7)])
async def test_it_is_kept_exactly_or_refused_as_a_name(tenant: Tenant, field: str, at_least: float) -> None:
    kept, wrong = 0, []
    asked = NAUGHTY[::2]
    assert len(asked) > 500
    for number, text in enumerate(asked):
        body = _body(number, (field,), text)
        answer = await _register(tenant, body)
        if answer.status_code == 201:
            if (told := answer.json()[field]) != body[field]:
                wrong.append(f"{text!r:.60} came back as {told!r:.60}")
            kept += 1
        elif answer.status_code == 409:  # folded, it is the name of an earlier one
            if field == "role":
                wrong.append(f"{text!r:.60}: {answer.text[:200]}")
        elif why := why_no_problem(answer):
            wrong.append(f"{text!r:.60}: {why}")
        elif not any(name.partition(".")[0] == field for name in named_fields(answer)):
            wrong.append(f"{text!r:.60} names {named_fields(answer)}")
    assert wrong == []
    assert kept >= len(asked) * at_least
    assert tenant.count("users") == kept

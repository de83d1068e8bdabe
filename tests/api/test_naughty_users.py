"""Over a thousand naughty strings in every text field of a user: given back exactly, or refused by the field's name."""

from __future__ import annotations

from typing import Any

import pytest

from support.instance import Tenant
from support.naughty import NAUGHTY
from support.problems import named_fields, why_no_problem

FIELDS = ("username", "email", "full_name", "department", "role", "external_id", "tags", "profile_data")


def _body(number: int, field: str, text: str) -> dict[str, Any]:
    body: dict[str, Any] = {"username": f"u{number}", "email": f"u{number}@example.com", "full_name": "N"}
    given: dict[str, Any] = {"email": f"{text}@example.com", "tags": [text], "profile_data": {"said": text}}
    return {**body, field: given.get(field, text)}


def _sendable(text: str) -> bool:
    return not any("\ud800" <= one <= "\udfff" for one in text)


@pytest.mark.parametrize("field", FIELDS)
async def test_it_is_kept_exactly_or_refused_by_name(tenant: Tenant, field: str) -> None:
    assert len(NAUGHTY) > 500
    kept, wrong = 0, []
    asked = NAUGHTY if field in ("username", "full_name") else NAUGHTY[::7]
    for number, text in enumerate(asked):
        body = _body(number, field, text)
        if _sendable(text):
            answer = await tenant.http.post("/api/v1/users", json=body)
        else:  # as an escape: bytes of it are no UTF-8
            raw = str(body).encode("ascii", "backslashreplace").replace(b"'", b'"')
            answer = await tenant.http.post("/api/v1/users", content=raw, headers={"Content-Type": "application/json"})
        if answer.status_code == 201:
            if (told := answer.json()[field]) != body[field]:  # read back from the database
                wrong.append(f"{text!r:.60} came back as {told!r:.60}")
            kept += 1
        elif answer.status_code == 409:  # folded, it is the name of an earlier one
            if field not in ("username", "email"):
                wrong.append(f"{text!r:.60}: {answer.text[:200]}")
        elif why := why_no_problem(answer):
            wrong.append(f"{text!r:.60}: {why}")
        elif not any(name.partition(".")[0] == field for name in named_fields(answer)):
            wrong.append(f"{text!r:.60} names {named_fields(answer)}")
    assert wrong == []
    assert kept >= len(asked) * (0.25 if field == "email" else 0.7)
    assert tenant.count("users") == kept

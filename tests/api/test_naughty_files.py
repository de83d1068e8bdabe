"""Over a thousand naughty strings in files: kept exactly, or refused by the field's name, and exported as kept."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pytest

from support.instance import Tenant
from support.naughty import NAUGHTY

#: Only JSON, by its escapes, can hold lone surrogates.
SENDABLE = [text for text in NAUGHTY if not any("\ud800" <= one <= "\udfff" for one in text)]
FIELDS = ("full_name", "department", "external_id")
KINDS = {"csv": "text/csv", "ndjson": "application/x-ndjson", "ldif": "text/ldif"}
TAKEN_OFF = "had spaces around it, which were taken off"
NOTHING = "holds nothing but spaces: read as none"


def row(number: int, text: str) -> dict[str, Any]:
    named = {"username": f"u{number}", "email": f"u{number}@example.com"}
    return named | dict.fromkeys(FIELDS, text) | {"tags": [text], "profile_data": {"said": text}}


def as_ndjson(rows: list[dict[str, Any]]) -> bytes:
    return "\n".join(json.dumps(one) for one in rows).encode()


def as_csv(rows: list[dict[str, Any]]) -> bytes:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, quoting=csv.QUOTE_ALL)
    writer.writerow(rows[0])
    writer.writerows([cell if isinstance(cell, str) else json.dumps(cell) for cell in one.values()] for one in rows)
    return buffer.getvalue().encode()


def as_ldif(rows: list[dict[str, Any]]) -> bytes:
    names = {"username": "uid", "email": "mail", "full_name": "cn", "department": "departmentNumber",
             "external_id": "employeeNumber", "profile_data": "opstewardProfileData"}  # fmt: skip
    entries = []
    for one in rows:
        values = [("dn", f"uid={one['username']}")]
        values += [(names[key], value) for key, value in one.items() if key != "tags"]
        values.append(("opstewardTag", one["tags"][0]))
        told = [(name, value if isinstance(value, str) else json.dumps(value)) for name, value in values]
        lines = [f"{name}:: {base64.b64encode(value.encode()).decode()}" for name, value in told]
        entries.append("\n".join(lines))
    return ("version: 1\n\n" + "\n\n".join(entries) + "\n").encode()


FORMS: dict[str, Callable[[list[dict[str, Any]]], bytes]] = {"csv": as_csv, "ndjson": as_ndjson, "ldif": as_ldif}


async def import_of(tenant: Tenant, content: bytes, file_format: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """(the report, all its problems); done here where it is too large for the request."""
    answer = await tenant.http.post(
        "/api/v1/users/bulk-import", content=content, headers={"Content-Type": KINDS[file_format]}
    )
    assert answer.status_code in (200, 202), answer.text
    path = f"/api/v1/users/imports/{answer.json()['job_id']}"
    services = tenant.instance.services
    job_id = answer.json()["job_id"]
    await services.imports.run(services.app, tenant_id=tenant.id, job_id=job_id, progress=lambda *_: None)
    told = (await tenant.http.get(f"{path}/errors", params={"format": "ndjson"})).text
    return (await tenant.http.get(path)).json(), [json.loads(line) for line in told.split("\n") if line]


async def exported(tenant: Tenant, file_format: str) -> bytes:
    return (await tenant.http.get("/api/v1/users/export", params={"format": file_format})).content


def by_name(content: bytes) -> dict[str, dict[str, Any]]:
    return {one["username"]: one for one in (json.loads(line) for line in content.decode().split("\n") if line)}


@pytest.mark.parametrize("file_format", KINDS)
async def test_each_is_kept_exactly_or_refused_by_name(tenant: Tenant, other_tenant: Tenant, file_format: str) -> None:
    strings = NAUGHTY if file_format == "ndjson" else SENDABLE
    assert len(strings) > 1000
    rows = [row(number, text) for number, text in enumerate(strings)]
    report, problems = await import_of(tenant, FORMS[file_format](rows), file_format)
    assert report["rows"] == len(rows), report
    said: dict[int, dict[str, str]] = {}
    for one in problems:
        said.setdefault(one["row"], {})[one["field"]] = one["reason"]
    kept = by_name(await exported(tenant, "ndjson"))
    assert len(kept) == report["created"] > 700
    wrong = []
    for number, sent in enumerate(rows, start=1):
        stored, told = kept.get(sent["username"]), said.get(number, {})
        if stored is None:
            if not set(told) & {*FIELDS, "tags", "profile_data"}:
                wrong.append(f"row {number} {strings[number - 1]!r} is refused by {told}")
            continue
        wrong += [f"row {number} {why}" for why in _differences(sent, stored, told, file_format)]
    assert wrong == []

    # what is kept goes out, and comes in again, as it is
    _, problems = await import_of(other_tenant, await exported(tenant, file_format), file_format)
    assert problems == []
    assert by_name(await exported(other_tenant, "ndjson")) == kept


@pytest.mark.parametrize("file_format", KINDS)
async def test_so_are_usernames(tenant: Tenant, other_tenant: Tenant, file_format: str) -> None:
    strings = NAUGHTY if file_format == "ndjson" else SENDABLE
    rows = [row(number, "plain") | {"username": text} for number, text in enumerate(strings)]
    _, problems = await import_of(tenant, FORMS[file_format](rows), file_format)
    kept = by_name(await exported(tenant, "ndjson"))
    told = {one["row"]: one["reason"] for one in problems if one["field"] == "username"}
    trimmed = {text.strip() for number, text in enumerate(strings, start=1) if told.get(number) == TAKEN_OFF}
    lost = [text for number, text in enumerate(strings, start=1) if text not in kept and number not in told]
    assert lost == []
    assert set(kept) <= {*strings, *trimmed}
    assert len(kept) > 700
    await import_of(other_tenant, await exported(tenant, file_format), file_format)
    assert by_name(await exported(other_tenant, "ndjson")) == kept


def _differences(sent: dict[str, Any], stored: dict[str, Any], told: dict[str, str], file_format: str) -> list[str]:
    found = []
    for field in (*FIELDS, "tags", "profile_data"):
        was, now = sent[field], stored.get(field)
        if (field == "full_name" and was == "") or was == now:
            continue
        if was == "" and now is None:
            continue
        if told.get(field) == TAKEN_OFF and was.strip() == now:
            continue
        if told.get(field) == NOTHING and not was.strip() and now is None:
            continue
        found.append(f"{field} {was!r} came back as {now!r}, told {told}")
    return found

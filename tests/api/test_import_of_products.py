"""Files of people as products write them, over the API and by a job: what is looked up in the whole file, what is found
at depth, and what nobody may guess."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from opsteward import Opsteward
from support.instance import Tenant
from support.live import Live
from support.problems import problem_of

URL = "/api/v1/users/bulk-import"
#: More than what is done within the request, and than one part of a stored file.
MANY = 40_000


def test_a_job_learns_the_order_of_dates_from_its_last_row(live: Live, tmp_path: Path) -> None:
    owner = live.tenant(f"products-{uuid4().hex[:10]}").owner
    file = tmp_path / "staff.csv"
    rows = [f"u{n},u{n}@example.com,N {n},{'03/04/2031' if n % 1000 == 0 else ''}\n" for n in range(MANY)]
    file.write_text("username,email,full_name,End date\n" + "".join(rows) + "z,z@example.com,Z,31/03/2031\n")
    with Opsteward(owner.url, owner.token) as ops:
        report = ops.bulk_user_import(file)
        assert (report["successful_imports"], report["failed_imports"]) == (MANY + 1, 0), report["errors"][:3]
        written = ops.export_users(tmp_path / "all.csv").read_text()
    ends = {line.split("2031-")[1][:5] for line in written.splitlines() if "2031-" in line}
    assert ends == {"04-03", "03-31"}
    with pytest.raises(ValueError, match="not written as xml"), Opsteward(owner.url, owner.token) as ops:
        ops.export_users(tmp_path / "all.xml")


async def sent(tenant: Tenant, value: object, kind: str = "application/json") -> Any:
    content = value if isinstance(value, str) else json.dumps(value)
    return await tenant.http.post(URL, content=content.encode(), headers={"Content-Type": kind})


ADA = {"login": "ada", "mail": "ada@c.test", "displayName": "Ada L", "enabled": False}


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ({"users": [ADA]}, "application/json"),
        ({"users": {"edges": [{"node": ADA}]}}, "application/json"),
        ({"result": {"result": [{name: [one] for name, one in ADA.items()}]}, "error": None}, "application/json"),
        ({"ada": {**ADA, "groups": ["a"]}}, "application/json"),
        ([{"users": [ADA]}, {"users": []}], "application/json"),
        ("<r><user login='ada'><mail>ada@c.test</mail><displayName>Ada L</displayName><enabled>0</enabled></user></r>",
         "application/xml"),
    ],
)  # fmt: skip
async def test_people_are_found_wherever_they_are(tenant: Tenant, value: object, kind: str) -> None:
    answer = await sent(tenant, value, kind)
    assert answer.status_code == 200, answer.text
    [user] = (await tenant.http.get("/api/v1/users")).json()["items"]
    assert (user["username"], user["email"], user["status"]) == ("ada", "ada@c.test", "inactive")


async def test_an_address_book_is_taken(tenant: Tenant) -> None:
    answer = await sent(tenant, "BEGIN:VCARD\nFN:Ada L\nEMAIL:ada@c.test\nEND:VCARD\n", "text/vcard")
    assert answer.json()["successful_imports"] == 1, answer.text


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"data": {"users": [ADA], "admins": [ADA]}}, "several lists of people: data.users (1), data.admins (1)"),
        ({"removedUsers": [ADA]}, "no list of users but removedUsers"),
        ([{"users": [ADA], "members": [ADA]}], "several lists of people"),
    ],
)
async def test_what_nobody_may_guess_is_refused_with_a_remedy(tenant: Tenant, value: object, says: str) -> None:
    problem = problem_of(await sent(tenant, value), 422 if isinstance(value, dict) else 400)
    assert says in json.dumps(problem) and "send the" in json.dumps(problem)
    assert (await tenant.http.get("/api/v1/users")).json()["items"] == []


async def test_our_own_interface_stays_strict(tenant: Tenant) -> None:
    answer = await sent(tenant, {"users": [{"username": "a", "email": "a@c.test", "full_name": "A", "shoe_size": 43}]})
    assert "is no field" in answer.text

"""Files of directories and other systems over the API: managers by distinguished name, disabled accounts, and JSON in
every encoding and form."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from support.instance import Tenant
from support.problems import problem_of

URL = "/api/v1/users/bulk-import"


async def send(tenant: Tenant, content: str | bytes, kind: str = "text/ldif", **query: Any) -> httpx.Response:
    data = content.encode() if isinstance(content, str) else content
    return await tenant.http.post(URL, content=data, headers={"Content-Type": kind}, params=query)


async def taken(tenant: Tenant, content: str | bytes, kind: str = "text/ldif", **query: Any) -> dict[str, Any]:
    answer = await send(tenant, content, kind, **query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def managers(tenant: Tenant) -> dict[str, str | None]:
    items = (await tenant.http.get("/api/v1/users", params={"limit": 200})).json()["items"]
    names = {one["id"]: one["username"] for one in items}
    return {one["username"]: names.get(one["manager_id"]) for one in items}


def entry(dn: str, login: str, *lines: str) -> str:
    own = (f"dn: {dn}", f"cn: {login}", f"sAMAccountName: {login}", f"mail: {login}@corp.test", *lines)
    return "\n".join(own) + "\n\n"


KIM, ADA = "CN=Muster Kim,OU=People,DC=corp,DC=test", "CN=Boss Ada,OU=People,DC=corp,DC=test"


@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize("order", [1, -1])
async def test_a_manager_is_found_by_dn_before_or_after(tenant: Tenant, order: int, dry_run: bool) -> None:
    parts = [
        entry(KIM, "km", "manager: cn=boss ada, ou=people,dc=CORP,dc=test"),
        entry(ADA, "ba"),
        entry("CN=Lang\\, Li+UID=li,OU=People,DC=corp,DC=test", "li", f"manager: {KIM}"),
        entry("CN=Ö,OU=People,DC=corp,DC=test", "oe",
              "manager: UID=LI+CN=Lang\\2C Li,OU=People,DC=corp,DC=test"),
        entry("CN=no,DC=corp,DC=test", "no", "manager: CN=Boss Ada,OU=Other,DC=corp,DC=test"),
    ]  # fmt: skip
    report = await taken(tenant, "".join(parts[::order]), dry_run=dry_run)
    row = 5 if order == 1 else 1
    assert [(one["row"], one["field"], one["value"][:11]) for one in report["warnings"]] == [
        (row, "manager", "cn=boss ada")
    ]
    if not dry_run:
        assert await managers(tenant) == {"km": "ba", "ba": None, "li": "km", "oe": "li", "no": None}


async def test_a_manager_is_found_by_dn_in_the_directory(tenant: Tenant) -> None:
    await taken(tenant, entry(ADA, "ba"))
    await taken(tenant, entry(KIM, "km", f"manager: {ADA}"))
    assert await managers(tenant) == {"km": "ba", "ba": None}
    # another user takes the place of the one who had the name
    await taken(tenant, entry(ADA, "ada2"))
    await taken(tenant, entry("CN=New,DC=corp,DC=test", "new", f"manager: {ADA}"))
    assert (await managers(tenant))["new"] == "ada2"


async def test_nobody_is_found_by_taking_a_dn_apart(tenant: Tenant, other_tenant: Tenant) -> None:
    await taken(tenant, entry("uid=ada,ou=one,dc=c", "ada"))
    await taken(tenant, entry("uid=kim,ou=one,dc=c", "kim", "manager: uid=ada,ou=other,dc=c"))
    assert (await managers(tenant))["kim"] is None, "another one of the same uid elsewhere"
    await taken(other_tenant, entry("uid=kim,ou=one,dc=c", "kim", "manager: uid=ada,ou=one,dc=c"))
    assert (await managers(other_tenant))["kim"] is None, "another tenant's directory"


async def test_managers_are_found_across_the_pieces_of_a_long_file(tenant: Tenant) -> None:
    count = 1200
    parts = [
        entry(f"CN=User {n},OU=P,DC=c", f"u{n}", f"manager: cn=user {count - 1 - n},ou=p,dc=c", f"info: {'x' * 2000}")
        for n in range(count)
    ]
    answer = await send(tenant, "".join(parts))
    assert answer.status_code == 202, answer.text
    job_id, services = answer.json()["job_id"], tenant.instance.services
    await services.imports.run(services.app, tenant_id=tenant.id, job_id=job_id, progress=lambda *_: None)
    report = (await tenant.http.get(f"/api/v1/users/imports/{job_id}")).json()
    assert (report["created"], report["warnings"]) == (count, [])
    page = (await tenant.http.get("/api/v1/users", params={"search": "u17", "limit": 200})).json()["items"]
    assert all(one["manager_id"] is not None for one in page)


async def test_csv_of_a_directory_names_managers_by_dn_too(tenant: Tenant) -> None:
    text = (
        '"DistinguishedName","Enabled","Name","SamAccountName","mail","Manager"\n'
        f'"{KIM}","True","Kim","km","km@c.test","{ADA}"\n"{ADA}","False","Ada","ba","ba@c.test",""\n'
    )
    report = await taken(tenant, text, "text/csv")
    assert report["warnings"] == []
    assert await managers(tenant) == {"km": "ba", "ba": None}


@pytest.mark.parametrize("dry_run", [True, False])
async def test_a_manager_is_found_by_the_number_in_the_file(tenant: Tenant, dry_run: bool) -> None:
    """The file's own number first; of who is in no row of it the personnel number, if one user alone has it."""
    staff = "Employee ID,Username,Email,Name\nE7,eve,eve@c.test,Eve\nX,xa,xa@c.test,A\nX,xb,xb@c.test,B\n"
    await taken(tenant, staff, "text/csv")
    text = (
        "ID,Username,Email,Name,Manager ID\n2,bo,bo@c.test,Bo,1\n1,ada,ada@c.test,Ada,e7\n"
        "3,cy,cy@c.test,Cy,9\n4,di,di@c.test,Di,X\n5,ed,ed@c.test,Ed,NO_MANAGER\n"
    )
    report = await taken(tenant, text, "text/csv", dry_run=dry_run)
    told = {(one["field"], one["reason"], one["value"]) for one in report["warnings"]}
    nobody = "names nobody here: left as it was"
    assert (report["failed_imports"], told) == (0, {("manager", nobody, "9"), ("manager", nobody, "x")})
    if not dry_run:
        found = await managers(tenant)
        assert [found[name] for name in ("bo", "ada", "cy", "di", "ed")] == ["ada", "eve", None, None, None]


@pytest.mark.parametrize("says", [
    "userAccountControl: 514", "userAccountControl: 66050", "msDS-UserAccountDisabled: TRUE", "nsAccountLock: true",
    "pwdAccountLockedTime: 000001010000Z", "accountStatus: disabled",
])  # fmt: skip
async def test_a_disabled_account_has_no_access(tenant: Tenant, says: str) -> None:
    await taken(tenant, entry("CN=A,DC=c", "was"), mode="upsert")
    report = await taken(tenant, entry("CN=A,DC=c", "was", says) + entry("CN=G,DC=c", "gone", says), mode="upsert")
    assert (report["created"], report["changed"]) == (1, 1)
    items = (await tenant.http.get("/api/v1/users")).json()["items"]
    assert {one["username"]: (one["status"], one["permissions"], one["system_access"]) for one in items} == {
        "gone": ("inactive", [], []), "was": ("inactive", [], []),
    }  # fmt: skip
    # who is enabled again comes back on purpose alone
    again = await taken(tenant, entry("CN=G,DC=c", "gone", "userAccountControl: 512"), mode="upsert")
    assert (again["changed"], [one["field"] for one in again["warnings"]]) == (0, ["status"])


async def test_every_record_is_counted(tenant: Tenant) -> None:
    text = (
        "version: 1\n\n" + entry("CN=A,DC=c", "ada") + "dn: OU=P,DC=c\nobjectClass: organizationalUnit\nou: P\n\n"
        "dn: CN=B,DC=c\nchangetype: delete\n\n# search result\nsearch: 2\nresult: 0 Success\n"
    )
    report = await taken(tenant, text)
    assert (report["rows"], report["successful_imports"], report["failed_imports"], report["skipped"]) == (3, 1, 1, 1)
    assert [(one["row"], one["reason"]) for one in report["warnings"]] == [
        (2, "is no person (organizationalunit): left out")
    ]


async def test_nobody_leaves_by_a_search_that_broke_off(tenant: Tenant) -> None:
    people = [entry(f"CN=U{n},DC=c", f"u{n}") for n in range(40)]
    await taken(tenant, "".join(people))
    report = await taken(tenant, "".join(people[:39]) + "search: 2\nresult: 4 Size limit exceeded\n", mode="full")
    assert (report["left"], report["failed_imports"]) == (0, 1)
    assert "broke off" in report["errors"][1]["reason"]


USER = {"username": "be", "email": "be@corp.test", "full_name": "Be Öne"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("form", ["array", "order", "lines", "page"])
async def test_json_is_taken_in_every_encoding_and_form(tenant: Tenant, encoding: str, form: str) -> None:
    other = USER | {"username": "ce", "email": "ce@corp.test"}
    forms = {
        "array": f"\r\n {json.dumps([USER, other], ensure_ascii=False)}",
        "order": json.dumps({"users": [USER, other], "mode": "upsert"}, ensure_ascii=False),
        "lines": "\n".join(json.dumps(one, ensure_ascii=False) for one in (USER, other)),
        "page": json.dumps({"@odata.context": "x", "value": [USER, other]}, ensure_ascii=False),
    }
    report = await taken(tenant, forms[form].encode(encoding), "application/json")
    assert report["created"] == 2
    assert report["mode"] == ("upsert" if form == "order" else "create")
    exported = (await tenant.http.get("/api/v1/users/export", params={"format": "json"})).json()
    assert [one["full_name"] for one in exported] == ["Be Öne", "Be Öne"]


async def test_an_order_stays_strict_and_a_file_is_not(tenant: Tenant) -> None:
    odd = USER | {"shoe_size": 43}
    strict = await send(tenant, json.dumps({"users": [odd, USER]}), "application/json")
    assert [(one["row"], one["field"]) for one in strict.json()["errors"]] == [(1, "shoe_size")]
    problem_of(await send(tenant, json.dumps({"users": [USER], "dryrun": True}), "application/json"), 422)
    report = await taken(tenant, json.dumps([odd | {"username": "ce", "email": "ce@c.test"}]), "application/json")
    assert report["created"] == 1
    assert any("shoe_size" in note for note in report["notes"])

"""Users by the file over the API: taken, refused row by row, done again without effect, exported and taken back."""

from __future__ import annotations

import csv
import io
import json

import pytest

from support.instance import Tenant
from support.problems import problem_of
from support.user_imports import person, problems, send, send_file, users_of

TABLES = ("users", "enrollments", "user_changes", "audit_entries", "changes")


async def test_good_rows_are_users_with_access_and_bad_ones_are_told(tenant: Tenant) -> None:
    report = await send(tenant, [
        person("ada", department="R&D", tags=["x", 'quo"te\\'], profile_data={"team": "a\\b"}),
        person("bob", role="contractor"),
        person("ADA", email="other@example.com"),
        person("eve", email="nobody"),
        person("mia", email="ada@EXAMPLE.com"),
        person("kim", surprise=1),
        "no object",
        person("zoe", role="premium_user", manager="ada"),
    ])  # fmt: skip
    assert (report["successful_imports"], report["failed_imports"]) == (3, 5)
    assert problems(report) == [(3, "username"), (4, "email"), (5, "email"), (6, "surprise"), (7, "row")]
    assert report["errors"][0]["reason"] == "is the same as in row 1"
    assert len(report["user_ids"]) == 3
    found = await users_of(tenant)
    assert set(found) == {"ada", "bob", "zoe"}
    ada = found["ada"]
    assert (ada["status"], ada["permissions"], ada["system_access"]) == (
        "active", ["read_basic", "write_basic"], ["main_app"],
    )  # fmt: skip
    assert (ada["tags"], ada["profile_data"], ada["source"]) == (["x", 'quo"te\\'], {"team": "a\\b"}, "import")
    assert (found["bob"]["status"], found["bob"]["permissions"]) == ("pending", [])
    assert found["zoe"]["manager_id"] == ada["id"]
    waiting = (await tenant.http.get("/api/v1/enrollments?status=pending_manual_review")).json()["items"]
    assert [(one["username"], [stage["name"] for stage in one["stages"]]) for one in waiting] == [
        ("bob", ["background_check", "review"])
    ]
    approved = (await tenant.http.get("/api/v1/enrollments", params={"user_id": ada["id"]})).json()["items"]
    assert [(one["status"], one["automatic"], one["approver"]) for one in approved] == [("approved", True, "rules")]


async def test_the_same_again_is_the_same_job_until_something_changes(tenant: Tenant) -> None:
    rows = [person("ada"), person("bob")]
    first = await send(tenant, rows)
    before = [tenant.count(table) for table in TABLES]
    assert (await send(tenant, rows))["job_id"] == first["job_id"]
    assert [tenant.count(table) for table in TABLES] == before
    other = await send(tenant, rows, mode="upsert")
    assert other["job_id"] != first["job_id"]
    assert (other["unchanged"], other["changed"], other["created"]) == (2, 0, 0)
    changed = await tenant.http.put(f"/api/v1/users/{first['user_ids'][0]}", json={"full_name": "Other"})
    assert changed.status_code == 200
    again = await send(tenant, rows, mode="upsert")
    assert (again["unchanged"], again["changed"]) == (1, 1)
    refused = await send(tenant, rows)
    assert [one["reason"] for one in refused["errors"]] == ["is taken", "is taken"]
    guest = [person("eve", enrollment_type="guest")]
    assert problems(await send(tenant, guest)) == [(1, "enrollment_type")]
    await tenant.http.put("/api/v1/enrollment-rules", json={"rules": {"guest": {"auto_approve": True}}})
    assert (await send(tenant, guest))["created"] == 1


async def test_an_upsert_moves_who_moved_and_leaves_the_rest(tenant: Tenant) -> None:
    await send(tenant, [person("ada", role="premium_user", department="A"), person("bob"), person("kim")])
    report = await send(tenant, [
        person("ada", role="admin"), person("bob", department="B", tags=["t"]), person("kim"), person("new"),
        person("BOB", email="bob2@example.com"),
    ], mode="upsert")  # fmt: skip
    assert [report[k] for k in ("created", "changed", "unchanged", "failed_imports")] == [1, 2, 1, 1]
    found = await users_of(tenant)
    ada = found["ada"]
    assert (ada["role"], ada["department"], ada["permissions"]) == ("admin", "A", ["read_basic", "write_basic"])
    (line,) = (await tenant.http.get(f"/api/v1/users/{ada['id']}/history")).json()["items"]
    assert (line["what"], line["reason"], line["fields"]["role"]) == ("moved", "import", ["premium_user", "admin"])
    assert line["fields"]["permissions"][1] == ["read_basic", "write_basic"]
    (line,) = (await tenant.http.get(f"/api/v1/users/{found['bob']['id']}/history")).json()["items"]
    assert line["fields"] == {"department": [None, "B"], "tags": [[], ["t"]]}
    assert found["kim"]["version"] == 1
    waiting = (await tenant.http.get("/api/v1/enrollments?status=pending_manual_review")).json()["items"]
    assert [(one["username"], one["enrollment_type"]) for one in waiting] == [("ada", "admin")]


async def test_a_dry_run_shows_everything_and_changes_nothing(tenant: Tenant) -> None:
    await send(tenant, [person("ada"), person("bob"), person("kim"), *(person(f"u{n}") for n in range(40))])
    kept = [person("ada", department="New"), person("bob"), *(person(f"u{n}") for n in range(40)), person("zoe")]
    before = [tenant.count(table) for table in TABLES[:3]]
    versions = await users_of(tenant)
    report = await send(tenant, kept, mode="full", dry_run=True)
    assert [report[k] for k in ("created", "changed", "unchanged", "left")] == [1, 1, 41, 1]
    assert report["diff"]["created"] == [{"row": 43, "username": "zoe", "role": "standard_user"}]
    assert report["diff"]["changed"] == [{"row": 1, "username": "ada", "fields": {"department": [None, "New"]}}]
    assert report["diff"]["left"] == [{"username": "kim"}]
    assert [tenant.count(table) for table in TABLES[:3]] == before
    assert await users_of(tenant) == versions
    real = await send(tenant, kept, mode="full")
    assert [real[k] for k in ("created", "changed", "unchanged", "left")] == [1, 1, 41, 1]
    gone = (await users_of(tenant))["kim"]
    assert (gone["status"], gone["permissions"], gone["system_access"]) == ("inactive", [], [])
    assert gone["deactivated_at"] is not None


async def test_a_full_import_makes_few_leave_never_many_and_never_all(tenant: Tenant) -> None:
    await send(tenant, [person(f"u{n}") for n in range(20)])
    report = await send(tenant, [person(f"u{n}") for n in range(10)], mode="full")
    assert (report["left"], problems(report)) == (0, [(0, "mode")])
    assert "10 of 20 users" in report["errors"][0]["reason"]
    again = await send(tenant, [person(f"u{n}") for n in range(10)], mode="full")
    assert again["job_id"] != report["job_id"], "refused by the guard, it may be allowed the next time"
    report = await send(tenant, [person("somebody-else")], mode="full")
    assert report["left"] == 0
    # a row that is refused names a user who is there all the same
    rows = [person(f"u{n}") for n in range(20)] + [person("somebody-else", email="bad")]
    assert (await send(tenant, rows, mode="full"))["left"] == 0
    assert {one["status"] for one in (await users_of(tenant)).values()} == {"active"}


async def test_a_german_export_with_all_its_dirt(tenant: Tenant) -> None:
    text = (
        "sep=;\r\n"
        "Mitarbeiter-ID;Benutzername;E-Mail;Vorname;Nachname;Abteilung ;Vorgesetzter;Austrittsdatum;Gehaltsgruppe\r\n"
        '="00123";mueller;mueller@example.com;Jürgen;Müller;Einkauf; ;31.12.2031;A1\r\n'
        "124;maier ;maier@example.com;Eva;Maier;;mueller;2031-12-31;A2\r\n"
        "125;mueller;m2@example.com;Max;Müller;;;;\r\n"
        "126;huber;huber@example.com;Uwe;Huber;;nobody;03/04/2031;\r\n"
        "127;short;row\r\n"
        ";;;;;;;;\r\n"
        '128;lang;lang@example.com;Udo;"Lang; jun.";;mueller;;\r\n'
    )
    answer = await send_file(tenant, text.encode("cp1252"))
    assert answer.status_code == 200, answer.text
    report = answer.json()
    assert problems(report) == [(3, "username"), (4, "expires_at"), (5, "row")]
    assert [one["line"] for one in report["errors"]] == [5, 6, 7]
    assert problems(report, "warnings") == [
        (1, "external_id"), (1, "expires_at"), (1, "manager"), (2, "username"), (2, "expires_at"),
    ]  # fmt: skip
    assert any("Windows-1252" in note for note in report["notes"])
    assert any("Gehaltsgruppe" in note for note in report["notes"])
    found = await users_of(tenant)
    assert set(found) == {"mueller", "maier", "lang"}
    first = found["mueller"]
    assert (first["full_name"], first["external_id"], first["manager_id"]) == ("Jürgen Müller", "00123", None)
    assert first["expires_at"] == "2031-12-31T00:00:00Z"
    assert found["lang"]["full_name"] == "Udo Lang; jun."
    assert found["lang"]["manager_id"] == found["maier"]["manager_id"] == first["id"]


async def test_columns_are_mapped_and_look_alikes_are_told(tenant: Tenant) -> None:
    text = "Kürzel,Mail,Name,Name 2,Е-Mail\nada,ada@example.com,Ada,Two,x\n"
    mapping = json.dumps({"Kürzel": "username", "Name": "full_name", "Name 2": "profile_data.second"})
    report = (await send_file(tenant, text, mapping=mapping)).json()
    assert report["successful_imports"] == 1, report
    assert (await users_of(tenant))["ada"]["profile_data"] == {"second": "Two"}
    assert any("letters of another script" in note for note in report["notes"])
    twice = await send_file(tenant, "username,E-Mail,email,full name\na,b,c,d\n")
    assert "both mean email" in problem_of(twice, 400)["detail"]


@pytest.mark.parametrize(("content", "kind"), [
    # an identity provider's export names the row and the sign-in "user id" and "login"
    ("User ID,Login,First name,Last name,Primary email,Status\n00u1,ada,Ada,L,ada@example.com,ACTIVE\n", "text/csv"),
    # an HR export has the name in one column, and no username
    ('"Employee #","Last Name, First Name","Work Email"\n"1","L, Ada","ada@example.com"\n', "text/csv"),
    # a realm's export has the users amid everything else
    ('{"realm": "acme", "groups": [], "users": [{"username": "ada", "email": "ada@example.com", "firstName": "Ada",'
     ' "lastName": "L", "enabled": true}]}', "application/json"),
    # a page of an interface, with its own paging
    ('{"users": [{"login": "ada", "email": "ada@example.com", "name": "Ada L"}], "limit": 25, "more": false}',
     "application/json"),
    # a directory in the cloud knows people without a mailbox
    ('{"value": [{"userPrincipalName": "ada@example.com", "displayName": "Ada L", "mail": null}]}', "application/json"),
])  # fmt: skip
async def test_exports_of_other_products_are_read_as_they_are(tenant: Tenant, content: str, kind: str) -> None:
    answer = await send_file(tenant, content, kind)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["successful_imports"], answer.json()["failed_imports"]) == (1, 0), answer.json()
    assert [one["email"] for one in (await users_of(tenant)).values()] == ["ada@example.com"]


HOSTILE = [
    "=cmd|' /C calc'!A0", "+1", "-1+1", "@SUM(A1)", "'quoted", "''", "a\\b\\N", "\\.", '"x"', "a,b;c\t".strip(),
    "Ä Ö ß 😀", "{a,b}", "O'Neil; drop table users", "<script>alert(1)</script>", "{{7*7}}", "${x}", "null", "\\",
]  # fmt: skip


@pytest.mark.parametrize("file_format", ["csv", "ndjson", "json", "ldif"])
async def test_an_export_is_taken_back_without_loss(tenant: Tenant, other_tenant: Tenant, file_format: str) -> None:
    rows = [
        person(f"u{n}", full_name=text, department=text, external_id=text, tags=[text, "t,2"],
               profile_data={"note": text, "n": [1, None]}, manager="u0" if n else None)
        for n, text in enumerate(HOSTILE)
    ]  # fmt: skip
    rows.append(person("=1+1", role="contractor", expires_at="2031-01-02T03:04:05+00:00"))
    rows.append(person("gone, you", email="gone@example.com", status="inactive"))
    report = await send(tenant, rows)
    assert report["failed_imports"] == 0, report["errors"]
    exported = await tenant.http.get("/api/v1/users/export", params={"format": file_format})
    assert exported.status_code == 200
    if file_format == "csv":
        for row in csv.reader(io.StringIO(exported.text)):
            assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in row)
    kind = exported.headers["content-type"]
    back = await send_file(other_tenant, exported.content, kind)
    assert back.json()["failed_imports"] == 0, back.json()["errors"]
    assert back.json()["warnings"] == []
    one, other = await users_of(tenant), await users_of(other_tenant)
    assert one.keys() == other.keys()
    boss = {found["id"]: name for found in (one | other).values() for name in [found["username"]]}
    boss |= {found["id"]: found["username"] for found in one.values()}
    same = ("email", "full_name", "status", "role", "department", "external_id", "tags", "profile_data",
            "expires_at", "permissions", "system_access")  # fmt: skip
    for name, found in one.items():
        assert {key: found[key] for key in same} == {key: other[name][key] for key in same}
        assert boss.get(found["manager_id"]) == boss.get(other[name]["manager_id"])


async def test_ldif_entries_are_users(tenant: Tenant) -> None:
    text = """version: 1
# a comment
 that goes on

dn: uid=ada,ou=people,dc=example
objectClass: inetOrgPerson
uid: ada
mail: ada@example.com
cn:: QWRhIEzDtnZlbGFjZQ==
departmentNumber: R
 &D
roomNumber: 7

dn: uid=bob,ou=people,dc=example
uid: bob
mail: bob@example.com
cn: Bob
manager: uid=ada,ou=people,dc=example

dn: uid=j\\c3\\bcrgen,ou=people,dc=example
uid: jurgen
mail: jurgen@example.com
mail: other@example.com
cn: Jurgen
cn: J.
manager: uid=\\62ob,ou=people,dc=example

dn: uid=eve,ou=people,dc=example
changetype: delete

dn: uid=kim
uid: kim
mail: kim@example.com
cn: Kim
jpegPhoto:< file:///etc/passwd
"""
    report = (await send_file(tenant, text, "text/ldif")).json()
    assert (report["successful_imports"], problems(report)) == (4, [(4, "row")])
    assert report["errors"][0]["line"] == 28
    found = await users_of(tenant)
    assert (found["ada"]["full_name"], found["ada"]["department"]) == ("Ada Lövelace", "R&D")
    assert found["bob"]["manager_id"] == found["ada"]["id"]
    assert (found["jurgen"]["full_name"], found["jurgen"]["manager_id"]) == ("Jurgen", found["bob"]["id"])
    assert any("mail" in note or "email has several" in note for note in report["notes"])

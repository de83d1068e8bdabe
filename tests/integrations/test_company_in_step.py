"""Five real systems kept in step both ways through joiners, movers, leavers, renames and drift.

In full size by hand:

    SYNC_TEST_PEOPLE=1000 python -m pytest tests/integrations/test_company_in_step.py -s
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from company import BASE, Company, Person, person, photo
from real_parts import Postgres
from record_servers import Mariadb, Slapd, scim_server

from opsteward.integrations import files, ldap, mysql, postgresql, scim
from support.instance import Instance, Tenant
from support.syncing import Syncing

PEOPLE = int(os.environ.get("SYNC_TEST_PEOPLE", "40"))


@pytest.fixture(scope="module")
def scim_base() -> Iterator[str]:
    with scim_server() as base:
        yield base


@pytest.fixture
async def company(
    instance: Instance, tenant: Tenant, tmp_path: Path, postgres: Postgres, slapd: Slapd, mariadb: Mariadb,
    scim_base: str,
) -> Company:  # fmt: skip
    integrations = [files.build([tmp_path]), postgresql.INTEGRATION, ldap.INTEGRATION, mysql.INTEGRATION]
    syncing = Syncing(instance, tenant.id, [*integrations, scim.INTEGRATION])
    made = Company(syncing, tmp_path, postgres, slapd, mariadb, scim_base, PEOPLE)
    made.people = {one.login: one for one in map(person, range(PEOPLE))}
    made.write_hr()
    await made.connect()
    return made


@pytest.mark.slow(reason="three servers are started, and some fifty syncs run over five systems")
async def test_five_systems_stay_in_step_both_ways(company: Company) -> None:
    share = PEOPLE // 10
    await company.sync("begin")
    company.verify()

    entries = {entry["uid"][0].decode(): entry["dn"][0].decode() for entry in company.ldif()}
    for number, login in enumerate(list(company.people)[::7]):  # made in the directory, they reach both databases
        company.change(login, photo=photo(number))
        dn, content = (base64.b64encode(each).decode() for each in (entries[login].encode(), photo(number)))
        company.modify(f"dn:: {dn}\nchangetype: modify\nadd: jpegPhoto\njpegPhoto:: {content}\n")
    await company.sync("photos of the directory", full=False)
    company.verify()

    logins = [one for one in company.people if one.startswith("u")]
    for number in range(PEOPLE, PEOPLE + share):
        one = person(number)
        company.people[one.login] = one
    for login in logins[:share]:
        company.change(login, first="Moved, ü", mail=("moved@ex.org", f"{login}@ex.org"), manager="u5", photo=b"")
    gone = logins[-share // 2 :]
    for login in gone:
        del company.people[login]
    for one in list(company.people.values()):
        if one.manager in gone:
            company.change(one.login, manager="")
    off = logins[share : share + max(2, share // 4)]
    for login in off:  # switched off, and changed at the same time
        company.change(login, enabled=False, last="Off now")
    company.write_hr()
    company.sql("update company set photo = null where login = any(%s)", logins[:share])
    await company.sync("joiners, movers, leavers")
    company.verify()

    renamed = {login: f"re, named {login}" for login in logins[share * 2 : share * 3]}
    for old, new in renamed.items():
        company.people[old] = company.people[old].__class__(**{**vars(company.people[old]), "login": new})
    for key, one in list(company.people.items()):
        if one.manager in renamed:
            company.change(key, manager=renamed[one.manager])
    company.write_hr()
    await company.sync("renames", full=False)
    company.verify()
    assert [await company.sync_one("again", name) for name in company.mappings] == [0] * 4

    await company.sync("rest")
    logins = [one for one in company.people if one.startswith("u")]
    users = {user["userName"]: user["id"] for user in company.scim_users()}
    for login in logins[:share]:  # a field that goes both ways follows who changed it, whoever that is
        company.scim_call("PATCH", f"v2/Users/{users[login]}", {
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": "replace", "path": "name.familyName", "value": "Från SCIM"}],
        })  # fmt: skip
        company.change(login, last="Från SCIM")
    entries = {entry["uid"][0].decode(): entry["dn"][0].decode() for entry in company.ldif()}
    drifted = logins[share : share * 2]
    for login in drifted:  # a field that goes one way is set right again
        company.modify(f"dn: {entries[login]}\nchangetype: modify\nreplace: cn\ncn: Somebody else\n")
        company.mariadb.sql(f"update shop.company set mail = 'drift' where login = '{login}'")
    company.mariadb.sql(f"delete from shop.company where login = '{logins[-1]}'")  # and whom a target lost comes back
    company.modify(f"dn: uid=ny\\, ldap,{BASE}\nchangetype: add\nobjectClass: inetOrgPerson\nuid: ny, ldap\n"
                   "givenName: Ny\nsn: Ldap\ncn: Ny Ldap\nmail: ny@ex.org\n")  # fmt: skip
    company.people["ny, ldap"] = Person(login="ny, ldap", first="Ny", last="Ldap", mail=("ny@ex.org",))
    company.scim_call("POST", "v2/Users", {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "ny-scim",
        "displayName": "Ny Scim", "name": {"givenName": "Ny", "familyName": "Scim"},
    })  # fmt: skip
    company.people["ny-scim"] = Person(login="ny-scim", first="Ny", last="Scim", mail=("",))
    await company.sync("drift at the targets", rounds=6)
    company.verify()
    for step, name, wrote, seconds in company.table:
        print(f"{step:28} {name:16} {seconds:6.2f} s  {wrote or '-'}")

"""Directories that are not OpenLDAP as it is mostly set up: no ids of the server's own, ids of another form, several
naming contexts, bytes that could be text."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from real_parts import free_port, system
from record_servers import LDIF, SLAPD_CONF, Slapd, require
from test_ldap import change, create, person, read

from opsteward.contracts.records import Coverage, Operation, Outcome
from opsteward.core.distinguished_names import is_below
from opsteward.core.errors import BadReply
from opsteward.integrations.ldap.client import LdapClient
from opsteward.integrations.ldap.config import LdapResource
from opsteward.integrations.ldap.connector import LdapConnector
from opsteward.integrations.ldap.entries import entry_id, id_filter, record_of

PEOPLE = {"parent": "ou=people,dc=example,dc=org", "filter": "(objectClass=inetOrgPerson)"}
GUID = "6f9619ff-8b86-d011-b42d-00cf4fc964ff"


@pytest.fixture
async def without_ids(tmp_path: Path) -> AsyncIterator[LdapConnector]:
    """A directory that notes nothing of its entries: no ids, no times."""
    import subprocess

    tmp_path.chmod(0o755)
    (tmp_path / "db").mkdir()
    config = SLAPD_CONF.replace("{folder}", str(tmp_path)).replace("overlay syncprov\n", "")
    (tmp_path / "slapd.conf").write_text(config + "lastmod off\n")
    (tmp_path / "first.ldif").write_text(LDIF)
    subprocess.run([require("slapadd"), "-f", tmp_path / "slapd.conf", "-l", tmp_path / "first.ldif"], check=True,
                   capture_output=True)  # fmt: skip
    server = Slapd(free_port(), tmp_path)
    server.start()
    made = LdapConnector(
        LdapConnector.config_for(
            system(server.endpoint, resources={"people": PEOPLE}),
            {"username": "cn=admin,dc=example,dc=org", "password": "admin-secret"},
        )
    )
    yield made
    await made.close()
    server.kill()


async def test_entries_without_ids_are_known_by_their_names_and_kept_in_step(without_ids: LdapConnector) -> None:
    via = without_ids
    await create(via, person("ada"), person("Doe, John"), person("eve"))
    records, last = await read(via)
    by_uid = {str(one.values["uid"]): one for one in records}
    john = by_uid["Doe, John"]
    assert john.native_id == "uid=Doe\\, John,ou=people,dc=example,dc=org"
    assert last.coverage is Coverage.FULL and last.cursor is None  # nothing says what is new there
    asked = [john.native_id, by_uid["ada"].native_id, "uid=nobody,ou=people,dc=example,dc=org", "dc=other,dc=org"]
    assert list(await via.get("people", asked)) == asked[:2]
    changed, renamed, gone, outside = await via.write(
        "people",
        [
            change(Operation.UPDATE, by_uid["ada"].native_id, title="Countess"),
            change(Operation.UPDATE, john.native_id, uid="john"),
            change(Operation.DELETE, by_uid["eve"].native_id),
            change(Operation.UPDATE, "dc=example,dc=org", description="not of this list"),
        ],
    )
    assert [one.outcome for one in (changed, renamed, gone, outside)] == [Outcome.DONE] * 3 + [Outcome.MISSING]
    assert renamed.native_id == "uid=john,ou=people,dc=example,dc=org"
    left = {one.native_id: one.values.get("title") for one in (await read(via))[0]}
    assert left == {by_uid["ada"].native_id: "Countess", renamed.native_id: None}


def test_each_servers_ids_are_found_again_by_what_they_are_searched_with() -> None:
    of_389 = entry_id({"nsuniqueid": [b"F0A1B2C3-5d6e11f0-8a9bcadb-00112233"]})
    assert of_389 == "f0a1b2c3-5d6e11f0-8a9bcadb-00112233"
    assert entry_id({"nsuniqueid": [b"x"], "entryuuid": [GUID.upper().encode()]}) == GUID
    assert id_filter([of_389], active_directory=False) == f"(|(nsUniqueId={of_389}))"
    assert id_filter([GUID, "cn=x", "no id"], active_directory=False) == f"(|(entryUUID={GUID}))"
    assert "\\ff\\19\\96\\6f" in id_filter([GUID], active_directory=True)


@pytest.mark.parametrize("name", ["mS-DS-ConsistencyGuid", "objectSid", "userCertificate;binary", "logonHours"])
def test_bytes_that_could_be_text_are_bytes_in_every_record(name: str) -> None:
    entry: Mapping[str, Any] = {
        "raw_dn": b"cn=x,dc=y", "raw_attributes": {name: [b"sixteen-letters!"], "sambaSID": [b"S-1-5-21"]},
    }  # fmt: skip
    values = record_of(entry, LdapResource()).values
    assert values[name] == {"base64": "c2l4dGVlbi1sZXR0ZXJzIQ=="} and values["sambaSID"] == "S-1-5-21"


@pytest.mark.parametrize(
    ("info", "base"),
    [
        ({"namingcontexts": ["dc=a"]}, "dc=a"),
        ({"namingcontexts": ["cn=conf,dc=a", "dc=a"], "defaultnamingcontext": ["dc=a"]}, "dc=a"),
        ({"namingcontexts": ["dc=a", "dc=b"]}, None),
    ],
)
async def test_the_base_is_the_one_that_the_directory_names(
    monkeypatch: pytest.MonkeyPatch, info: dict[str, list[str]], base: str | None
) -> None:
    async def told(self: LdapClient) -> dict[str, list[str]]:
        return info

    monkeypatch.setattr(LdapClient, "server_info", told)
    via = LdapConnector(LdapConnector.config_for(system("ldap://127.0.0.1"), {}))
    if base is not None:
        assert await via._base(LdapResource()) == base
    else:
        with pytest.raises(BadReply, match="no single base"):
            await via._base(LdapResource())


@pytest.mark.parametrize(("capability", "key"), [("1.2.840.113556.1.4.800", "sAMAccountName"), ("1.3.6.1", "uid")])
async def test_lists_that_nobody_declared_are_those_of_the_servers_kind(
    monkeypatch: pytest.MonkeyPatch, capability: str, key: str
) -> None:
    async def told(self: LdapClient) -> dict[str, list[str]]:
        return {"supportedcapabilities": [capability]}

    monkeypatch.setattr(LdapClient, "server_info", told)
    via = LdapConnector(LdapConnector.config_for(system("ldap://127.0.0.1/dc=a"), {}))
    assert {one.name: one.key for one in await via.resources()}["people"] == key
    declared = {"staff": PEOPLE | {"key": "employeeNumber"}}
    via = LdapConnector(LdapConnector.config_for(system("ldap://127.0.0.1/dc=a", resources=declared), {}))
    assert [(one.name, one.key) for one in await via.resources()] == [("staff", "employeeNumber")]


def test_what_is_below_a_base_is_told_by_whole_names() -> None:
    assert is_below("uid=a,ou=People, DC=x", "ou=people,dc=x") and is_below("dc=x", "dc=x") and is_below("dc=x", "")
    assert not is_below("uid=a\\,ou=people\\,dc=x,dc=y", "ou=people,dc=x") and not is_below("", "dc=x")

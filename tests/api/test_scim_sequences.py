"""The requests of Entra ID and Okta in the order in which their documentation shows them, and what each expects."""

from __future__ import annotations

from typing import Any

import pytest

from support.scim import ENTERPRISE, GROUP, MESSAGES, USER, Provisioner

PATCH = {"schemas": [f"{MESSAGES}:PatchOp"]}
#: method, address with {names of ids seen so far}, body, expected status, what of the answer must be so
Request = tuple[str, str, Any, int, dict[str, Any]]


@pytest.fixture
async def idp(tenant: Any) -> Provisioner:
    return await Provisioner.of(tenant)


async def play(idp: Provisioner, requests: list[Request]) -> dict[str, str]:
    """Sends them one after another; `as` among what is expected names the id of the answer for later ones."""
    ids: dict[str, str] = {}
    for method, address, body, status, expected in requests:
        answer = await idp.ask(method, address.format(**ids), _filled(body, ids))
        assert answer.status_code == status, f"{method} {address}: {answer.status_code} {answer.text}"
        document = answer.json() if answer.content else {}
        for name, value in expected.items():
            if name == "as":
                ids[value] = document["id"]
            else:
                assert _at(document, name) == _filled(value, ids), f"{method} {address}: {name} of {document}"
    return ids


def _filled(value: Any, ids: dict[str, str]) -> Any:
    if isinstance(value, str):
        return ids.get(value[1:-1], value) if value.startswith("<") else value.replace("<pat>", ids.get("pat", ""))
    if isinstance(value, list):
        return [_filled(one, ids) for one in value]
    return {key: _filled(one, ids) for key, one in value.items()} if isinstance(value, dict) else value


def _at(document: Any, name: str) -> Any:
    for step in name.split("/"):
        document = document[int(step)] if step.isdigit() else document.get(step)
        if document is None:
            return None
    return document


def patch(*operations: dict[str, Any]) -> dict[str, Any]:
    return {**PATCH, "Operations": list(operations)}


ENTRA_USER = {
    "schemas": [USER, ENTERPRISE], "externalId": "0a21f0f2", "userName": "Test_User_dfeef4c5", "active": True,
    "displayName": "BobIsAmazing",
    "emails": [{"primary": True, "type": "work", "value": "Test_User_fd0ea19b@testuser.com"}],
    "meta": {"resourceType": "User"},
    "name": {"formatted": "givenName familyName", "familyName": "familyName", "givenName": "givenName"},
    "roles": [],
}  # fmt: skip
ENTRA: list[Request] = [
    ("GET", '/Users?filter=userName eq "non-existent user"', None, 200, {"totalResults": 0}),
    ("POST", "/Users", ENTRA_USER, 201, {"as": "pat", "displayName": "BobIsAmazing", "name/familyName": "familyName"}),
    ("GET", "/Users/{pat}", None, 200, {"userName": "Test_User_dfeef4c5"}),
    ("GET", '/Users?filter=userName eq "Test_User_dfeef4c5"', None, 200,
     {"totalResults": 1, "Resources/0/id": "<pat>"}),
    ("GET", '/Users?filter=externalId eq "0a21f0f2"', None, 200, {"totalResults": 1}),
    ("PATCH", "/Users/{pat}", patch(
        {"op": "Replace", "path": 'emails[type eq "work"].value', "value": "updatedEmail@microsoft.com"},
        {"op": "Replace", "path": "name.familyName", "value": "updatedFamilyName"}),
     200, {"name/familyName": "updatedFamilyName", "emails/0/value": "updatedEmail@microsoft.com"}),
    ("PATCH", "/Users/{pat}", patch({"op": "Replace", "path": "userName", "value": "5b50642d@testuser.com"}),
     200, {"userName": "5b50642d@testuser.com"}),
    ("PATCH", "/Users/{pat}", patch(
        {"op": "Add", "path": "title", "value": "Lead"},
        {"op": "Add", "path": 'phoneNumbers[type eq "mobile"].value', "value": "+49 1"},
        {"op": "Add", "path": 'addresses[type eq "work"].streetAddress', "value": "Main Street 1"},
        {"op": "Add", "path": 'addresses[type eq "work"].locality', "value": "Bonn"},
        {"op": "Add", "path": f"{ENTERPRISE}:employeeNumber", "value": "7"},
        {"op": "Add", "path": f"{ENTERPRISE}:department", "value": "Sales"}),
     200, {"title": "Lead", "phoneNumbers/0/value": "+49 1", "addresses/0/locality": "Bonn",
           f"{ENTERPRISE}/employeeNumber": "7"}),
    ("PATCH", "/Users/{pat}", patch({"op": "Remove", "path": "title"}), 200, {"title": None}),
    ("PATCH", "/Users/{pat}", patch({"op": "Replace", "path": "active", "value": "False"}), 200, {"active": False}),
    ("PATCH", "/Users/{pat}", patch({"op": "Replace", "path": "active", "value": "True"}), 200, {"active": True}),
    ("POST", "/Groups", {"schemas": [GROUP, "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],
                         "externalId": "8aa1a0c0", "displayName": "displayName", "meta": {"resourceType": "Group"}},
     201, {"as": "team", "displayName": "displayName"}),
    ("GET", "/Groups/{team}?excludedAttributes=members", None, 200, {"displayName": "displayName"}),
    ("GET", '/Groups?excludedAttributes=members&filter=displayName eq "displayName"', None, 200, {"totalResults": 1}),
    ("PATCH", "/Groups/{team}", patch({"op": "Replace", "path": "displayName", "value": "updated"}),
     200, {"displayName": "updated"}),
    ("PATCH", "/Groups/{team}", patch({"op": "Add", "path": "members", "value": [{"$ref": None, "value": "<pat>"}]}),
     204, {}),
    ("GET", "/Groups/{team}", None, 200, {"members/0/value": "<pat>"}),
    ("GET", '/Groups?filter=members eq "<pat>"', None, 200, {}),
    ("PATCH", "/Groups/{team}", patch({"op": "Remove", "path": "members", "value": [{"$ref": None, "value": "<pat>"}]}),
     204, {}),
    ("GET", "/Groups/{team}", None, 200, {"members": None}),
    ("DELETE", "/Groups/{team}", None, 204, {}),
    ("DELETE", "/Users/{pat}", None, 204, {}),
    ("GET", "/Users/{pat}", None, 404, {"status": "404"}),
]  # fmt: skip

OKTA_USER = {
    "schemas": [USER], "userName": "test.user@okta.local", "name": {"givenName": "Test", "familyName": "User"},
    "emails": [{"primary": True, "value": "test.user@okta.local", "type": "work"}], "displayName": "Test User",
    "locale": "en-US", "externalId": "00ujl29u0le5T6Aj10h7", "groups": [], "password": "1mz050nq", "active": True,
}  # fmt: skip
OKTA: list[Request] = [
    ("GET", '/Users?filter=userName eq "test.user@okta.local"&startIndex=1&count=100', None, 200,
     {"totalResults": 0, "startIndex": 1}),
    ("GET", "/Users?startIndex=1&count=2", None, 200, {"totalResults": 0}),
    ("POST", "/Users", OKTA_USER, 201, {"as": "pat", "active": True, "password": None}),
    ("GET", "/Users/{pat}", None, 200, {"name/givenName": "Test"}),
    ("POST", "/Users", OKTA_USER, 409, {"scimType": "uniqueness", "status": "409"}),
    ("PUT", "/Users/{pat}", OKTA_USER | {"id": "<pat>", "name": {"givenName": "Another", "familyName": "User"},
                                         "meta": {"resourceType": "User"}}, 200, {"name/givenName": "Another"}),
    ("PATCH", "/Users/{pat}", patch({"op": "replace", "value": {"active": False}}), 200, {"active": False}),
    ("PATCH", "/Users/{pat}", patch({"op": "replace", "value": {"active": True}}), 200, {"active": True}),
    ("PATCH", "/Users/{pat}", patch({"op": "replace", "value": {"password": "new"}}), 200, {"password": None}),
    ("GET", "/Users/does-not-exist", None, 404, {"status": "404"}),
    ("GET", '/Groups?filter=displayName eq "Test SCIMv2"', None, 200, {"totalResults": 0}),
    ("POST", "/Groups", {"schemas": [GROUP], "displayName": "Test SCIMv2", "members": []}, 201, {"as": "team"}),
    ("PATCH", "/Groups/{team}", patch({"op": "add", "path": "members",
                                       "value": [{"value": "<pat>", "display": "test.user@okta.local"}]}), 204, {}),
    ("PATCH", "/Groups/{team}", patch({"op": "replace", "value": {"id": "<team>", "displayName": "Test SCIMv3"}}),
     200, {"displayName": "Test SCIMv3", "members/0/display": "test.user@okta.local"}),
    ("PATCH", "/Groups/{team}", patch({"op": "remove", "path": 'members[value eq "<pat>"]'}), 204, {}),
    ("PUT", "/Groups/{team}", {"schemas": [GROUP], "id": "<team>", "displayName": "Test SCIMv3",
                               "members": [{"value": "<pat>"}]}, 200, {"members/0/value": "<pat>"}),
    ("PATCH", "/Groups/{team}", patch({"op": "replace", "path": "members", "value": []}), 200, {"members": None}),
    ("DELETE", "/Groups/{team}", None, 204, {}),
]  # fmt: skip


@pytest.mark.parametrize("requests", [ENTRA, OKTA], ids=["Entra ID", "Okta"])
async def test_as_their_documentation_shows_it(idp: Provisioner, requests: list[Request]) -> None:
    await play(idp, requests)

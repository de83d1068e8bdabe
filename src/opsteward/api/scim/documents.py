"""Between a resource of ours and its SCIM document: what has a column, and what is kept as it came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from opsteward.core.clock import iso
from opsteward.core.name_keys import folded
from opsteward.directory.scim.settings import ScimSettings
from opsteward.directory.scim.types import (
    ENTERPRISE,
    GROUP,
    USER,
    GroupResource,
    GroupState,
    Kind,
    Member,
    Resource,
    UserResource,
    UserState,
)
from opsteward.directory.user_validation import MAX_FULL_NAME

_STANDING = ("active", "pending")


def etag(resource: Resource) -> str:
    """The version of a resource as SCIM writes it."""
    return f'W/"{resource.version}"'


def location(resource: Resource, base: str) -> str:
    """The address of a resource."""
    return f"{base}/{resource.kind}s/{resource.id}"


def document(resource: Resource, base: str) -> dict[str, Any]:
    """The whole SCIM document of a resource."""
    return _of_user(resource, base) if isinstance(resource, UserResource) else _of_group(resource, base)


def _of_user(user: UserResource, base: str) -> dict[str, Any]:
    scim, standing = user.scim or {}, user.status in _STANDING
    kept = dict(scim.get("doc", {}))
    enterprise = dict(kept.pop(ENTERPRISE, {}))
    if user.department is not None:
        enterprise["department"] = user.department
    if user.manager_id is not None:
        enterprise["manager"] = {"value": str(user.manager_id), "$ref": f"{base}/Users/{user.manager_id}"}
    if not scim or "displayName" in kept or scim.get("named") != user.full_name:
        kept["displayName"] = user.full_name
    kept["emails"] = _emails(scim, user.email)
    own = [one for one in kept if one.lower().startswith("urn:")]
    found: dict[str, Any] = {
        "schemas": [USER, *([ENTERPRISE] if enterprise else []), *own],
        "id": str(user.id),
        "externalId": user.external_id,
        "userName": user.username,
        **kept,
        "active": None if scim.get("unsaid") == standing else standing,
        "groups": [
            {
                "value": str(one.group_id),
                "$ref": f"{base}/Groups/{one.group_id}",
                "display": one.display,
                "type": "direct" if one.direct else "indirect",
            }
            for one in user.groups
        ],
        ENTERPRISE: enterprise,
        "meta": _meta(user, base),
    }
    return {name: value for name, value in found.items() if value is not None and value not in ([], {})}


def _emails(scim: Mapping[str, Any], email: str | None) -> list[dict[str, Any]]:
    kept: list[dict[str, Any]] = scim.get("doc", {}).get("emails") or []
    if scim.get("mail") == email:
        return kept
    # the user has another address since: it stands for the one that the row's was taken from
    others = [one for one in kept if one.get("value") not in (None, scim.get("mail"))]
    return [*([{"value": email, "type": "work", "primary": True}] if email is not None else []), *others]


def _of_group(group: GroupResource, base: str) -> dict[str, Any]:
    kept = dict((group.scim or {}).get("doc", {}))
    found: dict[str, Any] = {
        "schemas": [GROUP, *(one for one in kept if one.lower().startswith("urn:"))],
        "id": str(group.id),
        "externalId": group.external_id,
        "displayName": group.display_name,
        **kept,
        "members": [
            {
                "value": str(one.id),
                "$ref": f"{base}/{one.kind}s/{one.id}",
                "type": one.kind.value,
                **({"display": one.display} if one.display is not None else {}),
            }
            for one in group.members or ()
        ],
        "meta": _meta(group, base),
    }
    return {name: value for name, value in found.items() if value is not None and value != []}


def _meta(resource: Resource, base: str) -> dict[str, Any]:
    return {
        "resourceType": resource.kind.value,
        "created": iso(resource.created_at),
        "lastModified": iso(resource.updated_at),
        "location": location(resource, base),
        "version": etag(resource),
    }


def identifier(text: Any) -> UUID | None:
    """The id that a text is, if it is one of ours."""
    try:
        found = UUID(str(text))
    except ValueError:
        return None
    return found if str(found) == text else None


def manager_of(wanted: Mapping[str, Any]) -> UUID | None:
    """The id that a document gives as the manager's, whether there is such a user or not."""
    return identifier(((wanted.get(ENTERPRISE) or {}).get("manager") or {}).get("value"))


def mapped_role(wanted: Mapping[str, Any], settings: ScimSettings) -> str | None:
    """The directory role that roles or userType of a document stand for, as configured."""
    by_key = {folded(name): role for name, role in settings.roles.items()}
    listed = sorted(wanted.get("roles") or [], key=lambda one: one.get("primary") is not True)
    for value in (*(one.get("value") for one in listed), wanted.get("userType")):
        if isinstance(value, str) and (role := by_key.get(folded(value))):
            return role
    return None


def user_state(
    wanted: Mapping[str, Any], *, role: str | None, managers: set[UUID], unsaid: bool | None = None
) -> UserState:
    """What a whole, checked document asks of a user. `unsaid`: see `left_unsaid`."""
    kept = {name: value for name, value in wanted.items() if name not in _OF_USERS and value is not None}
    enterprise = dict(kept.pop(ENTERPRISE, None) or {})
    department = enterprise.pop("department", None)
    manager = manager_of(wanted)
    if manager in managers:
        enterprise.pop("manager", None)
    else:
        manager = None
    if enterprise:
        kept[ENTERPRISE] = enterprise
    emails = [one for one in wanted.get("emails") or [] if one.get("value")]
    first = next((one for one in emails if one.get("primary")), emails[0] if emails else {})
    named = _name(wanted)
    mail = first.get("value")
    return UserState(
        username=wanted["userName"],
        full_name=named,
        email=mail,
        department=department,
        external_id=wanted.get("externalId"),
        manager_id=manager,
        active=wanted.get("active"),
        role=role,
        scim={"doc": kept, "named": named, "mail": mail} | ({} if unsaid is None else {"unsaid": unsaid}),
        emails=[one["value"] for one in emails],
    )


def left_unsaid(user: UserResource, wanted: Mapping[str, Any]) -> bool | None:
    """A client that removes `active` is not told of it again until the user comes or goes: whether it was so then."""
    return None if wanted.get("active") is not None else user.status in _STANDING


#: What has a column, is worked out, or is never kept.
_OF_USERS = frozenset({"schemas", "id", "meta", "groups", "userName", "externalId", "active", "password"})
_OF_GROUPS = frozenset({"schemas", "id", "meta", "displayName", "externalId", "members"})


def _name(wanted: Mapping[str, Any]) -> str:
    if wanted.get("displayName") is not None:
        return str(wanted["displayName"])
    name = wanted.get("name") or {}
    pair = f"{name.get('givenName') or ''} {name.get('familyName') or ''}"
    for text in (name.get("formatted") or "", pair):
        if joined := " ".join(text.split())[:MAX_FULL_NAME].strip():
            return joined
    return str(wanted["userName"])


def group_state(wanted: Mapping[str, Any], members: Sequence[Member]) -> GroupState:
    """What a whole, checked document asks of a group."""
    return GroupState(
        display_name=wanted["displayName"],
        external_id=wanted.get("externalId"),
        scim={"doc": {name: value for name, value in wanted.items() if name not in _OF_GROUPS and value is not None}},
        members=members,
    )


def members_of(listed: Sequence[Mapping[str, Any]], kinds: Mapping[UUID, Kind]) -> list[Member]:
    """The members that a document lists, each as what it is here."""
    found = {}
    for one in listed:
        member_id = identifier(one.get("value"))
        if member_id is not None:
            # a member that is not there is told of where it is added
            kind = kinds.get(member_id, Kind.USER)
            found[member_id] = Member(id=member_id, kind=kind, display=one.get("display"))
    return list(found.values())

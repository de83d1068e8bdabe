"""Between a resource of ours and its SCIM document: what has a column, and what is kept as it came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from opsteward.api.scim.values import object_of, objects_of, text_of
from opsteward.core.clock import iso
from opsteward.core.json_types import Json, JsonObject
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
from opsteward.directory.user_fields import MAX_FULL_NAME

_STANDING = ("active", "pending")


def etag(resource: Resource) -> str:
    """The version of a resource as SCIM writes it."""
    return f'W/"{resource.version}"'


def location(resource: Resource, base: str) -> str:
    """The address of a resource."""
    return f"{base}/{resource.kind}s/{resource.id}"


def document(resource: Resource, base: str) -> JsonObject:
    """The whole SCIM document of a resource."""
    return _of_user(resource, base) if isinstance(resource, UserResource) else _of_group(resource, base)


def _of_user(user: UserResource, base: str) -> JsonObject:
    scim, standing = user.scim or {}, user.status in _STANDING
    kept = dict(object_of(scim.get("doc")))
    enterprise = dict(object_of(kept.pop(ENTERPRISE, None)))
    if user.department is not None:
        enterprise["department"] = user.department
    if user.manager_id is not None:
        enterprise["manager"] = {"value": str(user.manager_id), "$ref": f"{base}/Users/{user.manager_id}"}
    if not scim or "displayName" in kept or scim.get("named") != user.full_name:
        kept["displayName"] = user.full_name
    kept["emails"] = [*_emails(scim, user.email)]
    own = [one for one in kept if one.lower().startswith("urn:")]
    found: JsonObject = {
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


def _emails(scim: Mapping[str, Json], email: str | None) -> list[JsonObject]:
    kept: list[JsonObject] = objects_of(object_of(scim.get("doc")).get("emails"))
    if scim.get("mail") == email:
        return kept
    # the user has another address since: it stands for the one that the row's was taken from
    others = [one for one in kept if one.get("value") not in (None, scim.get("mail"))]
    own: JsonObject = {"value": email, "type": "work", "primary": True}
    return [*([own] if email is not None else []), *others]


def _of_group(group: GroupResource, base: str) -> JsonObject:
    kept = dict(object_of((group.scim or {}).get("doc")))
    found: JsonObject = {
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


def _meta(resource: Resource, base: str) -> JsonObject:
    return {
        "resourceType": resource.kind.value,
        "created": iso(resource.created_at),
        "lastModified": iso(resource.updated_at),
        "location": location(resource, base),
        "version": etag(resource),
    }


def identifier(text: Json) -> UUID | None:
    """The id that a text is, if it is one of ours."""
    try:
        found = UUID(str(text))
    except ValueError:
        return None
    return found if str(found) == text else None


def manager_of(wanted: Mapping[str, Json]) -> UUID | None:
    """The id that a document gives as the manager's, whether there is such a user or not."""
    return identifier(object_of(object_of(wanted.get(ENTERPRISE)).get("manager")).get("value"))


def mapped_role(wanted: Mapping[str, Json], settings: ScimSettings) -> str | None:
    """The directory role that roles or userType of a document stand for, as configured."""
    by_key = {folded(name): role for name, role in settings.roles.items()}
    listed = sorted(objects_of(wanted.get("roles")), key=lambda one: one.get("primary") is not True)
    for value in (*(one.get("value") for one in listed), wanted.get("userType")):
        if isinstance(value, str) and (role := by_key.get(folded(value))):
            return role
    return None


def user_state(
    wanted: Mapping[str, Json], *, role: str | None, managers: set[UUID], unsaid: bool | None = None
) -> UserState:
    """What a whole, checked document asks of a user. `unsaid`: see `left_unsaid`."""
    kept: JsonObject = {name: value for name, value in wanted.items() if name not in _OF_USERS and value is not None}
    enterprise = dict(object_of(kept.pop(ENTERPRISE, None)))
    department = enterprise.pop("department", None)
    manager = manager_of(wanted)
    if manager in managers:
        enterprise.pop("manager", None)
    else:
        manager = None
    if enterprise:
        kept[ENTERPRISE] = enterprise
    emails = [one for one in objects_of(wanted.get("emails")) if one.get("value")]
    first = next((one for one in emails if one.get("primary")), emails[0] if emails else {})
    named = _name(wanted)
    mail = text_of(first.get("value"))
    active = wanted.get("active")
    scim: JsonObject = {"doc": kept, "named": named, "mail": mail}
    return UserState(
        username=str(wanted["userName"]),
        full_name=named,
        email=mail,
        department=text_of(department),
        external_id=text_of(wanted.get("externalId")),
        manager_id=manager,
        active=active if isinstance(active, bool) else None,
        role=role,
        scim=scim | ({} if unsaid is None else {"unsaid": unsaid}),
        emails=[str(one["value"]) for one in emails],
    )


def left_unsaid(user: UserResource, wanted: Mapping[str, Json]) -> bool | None:
    """A client that removes `active` does not get it back until the user comes or goes: whether it was so then."""
    return None if wanted.get("active") is not None else user.status in _STANDING


#: What has a column, is worked out, or is never kept.
_OF_USERS = frozenset({"schemas", "id", "meta", "groups", "userName", "externalId", "active", "password"})
_OF_GROUPS = frozenset({"schemas", "id", "meta", "displayName", "externalId", "members"})


def _name(wanted: Mapping[str, Json]) -> str:
    if wanted.get("displayName") is not None:
        return str(wanted["displayName"])
    name = object_of(wanted.get("name"))
    pair = f"{name.get('givenName') or ''} {name.get('familyName') or ''}"
    for text in (text_of(name.get("formatted")) or "", pair):
        if joined := " ".join(text.split())[:MAX_FULL_NAME].strip():
            return joined
    return str(wanted["userName"])


def group_state(wanted: Mapping[str, Json], members: Sequence[Member]) -> GroupState:
    """What a whole, checked document asks of a group."""
    return GroupState(
        display_name=str(wanted["displayName"]),
        external_id=text_of(wanted.get("externalId")),
        scim={"doc": {name: value for name, value in wanted.items() if name not in _OF_GROUPS and value is not None}},
        members=members,
    )


def members_of(listed: Sequence[Mapping[str, Json]], kinds: Mapping[UUID, Kind]) -> list[Member]:
    """The members that a document lists, each as what it is here."""
    found = {}
    for one in listed:
        member_id = identifier(one.get("value"))
        if member_id is not None:
            # a member that is not there is refused where it is added
            kind = kinds.get(member_id, Kind.USER)
            found[member_id] = Member(id=member_id, kind=kind, display=text_of(one.get("display")))
    return list(found.values())

"""What SCIM can do to users and groups: each request is one transaction. Loaded at the first request."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from uuid import UUID

from scim2_models import Context, PatchOp

from opsteward.accounts.types import Identity
from opsteward.api.scim import documents, error_messages, filter_parsing, patches, references, undeclared_attributes
from opsteward.api.scim.projection import Projection
from opsteward.api.scim.responses import Refused
from opsteward.api.scim.schemas import MAX_RESULTS, MODELS, POLICY
from opsteward.api.scim.values import names_schema, object_of, objects_of, text_of
from opsteward.api.services import ApiServices
from opsteward.core.errors import NotFound
from opsteward.core.json_types import Json, JsonObject
from opsteward.core.unit_of_work import UnitOfWork
from opsteward.directory.scim import groups as scim_groups
from opsteward.directory.scim import queries as scim_queries
from opsteward.directory.scim import users as scim_users
from opsteward.directory.scim.types import (
    GROUP,
    USER,
    Kind,
    Member,
    Resource,
    Search,
    StaleVersion,
    UserResource,
    UserState,
)

_CORE = {Kind.USER: USER, Kind.GROUP: GROUP}
_PAGE = 100
#: Each validates the whole document anew.
_MAX_TURNS = 50
_MAX_PATHS = 50_000
_LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
_SEARCH = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
_ONE_MEMBER = re.compile(r'members\[\s*value\s+eq\s+"([^"]+)"\s*\]', re.IGNORECASE)
_ETAGS = re.compile(r'(?:W/)?"([^"]*)"|(\*)')


@dataclass(frozen=True, kw_only=True)
class Done:
    """A resource after a request, and its document as it is to be sent; None for 204."""

    resource: Resource
    document: JsonObject | None


class Operations:
    """For one request: who asks, and where SCIM is served (`base`)."""

    def __init__(self, services: ApiServices, identity: Identity, base: str) -> None:
        self._services = services
        self._identity = identity
        self.base = base

    async def create(self, kind: Kind, body: Json, projection: Projection) -> Done:
        """Raises Invalid, Conflict, Refused."""
        wanted = _document(kind, body, Context.RESOURCE_CREATION_REQUEST)
        actor, settings = self._identity.actor, self._services.settings
        async with self._services.db.unit_of_work(self._identity.tenant_id) as session:
            if kind == Kind.USER:
                state = await self._user_state(session, wanted, documents.mapped_role(wanted, settings.scim))
                made = await scim_users.create(
                    session, self._services.users, state, actor=actor, default_role=settings.scim.default_role
                )
            else:
                group = documents.group_state(wanted, await self._members(session, wanted))
                made = await scim_groups.create(session, group, actor=actor)
            return self._done(await self._load(session, kind, made, projection), projection)

    async def read(self, kind: Kind, text: str, projection: Projection) -> Done:
        """Raises NotFound."""
        async with self._services.db.unit_of_work(self._identity.tenant_id) as session:
            return self._done(await self._load(session, kind, _id(text), projection), projection)

    async def replace(self, kind: Kind, text: str, body: Json, projection: Projection, if_match: str | None) -> Done:
        """PUT. Raises NotFound, StaleVersion, Invalid, Conflict, Refused."""
        wanted = _document(kind, body, Context.RESOURCE_REPLACEMENT_REQUEST)
        return await self._change(kind, text, lambda _: wanted, projection, if_match, whole=True)

    async def patch(self, kind: Kind, text: str, body: Json, projection: Projection, if_match: str | None) -> Done:
        """PATCH. Raises NotFound, StaleVersion, Invalid, Conflict, Refused."""
        few = _few_members(body) if kind == Kind.GROUP and projection.wanted is None else None
        if few is not None:
            return await self._patch_members(_id(text), few, if_match)
        model: Any = MODELS[kind]
        _check_paths(body)
        with error_messages.translated():
            parts = list(_parts(patches.steps_of(body, model), model, object_of(body)))
        if sum(isinstance(part, PatchOp) for part in parts) > _MAX_TURNS:
            raise Refused.because(
                f"Operations: go back and forth over {_MAX_TURNS} times between attributes of the schemas and others;"
                " send those of a kind together",
                "tooMany",
            )

        def patched(before: Resource) -> JsonObject:
            with error_messages.translated():
                # a copy: what is compared with it afterwards must not change with it
                document = deepcopy(documents.document(before, self.base))
                for part in parts:
                    if isinstance(part, patches.Step):
                        undeclared_attributes.change(document, part, core=_CORE[kind])
                        continue
                    resource = model.model_validate(document, scim_policy=POLICY)
                    part.patch(resource, scim_policy=POLICY)
                    document = _dump(resource)
                return _dump(model.model_validate(document, scim_policy=POLICY))

        return await self._change(kind, text, patched, projection, if_match)

    async def delete(self, kind: Kind, text: str, if_match: str | None) -> None:
        """Raises NotFound, StaleVersion."""
        async with self._services.db.unit_of_work(self._identity.tenant_id) as session:
            before = await self._hold(session, kind, _id(text), members=False)
            _must_match(before, if_match)
            if kind == Kind.USER:
                await scim_users.remove(session, self._services.users, before.id, actor=self._identity.actor)
            else:
                await scim_groups.remove(session, before.id, actor=self._identity.actor)

    async def search(self, kinds: Sequence[Kind], asked: Mapping[str, Json]) -> JsonObject:
        """A list response. `asked` has the names of the query's parameters. Raises BadFilter, Refused."""
        projection = Projection.of(asked.get("attributes"), asked.get("excludedAttributes"))
        start = max(1, _number(asked, "startIndex", 1))
        count = min(MAX_RESULTS, max(0, _number(asked, "count", _PAGE)))
        order = str(asked.get("sortOrder") or "ascending").lower()
        if order not in ("ascending", "descending"):
            raise Refused.because("sortOrder is ascending or descending", "invalidValue")
        searches = self._searches(kinds, _word(asked, "filter"), _word(asked, "sortBy"))
        async with self._services.db.unit_of_work(self._identity.tenant_id) as session:
            found = await scim_queries.find(
                session,
                searches,
                base=self.base,
                start=min(start, 2**40),
                count=count,
                descending=order == "descending",
                parts=[part for part in ("groups", "members") if projection.asks_for(part)],
            )
        listed: list[Json] = [projection.applied(documents.document(one, self.base)) for one in found.resources]
        return {
            "schemas": [_LIST],
            "totalResults": found.total,
            "startIndex": start,
            "itemsPerPage": len(listed),
            "Resources": listed,
        }

    def _searches(self, kinds: Sequence[Kind], text: str | None, order: str | None) -> list[Search]:
        strict = len(kinds) == 1
        found = [
            Search(
                kind=kind,
                where=filter_parsing.term_of(text, MODELS[kind], strict=strict) if text is not None else None,
                order=filter_parsing.order_of(order, MODELS[kind], strict=strict) if order is not None else None,
            )
            for kind in kinds
        ]
        if order is not None and all(search.order is None for search in found):
            raise Refused.because(f"{order!r:.100} is no attribute to sort by", "invalidPath")
        return found

    async def _change(
        self,
        kind: Kind,
        text: str,
        make: Callable[[Resource], JsonObject],
        projection: Projection,
        if_match: str | None,
        *,
        whole: bool = False,
    ) -> Done:
        actor, settings = self._identity.actor, self._services.settings
        async with self._services.db.unit_of_work(self._identity.tenant_id) as session:
            before = await self._hold(session, kind, _id(text), members=True)
            _must_match(before, if_match)
            wanted = make(before)
            if isinstance(before, UserResource):
                had = documents.mapped_role(documents.document(before, self.base), settings.scim)
                role = documents.mapped_role(wanted, settings.scim)
                role = None if role == had else role or settings.scim.default_role
                unsaid = None if whole else documents.left_unsaid(before, wanted)
                state = await self._user_state(session, wanted, role, unsaid)
                await scim_users.change(session, self._services.users, before, state, actor=actor)
            else:
                group = documents.group_state(wanted, await self._members(session, wanted))
                await scim_groups.change(session, before, group, actor=actor)
            return self._done(await self._load(session, kind, before.id, projection), projection)

    async def _patch_members(self, group_id: UUID, few: _Few, if_match: str | None) -> Done:
        """Without reading who else is in the group: there may be very many, and each joins by a request of its own."""
        async with self._services.db.unit_of_work(self._identity.tenant_id) as session:
            before = await self._hold(session, Kind.GROUP, group_id, members=False)
            _must_match(before, if_match)
            add = await self._members(session, {"members": [*few.add]})
            await scim_groups.change_members(session, group_id, add=add, remove=few.remove, actor=self._identity.actor)
            after = await scim_queries.get_group(session, group_id, members=False)
            return Done(resource=after, document=None)

    async def _user_state(
        self, session: UnitOfWork, wanted: JsonObject, role: str | None, unsaid: bool | None = None
    ) -> UserState:
        manager = documents.manager_of(wanted)
        managers = await scim_users.known_users(session, [manager] if manager else [])
        return documents.user_state(wanted, role=role, managers=managers, unsaid=unsaid)

    async def _members(self, session: UnitOfWork, wanted: Mapping[str, Json]) -> list[Member]:
        listed = objects_of(wanted.get("members"))
        ids = [documents.identifier(one.get("value")) for one in listed]
        if None in ids:
            raise Refused.because("a member's value is the id of a user or a group", "invalidValue")
        kinds = await scim_groups.kinds_of(session, {one for one in ids if one is not None})
        return documents.members_of(listed, kinds)

    async def _hold(self, session: UnitOfWork, kind: Kind, one: UUID, *, members: bool) -> Resource:
        if kind == Kind.USER:
            return await scim_queries.get_user(session, one, held=True, groups=False)
        return await scim_queries.get_group(session, one, held=True, members=members)

    async def _load(self, session: UnitOfWork, kind: Kind, one: UUID, projection: Projection) -> Resource:
        if kind == Kind.USER:
            return await scim_queries.get_user(session, one, groups=projection.asks_for("groups"))
        return await scim_queries.get_group(session, one, members=projection.asks_for("members"))

    def _done(self, resource: Resource, projection: Projection) -> Done:
        return Done(resource=resource, document=projection.applied(documents.document(resource, self.base)))


def _parts(steps: Sequence[patches.Step], model: Any, body: JsonObject) -> Iterator[Any]:
    """The steps in their order: those of declared attributes that follow each other as one PATCH of the library's."""
    schemas = next((value for key, value in body.items() if key.lower() == "schemas"), None)
    for declared, group in groupby(steps, key=lambda step: step.declared):
        if not declared:
            yield from group
            continue
        asked: JsonObject = {"Operations": [step.as_operation() for step in group]}
        if schemas is not None:
            asked["schemas"] = schemas
        yield PatchOp[model].model_validate(asked, scim_ctx=Context.RESOURCE_PATCH_REQUEST, scim_policy=POLICY)


def _document(kind: Kind, body: Json, context: Context) -> JsonObject:
    with error_messages.translated():
        return _dump(MODELS[kind].model_validate(body, scim_ctx=context, scim_policy=POLICY))


def _dump(resource: Any) -> JsonObject:
    found: JsonObject = resource.model_dump(scim_policy=POLICY)
    return found


def _check_paths(body: Json) -> None:
    """Refuse what would take long to parse: the paths, and the keys of values, which are paths too."""
    given = [pair for one in patches.operations_of(body) if isinstance(one, dict) for pair in one.items()]
    paths = [value for key, value in given if key.lower() == "path" and isinstance(value, str)]
    keys = [name for key, value in given if key.lower() == "value" and isinstance(value, dict) for name in value]
    if sum(map(len, paths)) + sum(map(len, keys)) > _MAX_PATHS:
        raise Refused.because(f"the paths have more than {_MAX_PATHS} characters together", "invalidPath")


def _id(text: str) -> UUID:
    found = documents.identifier(text)
    if found is None:
        raise NotFound("no resource of this id")
    return found


def matches(resource: Resource, etags: str) -> bool:
    """Whether one of an If-Match or If-None-Match header's versions is the resource's."""
    own = str(resource.version)
    return any(found[1] or found[0] == own for found in _ETAGS.findall(etags))


def _must_match(resource: Resource, if_match: str | None) -> None:
    if if_match is not None and not matches(resource, if_match):
        raise StaleVersion(
            f"its version is {documents.etag(resource)} by now", remedy="read it again, then repeat the change"
        )


def _number(asked: Mapping[str, Json], name: str, default: int) -> int:
    given = asked.get(name)
    if given is None:
        return default
    if isinstance(given, bool) or not isinstance(given, int | str) or not re.fullmatch(r"-?[0-9]{1,18}", str(given)):
        raise Refused.because(f"{name} is a whole number", "invalidValue")
    return int(given)


def _word(asked: Mapping[str, Json], name: str) -> str | None:
    given = asked.get(name)
    if given is None or isinstance(given, str):
        return given
    raise Refused.because(f"{name} is a text", "invalidValue")


def search_of(body: Json) -> JsonObject:
    """The parameters of a search that comes as a body. Raises Refused."""
    if not isinstance(body, dict) or not names_schema(body, _SEARCH):
        raise Refused.because(f"a search is an object with the schema {_SEARCH}", "invalidSyntax")
    names = {
        name.lower(): name
        for name in ("attributes", "excludedAttributes", "filter", "sortBy", "sortOrder", "startIndex", "count")
    }
    return {names[key.lower()]: value for key, value in body.items() if key.lower() in names}


@dataclass(frozen=True, kw_only=True)
class _Few:
    """Members that come and go, and nothing else."""

    add: list[JsonObject]
    remove: set[UUID]


def _few_members(body: Json) -> _Few | None:
    """What a PATCH does, where it only adds members or removes some by their ids; else None."""
    operations = patches.operations_of(body)
    add: list[JsonObject] = []
    remove: set[UUID] = set()
    if not operations or "schemas" not in object_of(body):
        return None
    for one in operations:
        asked = object_of(one)
        path, op, value = text_of(asked.get("path")), text_of(asked.get("op")), asked.get("value")
        if path is None or op is None:
            return None
        op = op.lower()
        picked = _ONE_MEMBER.fullmatch(path)
        given = references.members(value) if path.lower() == "members" and isinstance(value, list) else []
        listed = objects_of(given)
        by_list = bool(listed) and len(listed) == len(given or ())
        if op == "add" and by_list:
            add += listed
        elif op == "remove" and picked and value is None:
            remove |= _ids([picked[1]])
        elif op == "remove" and by_list and all(set(member) <= {"value", "$ref"} for member in listed):
            remove |= _ids([member.get("value") for member in listed])
        else:
            return None
    if any(not isinstance(one.get("value"), str) or not _plain(one.get("display")) for one in add):
        return None
    # who is both added and removed is so in the order of the operations
    return None if remove & _ids([one["value"] for one in add]) else _Few(add=add, remove=remove)


def _ids(texts: Sequence[Json]) -> set[UUID]:
    return {found for text in texts if (found := documents.identifier(text)) is not None}


def _plain(display: Json) -> bool:
    return display is None or isinstance(display, str)

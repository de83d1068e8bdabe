"""The addresses below `/scim/v2`. What they do is in `operations`, loaded at the first request."""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import TYPE_CHECKING, Annotated

from fastapi import Request, Response

from opsteward.accounts.types import Identity
from opsteward.api.deps import ServicesDep, needs
from opsteward.api.middleware.json_limits import check_json
from opsteward.api.routes import Routes
from opsteward.api.scim.projection import Projection
from opsteward.api.scim.responses import MEDIA_TYPE, ROOT, Refused, ScimRoute, answer
from opsteward.api.services import ApiServices
from opsteward.core.blocking_calls import in_thread
from opsteward.core.errors import NotFound
from opsteward.core.json_types import Json, JsonObject
from opsteward.directory.scim.types import Kind

if TYPE_CHECKING:
    from opsteward.api.scim.operations import Done, Operations

router = Routes(prefix=ROOT, route_class=ScimRoute, include_in_schema=False)

Reader = Annotated[Identity, needs("scim.read")]
Writer = Annotated[Identity, needs("scim.write")]
_LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"


async def _part(name: str) -> ModuleType:
    """A module that needs the schemas, which take half a second to load the first time: not on the event loop."""
    return await in_thread(importlib.import_module, f"opsteward.api.scim.{name}")


def _base(request: Request, services: ApiServices) -> str:
    return (services.settings.api.public_url or str(request.base_url)).rstrip("/") + ROOT


async def _operations(request: Request, services: ApiServices, identity: Identity) -> Operations:
    part = await _part("operations")
    operations: Operations = part.Operations(services, identity, _base(request, services))
    return operations


async def _body(request: Request, services: ApiServices) -> Json:
    kind = request.headers.get("content-type", MEDIA_TYPE).split(";")[0].strip().lower()
    if kind not in (MEDIA_TYPE, "application/json"):
        raise Refused.because(f"send {MEDIA_TYPE}", status=415)
    return await in_thread(check_json, await request.body(), max_depth=services.settings.api.max_json_depth)


def _projection(request: Request) -> Projection:
    asked = request.query_params
    return Projection.of(asked.get("attributes"), asked.get("excludedAttributes"))


def _shown(done: Done, base: str, status: int = 200) -> Response:
    from opsteward.api.scim import documents

    etag, place = documents.etag(done.resource), documents.location(done.resource, base)
    if done.document is None:
        return Response(status_code=204, headers={"ETag": etag, "Location": place})
    return answer(done.document, status=status, etag=etag, location=place)


def _of_kind(kind: Kind) -> None:
    """The routes of one type of resource."""
    collection = f"/{kind}s"

    @router.get(collection)
    async def listed(request: Request, services: ServicesDep, identity: Reader) -> Response:
        operations = await _operations(request, services, identity)
        return answer(await operations.search([kind], request.query_params))

    @router.post(f"{collection}/.search")
    async def searched(request: Request, services: ServicesDep, identity: Reader) -> Response:
        operations = await _operations(request, services, identity)
        asked = (await _part("operations")).search_of(await _body(request, services))
        return answer(await operations.search([kind], asked))

    @router.post(collection)
    async def created(request: Request, services: ServicesDep, identity: Writer) -> Response:
        operations = await _operations(request, services, identity)
        done = await operations.create(kind, await _body(request, services), _projection(request))
        return _shown(done, operations.base, 201)

    @router.get(f"{collection}/{{resource_id}}")
    async def read(request: Request, services: ServicesDep, identity: Reader, resource_id: str) -> Response:
        operations = await _operations(request, services, identity)
        done = await operations.read(kind, resource_id, _projection(request))
        known = request.headers.get("if-none-match")
        if known is not None and (await _part("operations")).matches(done.resource, known):
            return Response(status_code=304, headers={"ETag": f'W/"{done.resource.version}"'})
        return _shown(done, operations.base)

    def changing(method: str) -> Callable[..., Awaitable[Response]]:
        async def changed(request: Request, services: ServicesDep, identity: Writer, resource_id: str) -> Response:
            operations = await _operations(request, services, identity)
            body, if_match = await _body(request, services), request.headers.get("if-match")
            change = getattr(operations, method)
            return _shown(await change(kind, resource_id, body, _projection(request), if_match), operations.base)

        return changed

    router.put(f"{collection}/{{resource_id}}")(changing("replace"))
    router.patch(f"{collection}/{{resource_id}}")(changing("patch"))

    @router.delete(f"{collection}/{{resource_id}}")
    async def deleted(request: Request, services: ServicesDep, identity: Writer, resource_id: str) -> Response:
        operations = await _operations(request, services, identity)
        await operations.delete(kind, resource_id, request.headers.get("if-match"))
        return Response(status_code=204)


for _kind in Kind:
    _of_kind(_kind)


@router.get("")
@router.get("/")
async def list_everything(request: Request, services: ServicesDep, identity: Reader) -> Response:
    """Users and groups together."""
    return answer(await (await _operations(request, services, identity)).search(list(Kind), request.query_params))


@router.post("/.search")
async def search_everything(request: Request, services: ServicesDep, identity: Reader) -> Response:
    """Users and groups together, the search being the body."""
    operations = await _operations(request, services, identity)
    asked = (await _part("operations")).search_of(await _body(request, services))
    return answer(await operations.search(list(Kind), asked))


@router.post("/Bulk")
async def bulk(request: Request, services: ServicesDep, identity: Writer) -> Response:
    """Many operations in one request."""
    operations = await _operations(request, services, identity)
    return answer(await (await _part("bulk")).run(operations, await _body(request, services)))


@router.get("/ServiceProviderConfig")
async def service_provider_config(request: Request, services: ServicesDep, identity: Reader) -> Response:
    """What this server can do."""
    return answer((await _part("schemas")).provider_config(services.settings.api, _base(request, services)))


@router.get("/ResourceTypes")
async def resource_types(request: Request, services: ServicesDep, identity: Reader) -> Response:
    """The types of resource."""
    return _all(request, (await _part("schemas")).resource_types(_base(request, services)))


@router.get("/ResourceTypes/{name}")
async def resource_type(request: Request, services: ServicesDep, identity: Reader, name: str) -> Response:
    """One type of resource."""
    return _one((await _part("schemas")).resource_types(_base(request, services)), name)


@router.get("/Schemas")
async def schemas(request: Request, services: ServicesDep, identity: Reader) -> Response:
    """The schemas."""
    return _all(request, (await _part("schemas")).schemas(_base(request, services)))


@router.get("/Schemas/{urn}")
async def schema(request: Request, services: ServicesDep, identity: Reader, urn: str) -> Response:
    """One schema."""
    return _one((await _part("schemas")).schemas(_base(request, services)), urn)


@router.api_route("/Me", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
async def me(identity: Reader) -> Response:
    """A provider's token is nobody in the directory: said as RFC 7644, 3.11 wants it."""
    raise Refused.because("there is no /Me: the token belongs to no user", status=501)


def _all(request: Request, found: list[JsonObject]) -> Response:
    if "filter" in request.query_params:
        # RFC 7644, 4: so that nobody takes the whole list for what a filter found
        raise Refused.because("what this server can do is not filtered", status=403)
    page: JsonObject = {"totalResults": len(found), "startIndex": 1, "itemsPerPage": len(found), "Resources": [*found]}
    return answer({"schemas": [_LIST], **page})


def _one(found: list[JsonObject], name: str) -> Response:
    for one in found:
        if str(one["id"]).lower() == name.lower():
            return answer(one)
    raise NotFound("there is none of this name")

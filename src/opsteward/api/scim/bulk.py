"""Many operations in one request (RFC 7644, 3.7): each for itself, in an order in which its references are known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from opsteward.api.scim import documents
from opsteward.api.scim.operations import Done, Operations
from opsteward.api.scim.projection import Projection
from opsteward.api.scim.responses import Refused, document_of
from opsteward.api.scim.schemas import MAX_OPERATIONS
from opsteward.api.scim.values import names_schema, objects_of, text_of
from opsteward.core.errors import Conflict, OpsError, TooLarge, Unavailable
from opsteward.core.json_types import Json, JsonObject
from opsteward.directory.scim.types import Kind

_REQUEST = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
_RESPONSE = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"
_PREFIX = "bulkId:"
_METHODS = ("POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True, kw_only=True)
class _Operation:
    """One operation of the request; `named`: whether it has a bulkId."""

    method: str
    path: str
    bulk_id: str
    named: bool
    version: str | None
    data: Json


async def run(operations: Operations, body: Json) -> JsonObject:
    """Do them, and report on each in their order. Those after `failOnErrors` failures are not done, and not reported.

    Raises Refused for what is no bulk request, TooLarge for too many operations.
    """
    wanted, most_errors = _checked(body)
    creations = {one.bulk_id: number for number, one in reversed(list(enumerate(wanted))) if one.method == "POST"}
    made: dict[str, str] = {}
    results: dict[int, JsonObject] = {}
    errors = 0
    for number in _in_order(wanted, creations):
        if most_errors is not None and errors >= most_errors:
            break
        one = wanted[number]
        try:
            if one.method == "POST" and creations[one.bulk_id] != number:
                raise Refused.because(f"bulkId {one.bulk_id!r:.100} is not unique in the request", "invalidValue")
            results[number] = await _one(operations, one, made)
        except Unavailable:
            raise
        except OpsError as error:
            errors += 1
            results[number] = _failed(operations, one, error)
    return {"schemas": [_RESPONSE], "Operations": [results[number] for number in sorted(results)]}


async def _one(operations: Operations, one: _Operation, made: dict[str, str]) -> JsonObject:
    kind, text = _target(_resolved_path(one.path, made))
    data = _resolved(one.data, made)
    method, version, all_of_it = one.method, one.version, Projection()
    if (method == "POST") != (text is None):
        raise Refused.because("POST goes to a type of resource, the other methods to one resource", "invalidPath")
    if text is None:
        done = await operations.create(kind, data, all_of_it)
        made[one.bulk_id] = str(done.resource.id)
        return _succeeded(operations, one, done, "201")
    if method == "DELETE":
        await operations.delete(kind, text, version)
        return _shown(one) | {"location": f"{operations.base}/{kind}s/{text}", "status": "204"}
    change = operations.replace if method == "PUT" else operations.patch
    return _succeeded(operations, one, await change(kind, text, data, all_of_it, version), "200")


def _succeeded(operations: Operations, one: _Operation, done: Done, status: str) -> JsonObject:
    place = documents.location(done.resource, operations.base)
    return _shown(one) | {"location": place, "version": documents.etag(done.resource), "status": status}


def _failed(operations: Operations, one: _Operation, error: OpsError) -> JsonObject:
    document = document_of(error)
    failed = _shown(one) | {"status": document["status"], "response": document}
    # a creation that failed has no place
    return failed if one.method == "POST" else failed | {"location": f"{operations.base}/{one.path.strip('/')}"}


def _shown(one: _Operation) -> JsonObject:
    shown: JsonObject = {"method": one.method}
    return shown | {"bulkId": one.bulk_id} if one.named else shown


def _checked(body: Json) -> tuple[list[_Operation], int | None]:
    if not isinstance(body, dict) or not names_schema(body, _REQUEST):
        raise Refused.because(f"a bulk request is an object with the schema {_REQUEST}", "invalidSyntax")
    given = {key.lower(): value for key, value in body.items()}
    listed, most = given.get("operations"), given.get("failonerrors")
    if not isinstance(listed, list) or len(objects_of(listed)) != len(listed):
        raise Refused.because("Operations is a list of operations", "invalidSyntax")
    if most is not None and (isinstance(most, bool) or not isinstance(most, int) or most < 1):
        raise Refused.because("failOnErrors is a whole number from 1 on", "invalidValue")
    if len(listed) > MAX_OPERATIONS:
        raise TooLarge(f"{len(listed)} operations are more than {MAX_OPERATIONS}", remedy="send fewer at once")
    return [_operation(one) for one in objects_of(listed)], most


def _operation(one: JsonObject) -> _Operation:
    given = {key.lower(): value for key, value in one.items()}
    method, data = str(given.get("method")).upper(), given.get("data")
    if method not in _METHODS:
        raise Refused.because(f"method is one of {', '.join(_METHODS)}", "invalidSyntax")
    texts = {name: given.get(name.lower()) for name in ("path", "bulkId", "version")}
    for name, value in texts.items():
        if value is not None and not isinstance(value, str):
            raise Refused.because(f"{name} is a text", "invalidSyntax")
    path, bulk_id = text_of(texts["path"]), text_of(texts["bulkId"])
    if path is None or (method == "POST" and bulk_id is None):
        raise Refused.because("an operation has a path, and a POST a bulkId", "invalidSyntax")
    if method != "DELETE" and data is None:
        raise Refused.because(f"a {method} has data", "invalidSyntax")
    return _Operation(
        method=method, path=path, bulk_id=bulk_id or "", named=bulk_id is not None,
        version=text_of(texts["version"]), data=data,
    )  # fmt: skip


def _in_order(wanted: list[_Operation], creations: Mapping[str, int]) -> Iterator[int]:
    """As they came, but what refers to a resource comes after its creation. A circle is left to fail."""
    seen: set[int] = set()
    for root in range(len(wanted)):
        stack = [(root, False)]
        while stack:
            number, ready = stack.pop()
            if ready:
                yield number
            elif number not in seen:
                seen.add(number)
                stack.append((number, True))
                one = wanted[number]
                named = [*_references(one.path), *_references(one.data)]
                stack += [(creations[name], False) for name in named if name in creations]


def _references(value: Json) -> Iterator[str]:
    stack = [value]
    while stack:
        one = stack.pop()
        if isinstance(one, str):
            yield from (part.removeprefix(_PREFIX) for part in one.split("/") if part.startswith(_PREFIX))
        elif isinstance(one, dict):
            stack += one.values()
        elif isinstance(one, list):
            stack += one


def _resolved(value: Json, made: Mapping[str, str]) -> Json:
    if isinstance(value, str):
        return _resolved_path(value, made)
    if isinstance(value, dict):
        return {key: _resolved(one, made) for key, one in value.items()}
    if isinstance(value, list):
        return [_resolved(one, made) for one in value]
    return value


def _resolved_path(path: str, made: Mapping[str, str]) -> str:
    return "/".join(_known(part, made) for part in path.split("/")) if _PREFIX in path else path


def _known(part: str, made: Mapping[str, str]) -> str:
    if not part.startswith(_PREFIX):
        return part
    name = part.removeprefix(_PREFIX)
    if name not in made:
        raise Conflict(f"no resource was made for the bulkId {name!r:.100}", remedy="see its own result")
    return made[name]


def _target(path: str) -> tuple[Kind, str | None]:
    collection, _, text = path.strip("/").partition("/")
    for kind in Kind:
        if collection.lower() == f"{kind}s".lower():
            return kind, text or None
    raise Refused.because(f"{path!r:.100} is no path to a user or a group", "invalidPath", status=404)

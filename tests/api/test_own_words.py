"""Whatever is wrong with a request: field, problem and remedy in our own words, on every route of the description."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import httpx
import pytest

from support.foreign_words import foreign_words
from support.instance import Tenant
from support.malformed import EVERYTHING, broken_bodies, encoded, send
from support.openapi import SPECIMENS, Operation, example, wrong_values

#: What a value that does not fit is replaced by, besides what its schema says that it can't be.
ODD: tuple[Any, ...] = (
    "",
    " ",
    "nonsense",
    "2026-13-45",
    "25:61",
    "x" * 5_000,
    "http://",
    "a@b@c",
    -1,
    10**30,
    1.5,
    [[]],
)
ODD_IN_QUERIES = ("", "nonsense", "-1", "1e400", "2026-13-45T99:00:00Z", "%00", "x" * 5_000)


def wrong_bodies(operation: Operation) -> Iterator[Any]:
    """Bodies with one thing wrong, each field of each depth in turn."""
    whole = example(operation.schema, whole=True)
    yield from SPECIMENS.values()
    yield [example(operation.schema)]
    yield {**whole, "surprise": 1}
    for path, schema in _fields(operation.schema, whole):
        for wrong in (*wrong_values(schema), *ODD):
            yield _with(whole, path, wrong)
        yield _with(whole, path, None, leave_out=True)


def _fields(schema: dict[str, Any], value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    for name, inner in schema.get("properties", {}).items():
        choices = inner.get("anyOf") or inner.get("oneOf") or [inner]
        yield (*path, name), inner
        for choice in choices:
            if choice.get("type") == "object" and isinstance(value, dict) and len(path) < 3:
                yield from _fields(choice, value.get(name), (*path, name))


def _with(whole: Any, path: tuple[Any, ...], wrong: Any, *, leave_out: bool = False) -> Any:
    made = deepcopy(whole)
    here = made
    for part in path[:-1]:
        if not isinstance(here.get(part), dict):
            here[part] = {}
        here = here[part]
    if leave_out:
        here.pop(path[-1], None)
    else:
        here[path[-1]] = wrong
    return made


def judged(response: httpx.Response, what: str) -> list[str]:
    """What a reader of this refusal would stumble over."""
    if response.status_code < 400 or response.status_code == 404:
        return []
    if response.status_code >= 500:
        return [f"{what}: answered {response.status_code}"]
    said = response.text
    found = [f"{what}: says {word!r}: {said[:300]}" for word in foreign_words(said)]
    if response.status_code == 422 and "json" in response.headers["content-type"]:
        found += [
            f"{what}: no {part} in {error}"
            for error in response.json().get("errors", [])
            for part in ("field", "problem", "remedy")
            if not error.get(part)
        ]
    return found


#: Every field meets a share of the wrong values; all of them with EVERY_WRONG_VALUE=1, which takes five times as long.
SHARE = 1 if EVERYTHING else 5


@pytest.mark.slow(reason="sends wrong values to every field of every route")
async def test_no_route_speaks_in_a_librarys_words(tenant: Tenant, everything: list[Operation]) -> None:
    found: list[str] = []
    asked = 0
    for operation in everything:
        bodies = [encoded(body) for body in wrong_bodies(operation)] if operation.schema else []
        for number, body in enumerate((*bodies, *(broken_bodies().values() if operation.schema else ()))):
            if (number + len(operation.path)) % SHARE:
                continue
            found += judged(await send(tenant, operation, body), f"{operation} {body[:80]!r}")
            asked += 1
        for parameter in operation.parameters:
            for odd in ODD_IN_QUERIES if parameter["in"] == "query" else ():
                if (asked + len(odd)) % SHARE:
                    asked += 1
                    continue
                url = f"{operation.url()}?{parameter['name']}={odd}"
                sent = json.dumps(example(operation.schema)).encode() if operation.schema else b""
                answer = await tenant.http.request(
                    operation.method, url, content=sent, headers={"Content-Type": "application/json"}
                )
                found += judged(answer, f"{operation}?{parameter['name']}={odd[:30]}")
                asked += 1
    assert not found, f"{len(found)} of {asked}:\n" + "\n".join(found)
    assert asked > 1_500

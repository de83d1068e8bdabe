"""The pages of a declared list, one after the other, and whether it came whole."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

from opsteward.core.errors import BadReply
from opsteward.core.http_client.json_calls import JsonCalls, JsonReply
from opsteward.core.json_types import Json
from opsteward.integrations.rest.config import RestResource

_PAGES_LIMIT = 100_000
_NEXT_LINK = re.compile(r"<([^<>]{1,4000})>[^,<]{0,500}?;\s*rel=\"?next\"?", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Page:
    """The records of one page; `total` where the API says how many there are."""

    items: list[Json]
    total: int | None


async def pages_of(calls: JsonCalls, resource: RestResource, since: str | None) -> AsyncIterator[Page]:
    """Each page of the list. Raises BadReply for what is no list and for pages that go in a circle."""
    paging = resource.paging
    query: dict[str, object] = dict(resource.query)
    if since is not None:
        query[resource.since_param] = since
    if paging.size_param:
        query[paging.size_param] = paging.size
    if paging.kind in {"page", "offset"}:
        query[paging.param] = paging.first if paging.kind == "page" else 0
    url = calls.address(resource.path, query)
    asked: set[str] = set()
    count, number = 0, paging.first
    while url:
        if url in asked or len(asked) >= _PAGES_LIMIT:
            raise BadReply(f"the pages of {resource.path} go in a circle")
        asked.add(url)
        reply = await calls.call("GET", url)
        items = at_way(reply.data, resource.items)
        if not isinstance(items, list):
            raise BadReply(
                f"{resource.path} answered without a list" + (f" at {resource.items}" * bool(resource.items))
            )
        total = at_way(reply.data, resource.total) if resource.total else None
        if resource.total and (isinstance(total, bool) or not isinstance(total, int)):
            raise BadReply(f"{resource.path} does not say how many records there are at {resource.total}")
        yield Page(items=items, total=total if isinstance(total, int) else None)
        count, number = count + len(items), number + 1
        following = _following(resource, reply, len(items), count=count, number=number)
        if following is None:
            return
        if paging.kind in {"next_url", "link"}:
            url = calls.address(str(following))
        else:
            query[paging.param] = following
            url = calls.address(resource.path, query)


def _following(resource: RestResource, reply: JsonReply, got: int, *, count: int, number: int) -> object | None:
    """What the next page is asked by; None behind the last."""
    paging, kind = resource.paging, resource.paging.kind
    if kind == "link":
        found = _NEXT_LINK.search(reply.headers.get("link", ""))
        return found.group(1) if found else None
    if kind in {"cursor", "next_url"}:
        value = at_way(reply.data, paging.next)
        return value if isinstance(value, str | int) and value not in ("", False) else None
    if kind == "none" or got == 0 or (not resource.total and paging.size_param and got < paging.size):
        return None
    return count if kind == "offset" else number


def at_way(data: Json, way: str) -> Json:
    """What lies at the end of a way of names joined by dots; None where it ends before."""
    for name in way.split(".") if way else ():
        if isinstance(data, dict):
            data = data.get(name)
        elif isinstance(data, list) and name.isdigit() and int(name) < len(data):
            data = data[int(name)]
        else:
            return None
    return data

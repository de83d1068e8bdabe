"""One list of an API, read by an operator's own call."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import cast

from opsteward.contracts.connector import parse_fields
from opsteward.contracts.lookups import Looked
from opsteward.core.errors import Timeout
from opsteward.core.http_client.json_calls import JsonCalls
from opsteward.core.json_types import JsonObject
from opsteward.integrations.rest.config import RestResource
from opsteward.integrations.rest.paging import pages_of

_MAX_CHARACTERS = 32 * 1024 * 1024


async def list_items(calls: JsonCalls, declared: Mapping[str, object], *, max_rows: int, seconds: float) -> Looked:
    """See `ListSource.list_items`. Items that are no objects become `{"value": item}`."""
    resource = parse_fields(RestResource, declared, prefix="call")
    rows: list[JsonObject] = []
    size = 0
    try:
        async with asyncio.timeout(seconds):
            async for page in pages_of(calls, resource, None):
                for item in page.items:
                    made = cast(JsonObject, item if isinstance(item, dict) else {"value": item})
                    size += len(json.dumps(made))
                    if len(rows) >= max_rows or size > _MAX_CHARACTERS:
                        return Looked(rows=rows, cut=True)
                    rows.append(made)
    except TimeoutError:
        raise Timeout(f"the API did not give its list within {seconds:g} s") from None
    return Looked(rows=rows)

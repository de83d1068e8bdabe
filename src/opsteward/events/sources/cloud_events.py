"""CloudEvents 1.0 over HTTP: structured, in batches, and with their attributes in headers. What an event carries is
read as any body of its source; its attributes stay beside that, for what the data does not say. Pure.

See https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast
from urllib.parse import unquote

from opsteward.core.json_types import Json, JsonObject
from opsteward.events.sources.unwrapping import CarriedTexts, storable

#: Where the attributes stand beside the data.
ATTRIBUTES = "cloudevent"
_REQUIRED = ("specversion", "id", "source", "type")
_HEADER = "ce-"
_TEXT_LIMIT = 2000


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One body out of a request. `digest`: names the delivery at its source of ours, so that it counts once; None where
    it has no name."""

    body: Json
    digest: bytes | None = None


def deliveries_of(body: Json, headers: Mapping[str, str], *, source: str, carried: CarriedTexts) -> list[Delivery]:
    """What a request delivers to a source of ours: its CloudEvents, each of a name once, or its body as it is."""
    if all(headers.get(f"{_HEADER}{name}") for name in _REQUIRED):
        named = {
            name.removeprefix(_HEADER): unquote(value) for name, value in headers.items() if name.startswith("ce-")
        }
        return [_delivery(cast(JsonObject, storable(cast(Json, named))), body, source, carried)]
    if isinstance(body, dict) and _is_event(body):
        return [_of_structured(body, source, carried)]
    if isinstance(body, list) and body and all(isinstance(one, dict) and _is_event(one) for one in body):
        named_events = (_of_structured(one, source, carried) for one in body if isinstance(one, dict))
        once: dict[bytes | None, Delivery] = {}
        for event in named_events:
            once.setdefault(event.digest, event)
        return list(once.values())
    return [Delivery(body=body)]


def _is_event(body: JsonObject) -> bool:
    return all(isinstance(body.get(name), str) and body[name] for name in _REQUIRED)


def _of_structured(event: JsonObject, source: str, carried: CarriedTexts) -> Delivery:
    attributes = {name: value for name, value in event.items() if name not in ("data", "data_base64")}
    data = event.get("data")
    if data is None and isinstance(event.get("data_base64"), str):
        data = _decoded(str(event["data_base64"]))
    return _delivery(attributes, data, source, carried)


def _delivery(attributes: JsonObject, data: Json, source: str, carried: CarriedTexts) -> Delivery:
    parsed = carried.parsed(data)
    data = data if parsed is None else parsed
    inner = data if isinstance(data, dict) else {} if data is None else {"message": data}
    named = json.dumps([source, attributes["source"], attributes["id"]]).encode()
    told = {name: value[:_TEXT_LIMIT] if isinstance(value, str) else value for name, value in attributes.items()}
    return Delivery(body={**inner, ATTRIBUTES: told}, digest=hashlib.sha256(b"cloudevent" + named).digest())


def _decoded(text: str) -> Json:
    try:
        return storable(base64.b64decode(text, validate=True).decode("utf-8", "replace"))
    except (ValueError, binascii.Error):
        return text

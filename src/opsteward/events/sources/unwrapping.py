"""Takes a body out of what carries it: SNS and Lambda records, CloudWatch Logs, Pub/Sub messages, JSON in strings."""

from __future__ import annotations

import base64
import binascii
import json
import zlib

from opsteward.core.json_types import Json

_CARRIED_LIMIT = 1_048_576
_LAYERS = 4


def unwrapped(body: Json) -> Json:
    """The innermost body. What can't be opened stays as it is."""
    for _ in range(_LAYERS):
        inner = _opened(body)
        if inner is None:
            return body
        body = inner
    return body


def _opened(body: Json) -> Json:
    if not isinstance(body, dict):
        return None
    records = body.get("Records")
    if isinstance(records, list) and records and all(isinstance(r, dict) for r in records):
        carried = [_of_record(r) for r in records]
        return carried[0] if len(carried) == 1 else carried
    if body.get("Type") == "Notification" and "Message" in body:
        return _message(body)
    if isinstance(body.get("Message"), dict) and "AlarmName" in body["Message"]:  # type: ignore[operator]
        return body["Message"]
    logs = body.get("awslogs")
    if isinstance(logs, dict) and isinstance(logs.get("data"), str):
        return _inflated(str(logs["data"]))
    message = body.get("message")
    if isinstance(message, dict) and "data" in message and ("subscription" in body or "messageId" in message):
        return _decoded(message.get("data"))
    return None


def _of_record(record: Json) -> Json:
    assert isinstance(record, dict)
    sns = record.get("Sns")
    if isinstance(sns, dict):
        return _message(sns)
    text = record.get("body")
    return _parsed(text) or record if isinstance(text, str) else record


def _message(notification: dict[str, Json]) -> Json:
    message = notification.get("Message")
    if isinstance(message, dict):
        return message
    inner = _parsed(message)
    if isinstance(inner, dict):
        return inner
    return {**{k: v for k, v in notification.items() if k != "Type"}, "Message": message}


def _parsed(text: Json) -> Json:
    if not isinstance(text, str) or text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        found: Json = json.loads(text, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return None
    return storable(found)


def storable(value: Json, depth: int = 0) -> Json:
    """Without what a database can't hold: NUL and lone surrogates; nothing too deep."""
    if depth > 40:
        return None
    if isinstance(value, str):
        return value.replace("\0", "").encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [storable(v, depth + 1) for v in value]
    if isinstance(value, dict):
        return {str(storable(k)): storable(v, depth + 1) for k, v in value.items()}
    return None if isinstance(value, float) and abs(value) == float("inf") else value


def _decoded(text: Json) -> Json:
    try:
        return _parsed(base64.b64decode(str(text), validate=True).decode())
    except (ValueError, binascii.Error):
        return None


def _inflated(text: str) -> Json:
    try:
        whole = zlib.decompressobj(31).decompress(base64.b64decode(text), _CARRIED_LIMIT)
        return _parsed(whole.decode())
    except (ValueError, zlib.error):
        return None

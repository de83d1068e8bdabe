"""Takes a body out of what carries it: SNS and Lambda records, CloudWatch Logs, Pub/Sub messages, JSON in strings."""

from __future__ import annotations

import base64
import binascii
import json
import zlib

from opsteward.core.json_types import Json

_CARRIED_LIMIT = 1_048_576
_LAYERS = 4
#: Values that all carried texts of a request may hold together: as many as a body may hold by itself, whose bound
#: counts nothing within a text. A text beyond stays a text.
_VALUES_LIMIT = 200_000


class CarriedTexts:
    """JSON within texts: what is parsed of one request, within its bound of values."""

    def __init__(self) -> None:
        self._values_left = _VALUES_LIMIT

    def parsed(self, text: Json) -> Json:
        """The object or list that a text is, storable; None for what is none, and beyond the bound."""
        if not isinstance(text, str) or text.lstrip()[:1] not in ("{", "["):
            return None
        values = text.count(",") + text.count("[") + text.count("{")
        if values > self._values_left:
            return None
        self._values_left -= values
        try:
            found: Json = json.loads(text, parse_constant=lambda _: None)
        except (ValueError, RecursionError):
            return None
        return storable(found)


def unwrapped(body: Json, carried: CarriedTexts) -> Json:
    """The innermost body. What can't be opened stays as it is."""
    opener = _Opener(carried)
    for _ in range(_LAYERS):
        inner = opener.opened(body)
        if inner is None:
            return body
        body = inner
    return body


class _Opener:
    """Opens what one body carries."""

    def __init__(self, carried: CarriedTexts) -> None:
        self._parsed = carried.parsed

    def opened(self, body: Json) -> Json:
        """What the body carries; None where it carries nothing."""
        if not isinstance(body, dict):
            return None
        records = body.get("Records")
        if isinstance(records, list) and records and all(isinstance(r, dict) for r in records):
            carried = [self._of_record(r) for r in records]
            return carried[0] if len(carried) == 1 else carried
        if body.get("Type") == "Notification" and "Message" in body:
            return self._message(body)
        alarm = body.get("Message")
        if isinstance(alarm, dict) and "AlarmName" in alarm:
            return alarm
        logs = body.get("awslogs")
        if isinstance(logs, dict) and isinstance(logs.get("data"), str):
            return self._inflated(str(logs["data"]))
        message = body.get("message")
        if isinstance(message, dict) and "data" in message and ("subscription" in body or "messageId" in message):
            return self._decoded(message.get("data"))
        return None

    def _of_record(self, record: Json) -> Json:
        assert isinstance(record, dict)
        sns = record.get("Sns")
        if isinstance(sns, dict):
            return self._message(sns)
        text = record.get("body")
        return self._parsed(text) or record if isinstance(text, str) else record

    def _message(self, notification: dict[str, Json]) -> Json:
        message = notification.get("Message")
        if isinstance(message, dict):
            return message
        inner = self._parsed(message)
        if isinstance(inner, dict):
            return inner
        return {**{k: v for k, v in notification.items() if k != "Type"}, "Message": message}

    def _decoded(self, text: Json) -> Json:
        try:
            return self._parsed(base64.b64decode(str(text), validate=True).decode())
        except (ValueError, binascii.Error):
            return None

    def _inflated(self, text: str) -> Json:
        try:
            whole = zlib.decompressobj(31).decompress(base64.b64decode(text), _CARRIED_LIMIT)
            return self._parsed(whole.decode())
        except (ValueError, zlib.error):
            return None


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

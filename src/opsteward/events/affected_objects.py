"""Which object an event is about: one of the many that share a fingerprint. Pure; what ends when is decided elsewhere.

"Disk full on db1" and "disk full on db2" are one kind of trouble and one incident, but two objects: a recovery of db1
says nothing about db2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from opsteward.core.crypto import digest
from opsteward.core.json_types import Json
from opsteward.core.word_list import words
from opsteward.events.templates import variables

_KEY_LENGTH_LIMIT = 200
#: Fields of a context that say which one it is.
_NAMING_FIELDS = frozenset(
    words("""host hostname instance node server machine vm pod container namespace cluster service job component target
    device disk mount mountpoint filesystem volume interface ip address port url endpoint domain certificate database
    db table index queue topic partition shard region zone resource resource_id object object_id entity entity_id
    account account_id tenant tenant_id customer customer_id user user_id order order_id id name""")
)
_NESTED_FIELDS = frozenset({"labels", "tags", "attributes", "resource"})


def object_of(message: str, context: Mapping[str, Json]) -> str:
    """The object's names in one line, the same for the same object; empty when the event names none."""
    parts = [*variables(message), *sorted(_named(context))]
    key = " ".join(" ".join(parts).split())
    return key if len(key) <= _KEY_LENGTH_LIMIT else f"{key[: _KEY_LENGTH_LIMIT - 20]}… {digest(parts)[:16]}"


def _named(context: Mapping[str, Json]) -> Iterator[str]:
    for name, value in context.items():
        field = str(name).casefold().replace("-", "_")
        if field in _NAMING_FIELDS and isinstance(value, (str, int)) and not isinstance(value, bool):
            yield f"{field}={value}"
        elif field in _NESTED_FIELDS and isinstance(value, Mapping):
            yield from _named({k: v for k, v in value.items() if not isinstance(v, Mapping)})

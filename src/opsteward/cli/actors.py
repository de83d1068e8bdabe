"""Who did something, by name: the operators are asked for once, whatever the length of a list."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from opsteward.cli.client import CallFailed
from opsteward.client.operations import administration

if TYPE_CHECKING:
    from opsteward.cli.client import Client
    from opsteward.client.types import Actor

Row = Mapping[str, object]


def told(actor: Actor | None) -> str | None:
    """An actor that the API names: with the token, where it was one."""
    if actor is None:
        return None
    return f"{actor['name']} (token {token})" if (token := actor.get("token")) else actor["name"]


_OPERATOR = re.compile(r"\boperator:([0-9a-f]{8}-[0-9a-f-]{27})\b")


def named(client: Client, rows: Sequence[Row], columns: Sequence[str]) -> list[Row]:
    """The rows with the operators in these columns by name."""
    texts = [row.get(column) for row in rows for column in columns]
    if not any(isinstance(text, str) and _OPERATOR.search(text) for text in texts):
        return list(rows)
    names = _names(client)
    return [
        {**row, **{c: _in_names(str(row[c]), names) for c in columns if isinstance(row.get(c), str)}} for row in rows
    ]


def in_words(client: Client, text: str) -> str:
    """The text with operators by name."""
    return _in_names(text, _names(client)) if _OPERATOR.search(text) else text


def _in_names(text: str, names: dict[str, str]) -> str:
    return _OPERATOR.sub(lambda found: names.get(found[1], found[0]), text)


def _names(client: Client) -> dict[str, str]:
    """By id; none for who may not see operators."""
    try:
        page = client.send(administration.list_operators())
    except CallFailed as failed:
        if failed.status != 403:
            raise
        return {}
    return {one["id"]: one["name"] for one in client.items_of(page)}

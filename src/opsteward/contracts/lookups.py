"""What a connector offers to who wants to read more than its declared lists: one statement, or one list of an API."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from opsteward.core.json_types import JsonObject


@dataclass(frozen=True, kw_only=True)
class Looked:
    """The rows that were found. `cut` says that there were more than was asked for."""

    rows: list[JsonObject]
    cut: bool = False


class StatementSource(ABC):
    """A database that answers one statement at a time, and changes nothing by it."""

    @abstractmethod
    async def select(self, statement: str, values: Mapping[str, object], *, max_rows: int, seconds: float) -> Looked:
        """The rows of one statement with `%(name)s` for its values, in a transaction that can't write.

        Raises ConnectorError subclasses: Timeout when it takes longer, BadReply for a statement that is none.
        """


class ListSource(ABC):
    """An API that answers lists to GET."""

    @abstractmethod
    async def list_items(self, declared: Mapping[str, object], *, max_rows: int, seconds: float) -> Looked:
        """The items of a list, page by page, as a resource of the system's settings declares it (path, query, items,
        paging). Raises Invalid for a declaration that is none, and ConnectorError subclasses."""

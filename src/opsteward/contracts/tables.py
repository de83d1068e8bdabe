"""How the tables of a database are declared as lists of records: what `settings.resources` holds there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from opsteward.contracts.records import ResourceInfo

Name = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\x00]+$")]


class Switch(BaseModel):
    """A column, and the value by which it says it: that an account is switched off, a row deleted."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    column: Name
    value: bool | int | str


class TableResource(BaseModel):
    """A table, or a query that is read only. `key` is the column that is unique and names a row.

    `changed` is a column with the time of a row's last change, for incremental reads; `deleted` says which rows count
    as gone. Without `columns` all of them are read.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    table: Annotated[str, Field(max_length=260)] = ""
    query: Annotated[str, Field(max_length=20_000)] = ""
    key: Name
    columns: Annotated[tuple[Name, ...], Field(max_length=1000)] = ()
    changed: Name | None = None
    disabled: Switch | None = None
    deleted: Switch | None = None

    @model_validator(mode="after")
    def _one_source(self) -> TableResource:
        if bool(self.table) == bool(self.query):
            raise ValueError("needs either a table or a query")
        if self.query and ";" in self.query.rstrip().rstrip(";"):
            raise ValueError("the query is more than one statement")
        return self

    @property
    def path(self) -> tuple[str, ...]:
        """Schema and table, where the schema is named."""
        return tuple(self.table.split(".", 1))

    def says_gone(self, row: Mapping[str, object]) -> bool:
        """Whether this row counts as deleted."""
        return self.deleted is not None and row.get(self.deleted.column) == self.deleted.value

    def described(self, name: str) -> ResourceInfo:
        """The list as it is offered under this name."""
        return ResourceInfo(
            name=name,
            key=self.key,
            attributes=self.columns,
            writable=bool(self.table),
            incremental=self.changed is not None,
            tells_deletions=self.changed is not None and self.deleted is not None,
        )


Tables = Annotated[dict[Name, TableResource], Field(max_length=200)]

"""Who may use an outside system, as the action takes it that keeps this there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

#: Most people of one action: its plan is read by a person, and its effect is undone as a whole.
MAX_PEOPLE = 500
#: The setting of a system that says what gives access there: a role, a group. Without it nobody's access is kept.
ACCESS_ROLE = "access_role"


class Person(BaseModel):
    """Whether the user, by this name, is to have access; `user_id` is for the reader."""

    model_config = ConfigDict(extra="forbid")

    user_id: UUID
    login: Annotated[str, Field(min_length=1, max_length=255)]
    wanted: bool


class AccessParams(BaseModel):
    """People of one system, each as it is to be from now on."""

    model_config = ConfigDict(extra="forbid")

    people: Annotated[list[Person], Field(min_length=1, max_length=MAX_PEOPLE)]


class AccessHolders(ABC):
    """A connector that can say who has access by the system's `access_role`."""

    @abstractmethod
    async def holders(self) -> Sequence[str]:
        """Their logins, whoever gave it to them; our own is left out. Raises ConnectorError."""

"""Who sent something: kept beside what is stored together with what others sent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from opsteward.core.acting import acting_as, token_of
from opsteward.core.log import correlated, correlation_id


@dataclass(frozen=True, slots=True)
class Sender:
    """An actor, the API token by which it acts, and the correlation id of its request."""

    actor: str
    token_id: UUID | None
    correlation_id: str

    @classmethod
    def present(cls, actor: str) -> Sender:
        """The actor of the present request."""
        return cls(actor, token_of(actor), correlation_id.get())

    @contextmanager
    def speaking(self) -> Iterator[None]:
        """What is recorded inside is recorded as this sender's."""
        with correlated(self.correlation_id), acting_as(self.actor, self.token_id):
            yield

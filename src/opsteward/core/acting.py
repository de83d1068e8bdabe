"""By which API token the present request acts, so that what a program did is told apart from what its owner did.

It is a fact about the request, like its correlation id; rooms record who acted, and this goes with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from uuid import UUID

#: The actor of the present request and its API token; None for a person's own session and outside of requests.
_ACTING: ContextVar[tuple[str, UUID] | None] = ContextVar("acting", default=None)


def note_acting(actor: str, token_id: UUID | None) -> None:
    """From here on this request acts as `actor`, by this API token or by none."""
    _ACTING.set((actor, token_id) if token_id is not None else None)


@contextmanager
def acting_as(actor: str, token_id: UUID | None) -> Iterator[None]:
    """The same for the length of the block."""
    reset = _ACTING.set((actor, token_id) if token_id is not None else None)
    try:
        yield
    finally:
        _ACTING.reset(reset)


def token_of(actor: str) -> UUID | None:
    """The API token by which this actor acts in the present request; None for all others."""
    acting = _ACTING.get()
    return acting[1] if acting is not None and acting[0] == actor else None

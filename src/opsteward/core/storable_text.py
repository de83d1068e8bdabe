"""Text from outside as PostgreSQL can keep it."""

from __future__ import annotations


def storable(text: str, *, limit: int | None = None) -> str:
    """Without NUL characters and lone surrogates, which no text column takes; at most `limit` characters of it."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()[:limit]

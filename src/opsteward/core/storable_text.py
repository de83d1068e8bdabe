"""Text from outside as PostgreSQL can keep it."""

from __future__ import annotations

import re

#: Controls, line and paragraph separators, and what turns the direction of the text that follows.
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def storable(text: str, *, limit: int | None = None) -> str:
    """Without NUL characters and lone surrogates, which no text column takes; at most `limit` characters of it."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()[:limit]


def in_a_sentence(text: str) -> str:
    """As it may stand among words of ours, which it can neither hide nor turn round: what is not seen is shown as a
    replacement character."""
    return _UNSEEN.sub("\ufffd", text)

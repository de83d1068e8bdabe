"""The beginning of a text that may have megabytes, without secrets; no more of it is looked through than is needed."""

from __future__ import annotations

from opsteward.core.redact import redact_text

#: What a secret may take; so much behind what is shown is looked through, too.
SECRET_LIMIT = 4_000


def redacted_excerpt(text: str, limit: int) -> tuple[str, bool]:
    """At most so many characters, and whether there were more."""
    shown, is_long = redact_text(text[: limit + SECRET_LIMIT]), len(text) > limit + SECRET_LIMIT
    if is_long:  # the end may be half a secret, which is not known as one
        shown = shown[:-SECRET_LIMIT]
    return shown[:limit], is_long or len(shown) > limit

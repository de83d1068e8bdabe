"""What stands in the address of a page: given by a browser, and so by anybody."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from opsteward.core.errors import Invalid, NotFound


def id_of(given: str, what: str) -> UUID:
    """The id of the thing that a page is about. Raises NotFound for what is no id: there can be no such thing."""
    try:
        return UUID(given)
    except ValueError:
        raise NotFound(f"no {what} of this id") from None


def cursor_of(given: str, field: str) -> UUID | None:
    """The id after which a list goes on; None for none. Raises Invalid."""
    if not given:
        return None
    try:
        return UUID(given)
    except ValueError:
        raise Invalid.field(field, "is no id", "begin at the first page") from None


def is_id(given: str) -> bool:
    """Whether this is the text of an id."""
    try:
        UUID(given)
    except ValueError:
        return False
    return True


def here_or(given: str, page: str) -> str:
    """The address that a form came from, if it is this page of ours; else the page, never another site's."""
    of_page = given == page or given.startswith(f"{page}?")
    return given if of_page and "\\" not in given and "\n" not in given and "\r" not in given else page


def storable_words(words: str) -> bool:
    """Whether the database can hold this at all, and so whether it is worth being looked for."""
    try:
        words.encode()
    except UnicodeEncodeError:
        return False
    return "\x00" not in words


def check_words(given: Mapping[str, tuple[str, int]]) -> None:
    """Raises Invalid for the first that is longer than its most, or holds what no text of ours holds."""
    for name, (value, most) in given.items():
        if len(value) > most or not storable_words(value):
            raise Invalid.field(name, "is too long, or holds what no name has", f"use up to {most} characters")

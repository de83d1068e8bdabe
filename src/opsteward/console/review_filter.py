"""What one looks for in an access review, as it stands in the page's address. Nothing is drawn or read here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import get_args
from urllib.parse import urlencode

from opsteward.console.addresses import check_words
from opsteward.core.errors import Invalid
from opsteward.directory.reviews.queries import Kind, Standing, Wanted

#: What `show` may be: nothing is what is open, of a closed campaign everything.
SHOWN = ("", "all", "open", "keep", "revoke")
MAX_SEARCHED = 200  # characters
_MAX = {"search": MAX_SEARCHED, "name": 255, "after": 100}


@dataclass(frozen=True)
class Filter:
    """A part of a person's names, a kind, a name, what was decided, and the item after which the list goes on."""

    search: str = ""
    kind: str = ""
    name: str = ""
    show: str = ""
    after: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Filter:
        """From an address, unchecked."""
        return cls(*(query.get(field.name, "") for field in fields(cls)))

    def check(self) -> None:
        """Raises Invalid for what an address of ours never holds."""
        if self.show not in SHOWN:
            raise Invalid.field("show", f"{self.show[:40]!r} is none", "leave it out, or use all, keep or revoke")
        if self.kind not in ("", *get_args(Kind)):
            raise Invalid.field("kind", f"{self.kind[:40]!r} is none", f"use {' or '.join(get_args(Kind))}")
        check_words({name: (getattr(self, name), most) for name, most in _MAX.items()})

    def changed(self, **what: str) -> Filter:
        """With some of it changed; another filter begins at the first again."""
        return replace(self, **({"after": ""} | what))

    def query(self) -> str:
        """As it stands in an address, with its question mark; empty where nothing is looked for."""
        given = {field.name: getattr(self, field.name) for field in fields(self) if getattr(self, field.name)}
        return f"?{urlencode(given)}" if given else ""

    def narrows(self) -> bool:
        """Whether it leaves something out beside what is decided."""
        return bool(self.search or self.kind or self.name)

    def wanted(self, *, closed: bool) -> Wanted:
        """The same for the service; checked before."""
        kinds: dict[str, Kind] = {one: one for one in get_args(Kind)}
        decisions: dict[str, Standing] = {one: one for one in get_args(Standing)}
        if not closed:
            decisions[""] = "open"
        return Wanted(
            search=self.search or None,
            kind=kinds.get(self.kind),
            name=self.name or None,
            decision=decisions.get(self.show),
        )

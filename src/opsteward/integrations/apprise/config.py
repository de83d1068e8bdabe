"""What a notice holds, and where the notifying actions send to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from opsteward.core.errors import Invalid

Route = Literal["security", "oncall", "admin"]
ROUTES: tuple[Route, ...] = ("security", "oncall", "admin")


class NoticeParams(BaseModel):
    """The message to send. Sizes are bounded so that no service cuts the reference off."""

    model_config = ConfigDict(extra="forbid")

    title: str = Field(min_length=1, max_length=200)
    body: str = Field(default="", max_length=4000)
    severity: Literal["low", "medium", "high"]
    event_id: str | None = Field(default=None, max_length=100)
    incident_id: str | None = Field(default=None, max_length=100)
    field: str | None = Field(default=None, max_length=200)


class MessageParams(BaseModel):
    """A message to one user, by its address."""

    model_config = ConfigDict(extra="forbid")

    email: str = Field(min_length=3, max_length=320)
    title: str = Field(min_length=1, max_length=200)
    body: str = Field(default="", max_length=10_000)


class NoticeResult(BaseModel):
    """Where it went. `channels` are names of services, never their URLs."""

    reference: str
    channels: list[str]
    failed: list[str] = []


class FieldError(BaseModel):
    """One field of the caller's input and what is wrong with it."""

    field: str
    problem: str


class ValidationErrorResult(BaseModel):
    """The problem body for the caller."""

    reference: str
    errors: list[FieldError]


def check_user_urls(urls: Sequence[str]) -> tuple[str, ...]:
    """Raises `Invalid` for a URL without a place for the address, never showing it (it holds passwords)."""
    for place, url in enumerate(urls, start=1):
        if "://" not in url or "{email}" not in url:
            raise Invalid.field(
                "OPSTEWARD_NOTIFY_USERS",
                f"URL {place} has no {{email}} in it",
                "write {email} where the user's address goes: mailtos://user:password@smtp.example.com?to={email}",
            )
    return tuple(urls)


def parse_routes(routes: Mapping[str, Sequence[str]]) -> dict[Route, tuple[str, ...]]:
    """URLs by route. Raises `Invalid` naming the route, never showing a URL (it holds tokens)."""
    unknown = sorted(set(routes) - set(ROUTES))
    if unknown:
        raise Invalid.field(f"routes.{unknown[0]}", "is no route", f"the routes are {', '.join(ROUTES)}")
    for name, urls in routes.items():
        if isinstance(urls, str) or not all(isinstance(url, str) and "://" in url for url in urls):
            raise Invalid.field(f"routes.{name}", "is no list of Apprise URLs", "see the Apprise manual")
    return {route: tuple(routes.get(route, ())) for route in ROUTES}

"""What the API takes and answers about notifications, written from the OpenAPI document by
`python docs/generate.py`.

At run time these are the JSON documents themselves: a field that a newer instance adds is there, untyped.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

from opsteward.client.types.events import Actor


class HoursIn(TypedDict):
    """Only then the route counts; a `to_time` before `from_time` goes over midnight."""

    days: list[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]]
    from_time: str
    to_time: str
    timezone: NotRequired[str]


class LinkedPerson(TypedDict):
    """`token_id`: whoever revokes this token ends the link."""

    token_id: str
    user: str
    scopes: list[str]


class NoticeView(TypedDict):
    """A message by one route. `status`: collecting, queued, sending, sent, failed, or interrupted: begun before a
    restart, so nobody knows whether it arrived, and it is not sent again."""

    id: str
    kind: str
    route: str
    told: str
    incident_ids: list[str]
    title: str
    status: str
    created_at: str
    ended_at: str | None
    channels: list[str]
    error: str | None


class PersonIn(TypedDict):
    """A user of Slack, by the ids of Slack, and the operator who they are; oneself when none is named."""

    team: str
    user: str
    operator: NotRequired[str | None]


class RouteIn(TypedDict):
    """`urls` are Apprise URLs, stored encrypted and never shown; left out, those that it has stay."""

    urls: NotRequired[list[str] | None]
    operator: NotRequired[str | None]
    position: NotRequired[int]
    matchers: NotRequired[list[str]]
    begins: NotRequired[Literal["opened", "escalated"]]
    approvals: NotRequired[bool]
    hours: NotRequired[HoursIn | None]
    next_route: NotRequired[str | None]
    group_seconds: NotRequired[int]
    repeat_seconds: NotRequired[int | None]
    report_at: NotRequired[str | None]
    timezone: NotRequired[str]
    title: NotRequired[str | None]
    body: NotRequired[str | None]


class RouteView(TypedDict):
    """A way to reach people. `services` are the kinds of its URLs, which are never shown."""

    id: str
    name: str
    services: list[str]
    operator: Actor | None
    position: int
    matchers: list[str]
    begins: Literal["opened", "escalated"]
    approvals: bool
    hours: str | None
    next_route: str | None
    group_seconds: int
    repeat_seconds: int | None
    report_at: str | None
    timezone: str
    title: str | None
    body: str | None
    last_status: NotRequired[str | None]
    last_error: NotRequired[str | None]
    last_at: NotRequired[str | None]

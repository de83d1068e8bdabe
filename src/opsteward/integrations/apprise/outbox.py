"""Where the notices lie that the action `send_notice` sends: each is begun once, whatever happens to the process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from opsteward.integrations.apprise.slack_buttons import Button


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """A notice that is begun now. `urls` hold secrets; `buttons` are for services that can have some; `path` is the
    page of ours that it is about, and `push_seed` what our key at push services is made of."""

    tenant_id: str
    route_id: str
    route: str
    urls: Sequence[str] = field(repr=False)
    title: str
    body: str
    severity: str
    buttons: Sequence[Button] = ()
    path: str = "/"
    push_seed: bytes = field(default=b"", repr=False)


class NoticeOutbox(Protocol):
    """What the action needs of the room that writes notices."""

    async def begin(self, notice_id: str) -> Delivery | None:
        """Take a notice that nobody has begun; None if it was begun before, or is none."""

    async def note_failure(self, notice_id: str, error: str) -> None:
        """It is known that no service took it."""

    async def forget(self, delivery: Delivery, urls: Sequence[str]) -> None:
        """These URLs of its route lead to nobody any more."""


class NullOutbox:
    """Holds no notice."""

    async def begin(self, notice_id: str) -> Delivery | None:
        return None

    async def note_failure(self, notice_id: str, error: str) -> None:
        return None

    async def forget(self, delivery: Delivery, urls: Sequence[str]) -> None:
        return None

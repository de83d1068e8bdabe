"""Where the notices lie that the action `send_notice` sends: each is begun once, whatever happens to the process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from opsteward.integrations.apprise.slack_buttons import Button


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """A notice that is begun now. `urls` hold secrets; `buttons` are for services that can have some."""

    route: str
    urls: Sequence[str]
    title: str
    body: str
    severity: str
    buttons: Sequence[Button] = ()


class NoticeOutbox(Protocol):
    """What the action needs of the room that writes notices."""

    async def begin(self, notice_id: str) -> Delivery | None:
        """Take a notice that nobody has begun; None if it was begun before, or is none."""

    async def note_failure(self, notice_id: str, error: str) -> None:
        """It is known that no service took it."""


class NullOutbox:
    """Holds no notice."""

    async def begin(self, notice_id: str) -> Delivery | None:
        return None

    async def note_failure(self, notice_id: str, error: str) -> None:
        return None

"""Typed bus: the low rooms tell the high ones, inside the publisher's own transaction.

A subscriber that fails fails the publisher: what must be atomic is. Subscribers are added in `app` only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

MessageT = TypeVar("MessageT")
Handler = Callable[[AsyncSession, MessageT], Awaitable[None]]


class Bus:
    """Messages are frozen dataclasses; one handler list for each class."""

    def __init__(self) -> None:
        self._handlers: dict[type, list[Handler[Any]]] = defaultdict(list)
        self._set_handlers: dict[type, list[Handler[Any]]] = defaultdict(list)

    def subscribe(self, message_type: type[MessageT], handler: Handler[MessageT]) -> None:
        """Call `handler(session, message)` for every message of exactly this type."""
        self._handlers[message_type].append(handler)

    def subscribe_sets(self, message_type: type[MessageT], handler: Handler[Sequence[MessageT]]) -> None:
        """Call `handler(session, messages)` with all messages of exactly this type that are published together."""
        self._set_handlers[message_type].append(handler)

    def is_heard(self, message_type: type) -> bool:
        """Whether anybody listens to messages of this type, for who would have to gather much to send one."""
        return message_type in self._handlers or message_type in self._set_handlers

    async def publish(self, session: AsyncSession, message: object) -> None:
        """Tell all subscribers, in the order they were added, in this transaction."""
        await self.publish_all(session, [message])

    async def publish_all(self, session: AsyncSession, messages: Sequence[object]) -> None:
        """Tell all subscribers of several messages of one type: those of sets first, and at once."""
        if not messages:
            return
        for handler in self._set_handlers.get(type(messages[0]), ()):
            await handler(session, messages)
        for message in messages:
            for handler in self._handlers.get(type(message), ()):
                await handler(session, message)

"""The list of users that a search changes at every key: one element with its rows as data, drawn in the browser."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from nicegui.element import Element

from opsteward.console.people import user_looks
from opsteward.directory.types import UserInfo, UserStatus


class UserRows(Element, component="user_rows.js"):
    """Shows users in this order; what is equal to what it shows already is not sent again.

    `address` is the page's own, which the browser shows once it changes.
    """

    def __init__(self, address: str) -> None:
        super().__init__()
        self._props["rows"] = []
        self._props["address"] = address

    def show(self, users: Sequence[UserInfo], address: str) -> None:
        """Make the list these users, at this address."""
        wanted = {"rows": [_row(user) for user in users], "address": address}
        if any(self._props[name] != value for name, value in wanted.items()):
            self._props.update(wanted)
            self.update()


def _row(user: UserInfo) -> dict[str, Any]:
    words = [user.username, *(one for one in (user.email, user.role, user.department) if one)]
    if user.expires_at is not None and user.status == UserStatus.ACTIVE:
        words.append(f"until {user.expires_at:%Y-%m-%d %H:%M} UTC")
    return {
        "id": str(user.id),
        "name": user.full_name,
        "chips": [asdict(look) for look in user_looks(user)],
        "words": words,
    }

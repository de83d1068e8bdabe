"""One question to the person before something is done: what it is, an optional reason, yes or no."""

from __future__ import annotations

from collections.abc import Callable

from nicegui import ui

from opsteward.console.elements import button, tag, text
from opsteward.core.errors import Invalid

_MAX_REASON = 2000


class Sheet:
    """A page's dialog, used again for each question."""

    def __init__(self) -> None:
        self._dialog = ui.dialog()

    async def ask(
        self,
        title: str,
        *,
        fill: Callable[[], object],
        yes: str,
        no: str = "Cancel",
        picture: str,
        kind: str,
        with_reason: bool = True,
    ) -> str | None:
        """The reason given (empty for none), or None when the person thought better of it."""
        self._dialog.clear()
        with self._dialog, tag("div", "sheet"):
            text(title, name="h2")
            fill()
            reason = None
            if with_reason:
                reason = ui.textarea("Reason (optional)").props(f"outlined autogrow maxlength={_MAX_REASON}")

            async def say_yes() -> None:
                self._dialog.submit((reason.value if reason else "") or "")

            async def say_no() -> None:
                self._dialog.submit(None)

            with tag("div", "buttons"):
                button(yes, say_yes, picture=picture, kind=kind)
                button(no, say_no, picture="close")
        answer = await self._dialog
        return answer if isinstance(answer, str) else None


def storable(reason: str) -> str:
    """A reason as it can be kept. Raises Invalid for what a browser would never send by itself."""
    try:
        reason.encode()
    except UnicodeEncodeError:
        raise Invalid.field("reason", "holds half of a surrogate pair", "remove it") from None
    if "\x00" in reason or len(reason) > _MAX_REASON:
        raise Invalid.field("reason", "holds a NUL character or is too long", f"use up to {_MAX_REASON} characters")
    return reason

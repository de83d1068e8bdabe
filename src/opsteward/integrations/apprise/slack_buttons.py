"""Buttons under a message in Slack; other services get the message without them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

#: Slack takes so many parts of a message, one of which holds the buttons of one thing.
GROUPS_LIMIT = 20
_LABEL_LIMIT = 75  # characters of a button


@dataclass(frozen=True, kw_only=True)
class Button:
    """`action` is what a press does, `value` to what; `about` is told above the buttons of the same thing."""

    action: Literal["approve", "refuse", "acknowledge"]
    value: str
    about: str


_LABELS = {"approve": "Approve", "refuse": "Refuse", "acknowledge": "Acknowledge"}
_STYLES = {"approve": {"style": "primary"}, "refuse": {"style": "danger"}}


def add_buttons(service: Any, buttons: Sequence[Button]) -> None:
    """Let this service of Apprise, if it is Slack, send the buttons with its message."""
    from apprise.plugins.slack import NotifySlack

    if buttons and isinstance(service, NotifySlack):
        # its messages are made in one method and sent by another: between them there is no other place
        setattr(service, "_send", partial(_sent_with, service._send, _blocks(buttons)))  # noqa: B010 -- it is a method


def _sent_with(
    send: Any, blocks: list[dict[str, Any]], url: str, payload: dict[str, Any], *more: Any, **named: Any
) -> Any:
    if "attachments" in payload:  # as channels and webhooks take them, and workflows do not
        payload = {**payload, "attachments": [*payload["attachments"], {"blocks": blocks}]}
    return send(url, payload, *more, **named)


def _blocks(buttons: Sequence[Button]) -> list[dict[str, Any]]:
    by_thing: dict[str, list[Button]] = {}
    for button in buttons:
        by_thing.setdefault(button.about, []).append(button)
    blocks: list[dict[str, Any]] = []
    for about, group in list(by_thing.items())[:GROUPS_LIMIT]:
        blocks.append({"type": "section", "text": {"type": "plain_text", "text": about[:2000], "emoji": False}})
        blocks.append({"type": "actions", "elements": [_element(button) for button in group]})
    return blocks


def _element(button: Button) -> dict[str, Any]:
    label = {"type": "plain_text", "text": _LABELS[button.action][:_LABEL_LIMIT]}
    return {
        "type": "button",
        "action_id": f"opsteward.{button.action}",
        "text": label,
        "value": button.value,
        **_STYLES.get(button.action, {}),
    }

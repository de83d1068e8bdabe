"""Answers Slack what became of a button that was pressed, at the address that came with the press."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from urllib.parse import urlsplit

from opsteward.core.errors import ConnectorError
from opsteward.core.http_client import HttpClient, NetworkPolicy
from opsteward.core.log import get_logger

log = get_logger(__name__)

_SECONDS = 5.0
_TEXT_LIMIT = 2_000


class SlackReplies:
    """One per process."""

    def __init__(self, origins: Sequence[str]) -> None:
        """`origins`: those that are Slack's; nothing is sent to others."""
        self._origins = frozenset(origins)
        hosts = frozenset(urlsplit(one).hostname or "" for one in origins)
        policy = NetworkPolicy(allowed_hosts=hosts)
        self._http = HttpClient(policy, timeout=_SECONDS, max_bytes=16 * 1024, max_redirects=0)

    async def send(self, url: str, text: str, *, to_all: bool) -> None:
        """Say it to all who see the message, or only to who pressed. What can't be said is logged: it is done
        nevertheless."""
        try:
            parts = urlsplit(url)
            if f"{parts.scheme}://{parts.netloc}" not in self._origins:
                raise ConnectorError("the address for the answer is none of Slack")
            said = {
                "text": html.escape(text, quote=False)[:_TEXT_LIMIT],
                "response_type": "in_channel" if to_all else "ephemeral",
                "replace_original": False,
            }
            content = json.dumps(said).encode()
            reply = await self._http.fetch(
                url, method="POST", body=content, headers={"Content-Type": "application/json"}
            )
            if reply.status != 200:
                raise ConnectorError(f"Slack answered with the status {reply.status}")
        except (ConnectorError, ValueError) as error:
            log.warning("notify.slack.unanswered", error=str(error)[:300])

"""watsonx.ai by its chat interface: nearly OpenAI's, for a project of IBM's cloud, by a token that an API key gets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import httpx2
from openai import APIConnectionError
from pydantic_ai.exceptions import ModelHTTPError, UnexpectedModelBehavior

from opsteward.core.json_types import Json, JsonObject
from opsteward.crew.language_models.chat_client import ChatClient

_VERSION = "2024-10-08"  # of the interface that is spoken here
_GRANT = "urn:ibm:params:oauth:grant-type:apikey"
_RENEWED_BEFORE = 60.0  # seconds before a token ends
#: Fields of a tool that OpenAI's interface knows and this one refuses.
_UNKNOWN = frozenset({"strict", "additionalProperties"})


class WatsonxClient(ChatClient):
    """Asks in the name of one project; its token is kept until shortly before its end."""

    def __init__(self, http: httpx2.AsyncClient, *, url: str, key: str, project_id: str, token_url: str) -> None:
        super().__init__(http, url=url, key=key)
        self._project_id, self._token_url = project_id, token_url
        self._token, self._token_until = "", 0.0
        self._renewing = asyncio.Lock()

    def request_of(self, asked: JsonObject) -> tuple[str, JsonObject]:
        """With the model and the project by their names here; a choice of tools in one word has a field of its own."""
        sent = {key: value for key, value in asked.items() if key not in ("model", "tools", "parallel_tool_calls")}
        sent |= {"model_id": asked["model"], "project_id": self._project_id}
        if "max_completion_tokens" in sent:
            sent["max_tokens"] = sent.pop("max_completion_tokens")
        if asked.get("tools"):
            sent["tools"] = _without_unknown(asked["tools"])
        if isinstance(sent.get("tool_choice"), str):
            sent["tool_choice_option"] = sent.pop("tool_choice")
        return f"{str(self.base_url).rstrip('/')}/ml/v1/text/chat?version={_VERSION}", sent

    async def login(self) -> Mapping[str, str]:
        """Raises ModelHTTPError, APIConnectionError, TimeoutError where no token is given."""
        async with self._renewing:
            if time.monotonic() >= self._token_until:
                self._token, lasts = await self._new_token()
                self._token_until = time.monotonic() + max(0.0, lasts - _RENEWED_BEFORE)
            return {"Authorization": f"Bearer {self._token}"}

    def refused(self, response: httpx2.Response) -> None:
        """A token that is no longer taken is not used again."""
        if response.status_code == httpx2.codes.UNAUTHORIZED:
            self._token_until = 0.0

    def completion_of(self, replied: JsonObject) -> JsonObject:
        """The model by OpenAI's name for it."""
        return {"object": "chat.completion", "model": replied.get("model_id"), **replied}

    async def _new_token(self) -> tuple[str, float]:
        """The token, and how many seconds it lasts."""
        form = {"grant_type": _GRANT, "apikey": self.api_key}
        try:
            response = await self._http.post(self._token_url, data=form, headers={"Accept": "application/json"})
        except httpx2.TimeoutException as error:
            raise TimeoutError from error
        except httpx2.TransportError as error:
            raise APIConnectionError(request=error.request) from error
        if not response.is_success:
            raise ModelHTTPError(response.status_code, "watsonx (its token)", headers=dict(response.headers))
        try:
            found: Any = response.json()
            return str(found["access_token"]), float(found["expires_in"])
        except (ValueError, TypeError, KeyError, RecursionError):
            raise UnexpectedModelBehavior("there is no token in the reply") from None


def _without_unknown(value: Json) -> Json:
    """A tool's description without what is refused; a parameter that is called so stays."""
    if isinstance(value, list):
        return [_without_unknown(one) for one in value]
    if not isinstance(value, dict):
        return value
    kept: JsonObject = {}
    for key, one in value.items():
        if key == "properties" and isinstance(one, dict):
            kept[key] = {name: _without_unknown(described) for name, described in one.items()}
        elif key not in _UNKNOWN:
            kept[key] = _without_unknown(one)
    return kept

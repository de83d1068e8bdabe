"""The models of each provider, by interfaces that are OpenAI's or nearly so."""

from __future__ import annotations

from functools import cached_property

import httpx2
from pydantic_ai.models import Model
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from opsteward.crew.execution.steps import StepFailed
from opsteward.crew.language_models.chat_client import ChatClient, connections
from opsteward.crew.language_models.watsonx import WatsonxClient
from opsteward.crew.settings import ModelSettings

_OPENAI, _ANTHROPIC = "https://api.openai.com/v1", "https://api.anthropic.com/v1"
_NO_KEY = "none"  # servers of one's own need none, the library does


class Providers:
    """Makes models by name; one per process."""

    def __init__(self, settings: ModelSettings) -> None:
        self._settings = settings
        self._models: dict[str, Model] = {}

    @cached_property
    def _http(self) -> httpx2.AsyncClient:
        return connections(self._settings.model_timeout)

    def model(self, name: str) -> Model:
        """The model `provider:name`. Raises StepFailed where its provider is not set up."""
        if name not in self._models:
            provider, _, model = name.partition(":")
            client = self._watsonx(name) if provider == "watsonx" else self._compatible(provider, name)
            self._models[name] = OpenAIChatModel(model, provider=OpenAIProvider(openai_client=client))
        return self._models[name]

    def _compatible(self, provider: str, name: str) -> ChatClient:
        url, key = self._place(provider, name)
        return ChatClient(self._http, url=url, key=key)

    def _watsonx(self, name: str) -> ChatClient:
        settings = self._settings
        key = settings.watsonx_api_key.get_secret_value() if settings.watsonx_api_key else None
        return WatsonxClient(
            self._http,
            url=self._needed(settings.watsonx_url, name, "WATSONX_URL"),
            key=self._needed(key, name, "WATSONX_API_KEY"),
            project_id=self._needed(settings.watsonx_project_id, name, "WATSONX_PROJECT_ID"),
            token_url=settings.watsonx_token_url,
        )

    def _place(self, provider: str, name: str) -> tuple[str, str]:
        settings = self._settings
        openai_key = settings.openai_api_key.get_secret_value() if settings.openai_api_key else None
        if provider == "openai":
            return _OPENAI, self._needed(openai_key, name, "OPENAI_API_KEY")
        if provider == "anthropic":
            key = settings.anthropic_api_key.get_secret_value() if settings.anthropic_api_key else None
            return _ANTHROPIC, self._needed(key, name, "ANTHROPIC_API_KEY")
        if provider == "ollama":
            return settings.ollama_url, _NO_KEY
        if provider == "compatible":
            return self._needed(settings.model_url, name, "OPSTEWARD_MODEL_URL"), openai_key or _NO_KEY
        raise StepFailed(f"{name} is of no provider that is known", remedy="see OPSTEWARD_MODEL")

    @staticmethod
    def _needed(value: str | None, name: str, setting: str) -> str:
        if not value:
            raise StepFailed(f"{name} can't be asked: {setting} is not set", remedy=f"set {setting}")
        return value

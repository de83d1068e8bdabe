"""The settings of the crew, and of the models that it may use."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from opsteward.core.settings import SettingsGroup


class CrewSettings(SettingsGroup):
    """How much the crew does at once, how long it may take, and what it may try out."""

    crew_agents: Path | None = Field(
        default=None, description="Folder of your own agents' files, which add to those that ship or override them."
    )
    crew_concurrent_workflows: int = Field(default=50, ge=1, le=1000, description="Pieces of work that run at once.")
    crew_task_timeout: float = Field(default=600.0, gt=0, le=86_400, description="Longest time of one piece of work.")
    crew_agent_timeout: float = Field(default=300.0, gt=0, le=86_400, description="Longest time of one agent's part.")
    crew_engine_seconds: float = Field(
        default=30.0, gt=0, le=3600, description="Most processor time of one engine's run, in a process of its own."
    )
    crew_memory_mb: int = Field(
        default=1000, ge=100, description="Memory of the process, in MB, above which the crew warns."
    )
    crew_requests_per_minute: int = Field(
        default=100, ge=1, description="Pieces of work that one tenant may ask for in a minute."
    )
    crew_cache: bool = Field(default=True, description="Give the result of equal work again instead of redoing it.")
    crew_cache_seconds: float = Field(default=300.0, gt=0, description="How long a result may be given again.")
    crew_agent_memory: bool = Field(default=False, description="Let agents keep notes for later work of their tenant.")
    crew_slow_alert: float = Field(default=60.0, gt=0, description="A 95th percentile above this is an alert.")
    crew_explore: list[str] = Field(
        default_factory=list,
        description="Types of work of which strategies may be tried out, or all; none: the matrix alone decides.",
    )
    crew_second_costs: float = Field(
        default=0.001,
        ge=0,
        description="What a second of waiting is worth, in US dollars, when strategies are compared.",
    )
    crew_failure_costs: float = Field(
        default=1.0, ge=0, description="What a failure is worth, in US dollars, when strategies are compared."
    )
    crew_retention: float = Field(
        default=30 * 86_400.0, gt=0, description="Ended work of the crew is forgotten after this."
    )
    crew_gateway: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s/]+",
        description="Address of the gateway at which brain/register-routes registers the crew's routes.",
    )
    crew_gateway_token: SecretStr | None = Field(default=None, description="Bearer token for the gateway.")


class Price(BaseModel):
    """US dollars for a million tokens."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    output: Annotated[float, Field(ge=0, allow_inf_nan=False)]


class ModelSettings(SettingsGroup):
    """Which language model the crew may ask, and what that may cost. Without a model all work is done by rules."""

    model: str | None = Field(
        default=None,
        pattern=r"^(openai|ollama|compatible|anthropic|watsonx):\S+$",
        description="The model, as openai:NAME, anthropic:, watsonx:, ollama: or compatible:NAME; unset: none.",
    )
    model_fallbacks: list[str] = Field(
        default_factory=list, description="Models that are asked when the first fails, in this order."
    )
    model_url: str | None = Field(
        default=None, description="Address of the server of compatible: models, up to and with /v1."
    )
    model_prices: dict[str, Price] = Field(
        default_factory=dict,
        description='US dollars for a million tokens by model, as {"openai:NAME": {"input": 1, "output": 4}}.',
    )
    model_timeout: float = Field(default=60.0, gt=0, le=3600, description="Longest time of one call of a model.")
    model_retries: int = Field(default=1, ge=0, le=10, description="Further tries of a call that may yet work.")
    model_max_output_tokens: int = Field(default=1500, ge=16, le=200_000, description="Longest reply of a model.")
    model_call_money: float = Field(default=0.25, ge=0, description="Most that one call may cost, in US dollars.")
    model_agent_day_money: float = Field(default=5.0, ge=0, description="Most that one agent may spend in a day.")
    model_tenant_day_money: float = Field(default=20.0, ge=0, description="Most that one tenant may spend in a day.")
    model_breaker_failures: int = Field(
        default=5, ge=1, description="Failures in a row after which a model is not asked for a while."
    )
    model_breaker_seconds: float = Field(default=60.0, gt=0, description="How long it is not asked then.")
    model_event_confidence: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="analyze-event asks the model about events that the rules are less sure of; 0: none.",
    )
    model_content: bool = Field(
        default=False, description="Keep and trace what is said to models and by them, secrets cut out."
    )
    openai_api_key: SecretStr | None = Field(
        validation_alias="OPENAI_API_KEY", default=None, description="Key of OpenAI, and of compatible: models."
    )
    anthropic_api_key: SecretStr | None = Field(
        validation_alias="ANTHROPIC_API_KEY", default=None, description="Key of Anthropic."
    )
    watsonx_api_key: SecretStr | None = Field(
        validation_alias="WATSONX_API_KEY", default=None, description="Key of IBM's cloud for watsonx.ai."
    )
    watsonx_url: str | None = Field(
        validation_alias="WATSONX_URL",
        default=None,
        description="Address of watsonx.ai in your region, as https://us-south.ml.cloud.ibm.com.",
    )
    watsonx_project_id: str | None = Field(
        validation_alias="WATSONX_PROJECT_ID", default=None, description="The project of watsonx.ai that is charged."
    )
    watsonx_token_url: str = Field(
        validation_alias="WATSONX_TOKEN_URL",
        default="https://iam.cloud.ibm.com/identity/token",
        description="Where the key is exchanged for a token.",
    )
    ollama_url: str = Field(
        validation_alias="OLLAMA_BASE_URL",
        default="http://localhost:11434/v1",
        description="Address of Ollama's compatible interface.",
    )

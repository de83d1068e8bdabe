"""One agent's calls of models within a run: recorded, replayed, reserved and settled, tried again, traced."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, cast
from uuid import UUID

from pydantic import TypeAdapter
from pydantic_ai import exceptions as failures
from pydantic_ai.messages import ModelMessage, ModelMessagesTypeAdapter, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings as CallSettings

from opsteward.core.backoff import backoff, with_jitter
from opsteward.core.clock import now
from opsteward.core.json_types import JsonObject
from opsteward.core.log import get_logger
from opsteward.crew.agents.types import Agent
from opsteward.crew.delegation.memory import MICROS
from opsteward.crew.execution.steps import StepFailed
from opsteward.crew.language_models.breaker import Breakers
from opsteward.crew.language_models.excerpts import redacted_excerpt
from opsteward.crew.language_models.ledger import Call, Ceiling, Ledger, Taken, TooManyCalls, day_of
from opsteward.crew.language_models.prices import price_of
from opsteward.crew.language_models.providers import Providers
from opsteward.crew.language_models.replies import ErrorInReply
from opsteward.crew.settings import ModelSettings
from opsteward.telemetry import traces

log = get_logger(__name__)

_RESPONSE = TypeAdapter(ModelResponse)
#: A token is at least a byte; what the interface adds around messages is well below this.
_OVERHEAD_TOKENS = 200
_LEAST_REPLY = 64  # tokens; a shorter one says nothing
_CONTENT_LIMIT = 20_000
_TOKENS_LIMIT = 10**9  # of one reply
_BACKOFF_LIMIT = 5.0  # seconds


class ModelFailed(StepFailed):
    """No model gave a usable reply."""

    code = "crew_model_failed"
    http_status = 502
    title = "A language model failed"


@dataclass(frozen=True, kw_only=True)
class ModelsInUse:
    """What the calls of a process share."""

    settings: ModelSettings
    providers: Providers
    breakers: Breakers


@dataclass
class CallSeries:
    """The calls of one agent at one place in a run. `deadline`: of the event loop's clock; `limits_of`: the agents
    whose limits count, the agent itself and who handed over to it."""

    shared: ModelsInUse
    ledger: Ledger
    run_id: UUID
    agent: Agent
    place: str
    deadline: float
    limits_of: Sequence[Agent]
    used: list[str] = field(default_factory=list)
    count: int = 0

    def model(self) -> Model:
        """As the library takes it: every request goes through `ask`."""
        return _Recorded(self, self.shared.providers.model(self.chain()[0]))

    def chain(self) -> list[str]:
        """The models to ask, in this order."""
        first = self.agent.model or self.shared.settings.model
        if first is None:
            raise ModelFailed("no model is configured")
        return [first, *(one for one in self.shared.settings.model_fallbacks if one != first)]

    async def ask(
        self, messages: list[ModelMessage], settings: CallSettings | None, parameters: ModelRequestParameters
    ) -> ModelResponse:
        """The next reply: the recorded one, else that of the first model that gives one. Raises StepFailed."""
        self.count += 1
        name = f"{self.place}:{self.count}"
        recorded = await self.ledger.recorded(self.run_id, name)
        if recorded is not None:
            self.used.append(str(recorded["model"]))
            return _RESPONSE.validate_python(recorded["response"])
        last = ModelFailed("no model may be asked now: all have failed too often", remedy="opsteward models test")
        for model in self.chain():
            for attempt in range(self.shared.settings.model_retries + 1):
                if not self.shared.breakers.may_ask(model):
                    break
                try:
                    return await self._one(name, model, messages, settings, parameters)
                except _MayYetWork as error:
                    last = ModelFailed(error.words)
                    if attempt < self.shared.settings.model_retries:
                        await asyncio.sleep(min(error.wait or _pause(attempt), self._left()))
                except ModelFailed as error:
                    last = error
                    break
        raise last

    async def _one(
        self,
        name: str,
        model: str,
        messages: list[ModelMessage],
        settings: CallSettings | None,
        parameters: ModelRequestParameters,
    ) -> ModelResponse:
        price = price_of(model, self.shared.settings.model_prices)
        sent = ModelMessagesTypeAdapter.dump_json(messages) + repr(parameters).encode()
        most_input = len(sent) + _OVERHEAD_TOKENS
        tokens_left = min(one.limits.tokens for one in self.limits_of) - most_input
        most_output = min(self.shared.settings.model_max_output_tokens, max(_LEAST_REPLY, tokens_left))
        call = Call(
            run_id=self.run_id,
            name=name,
            agent=self.agent.name,
            model=model,
            tokens=most_input + most_output,
            micros=price.micros(most_input, most_output),
            ceilings=self._ceilings(),
            calls_per_minute=min(one.limits.calls_per_minute for one in self.limits_of),
        )
        if call.micros > self.shared.settings.model_call_money * MICROS:
            raise ModelFailed(
                f"one call may cost up to {call.micros / MICROS:.4f} US dollars, which is too much",
                remedy="raise OPSTEWARD_MODEL_CALL_MONEY, or send less",
            )
        await self._reserve(call)
        settings = cast(CallSettings, {**(settings or {}), "max_tokens": most_output})
        began = time.monotonic()
        about: dict[str, str | int | float | bool] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": model.partition(":")[0],
            "gen_ai.request.model": model.partition(":")[2],
            "gen_ai.request.max_tokens": most_output,
            "gen_ai.agent.name": self.agent.name,
            "opsteward.crew.task": str(self.run_id),
        }
        with traces.span(f"chat {model.partition(':')[2]}", about) as span:
            try:
                async with asyncio.timeout(min(self.shared.settings.model_timeout, self._left())):
                    replied = await self.shared.providers.model(model).request(messages, settings, parameters)
                recorded = _storable(replied)
                response = _RESPONSE.validate_json(recorded)
            except BaseException as error:
                failure = _failure(error, model)
                seconds = time.monotonic() - began
                await asyncio.shield(self.ledger.fail(call, failure.words, billed=failure.billed, seconds=seconds))
                if isinstance(error, Exception):
                    self.shared.breakers.note(model, ok=False)
                    span.fail(failure.words)
                    raise (failure if failure.again else ModelFailed(failure.words)) from error
                raise
            self.shared.breakers.note(model, ok=True)
            taken = self._taken(response, call, most_input, most_output, price.micros, time.monotonic() - began)
            content = self._content(messages, recorded.decode())
            span.note(
                {
                    "gen_ai.response.model": response.model_name or model,
                    "gen_ai.usage.input_tokens": taken.input_tokens,
                    "gen_ai.usage.output_tokens": taken.output_tokens,
                    "opsteward.cost_usd": taken.micros / MICROS,
                    **({f"gen_ai.{key}": json.dumps(value) for key, value in content.items()} if content else {}),
                }
            )
        reply = cast(JsonObject, {"model": model, "response": json.loads(recorded)})
        await asyncio.shield(self.ledger.settle(call, taken, reply=reply, content=content))
        self.used.append(model)
        return response

    async def _reserve(self, call: Call) -> None:
        """Waits for its turn where the calls of a minute are used up and there is time."""
        while True:
            try:
                await self.ledger.reserve(call)
                return
            except TooManyCalls as error:
                if error.wait >= self._left():
                    raise
                await asyncio.sleep(error.wait)

    def _ceilings(self) -> list[Ceiling]:
        settings, day = self.shared.settings, day_of(now())
        run = [
            Ceiling(
                scope=f"run {self.run_id} {one.name}",
                words=f"{one.name} in this work",
                tokens=one.limits.tokens,
                micros=int(one.limits.money * MICROS),
            )
            for one in self.limits_of
        ]
        return [
            *run,
            Ceiling(
                scope=f"agent {self.agent.name} {day}",
                words=f"{self.agent.name} in a day (OPSTEWARD_MODEL_AGENT_DAY_MONEY)",
                micros=int(settings.model_agent_day_money * MICROS),
            ),
            Ceiling(
                scope=f"tenant {day}",
                words="this tenant in a day (OPSTEWARD_MODEL_TENANT_DAY_MONEY)",
                micros=int(settings.model_tenant_day_money * MICROS),
            ),
        ]

    def _left(self) -> float:
        return max(0.05, self.deadline - asyncio.get_running_loop().time())

    @staticmethod
    def _taken(
        response: ModelResponse, call: Call, most_input: int, most_output: int, cost: Any, seconds: float
    ) -> Taken:
        """As the reply says; where it says nothing, or what can't be, all that was reserved."""
        used_input, used_output = response.usage.input_tokens, response.usage.output_tokens
        if not (0 < used_input <= _TOKENS_LIMIT and 0 <= used_output <= _TOKENS_LIMIT):
            used_input, used_output = most_input, most_output
        return Taken(
            input_tokens=used_input,
            output_tokens=used_output,
            micros=int(cost(used_input, used_output)),
            seconds=seconds,
        )

    def _content(self, messages: list[ModelMessage], replied: str) -> JsonObject | None:
        """What was said, where that is to be kept; secrets are cut out."""
        if not self.shared.settings.model_content:
            return None
        said = ModelMessagesTypeAdapter.dump_json(messages[-1:]).decode()
        return {
            "input.messages": redacted_excerpt(said, _CONTENT_LIMIT)[0],
            "output.messages": redacted_excerpt(replied, _CONTENT_LIMIT)[0],
        }


def _storable(response: ModelResponse) -> bytes:
    """The reply as JSON that the database takes, with another sign for each NUL: also for those within the JSON of a
    tool's arguments. Raises ValueError for half of a surrogate pair."""
    return _RESPONSE.dump_json(response).replace(rb"\u0000", rb"\ufffd")


class _MayYetWork(Exception):
    """A failed call, in words. `billed`: it may have been paid for; `again`: trying again may help."""

    def __init__(self, words: str, *, billed: bool, again: bool, wait: float | None = None) -> None:
        super().__init__(words)
        self.words, self.billed, self.again, self.wait = words, billed, again, wait


def _failure(error: BaseException, model: str) -> _MayYetWork:
    """What a library's error means."""
    if isinstance(error, TimeoutError):
        return _MayYetWork(f"{model} did not answer in its time", billed=True, again=True)
    if isinstance(error, failures.ModelHTTPError):
        again = error.status_code in (408, 409, 429) or error.status_code >= 500
        wait = _retry_after(error.headers)
        billed = isinstance(error, ErrorInReply)
        return _MayYetWork(f"{model} answered {error.status_code}", billed=billed, again=again, wait=wait)
    if isinstance(error, failures.ModelAPIError):
        return _MayYetWork(f"{model} could not be reached, or broke off", billed=True, again=True)
    if isinstance(error, StepFailed):
        return _MayYetWork(error.detail, billed=False, again=False)
    if isinstance(error, asyncio.CancelledError):
        return _MayYetWork("the work was stopped meanwhile", billed=True, again=False)
    return _MayYetWork(f"{model} gave a reply that can't be read", billed=True, again=True)


def _retry_after(headers: dict[str, str] | None) -> float | None:
    """The seconds that a server asks for, as a number, as milliseconds or as a time; a few of them at most."""
    told = headers or {}
    try:
        if "retry-after-ms" in told:
            seconds = float(told["retry-after-ms"]) / 1000
        elif (value := told.get("retry-after", "")).strip()[:1].isalpha():
            seconds = (parsedate_to_datetime(value) - now()).total_seconds()
        else:
            seconds = float(value)
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(0.0, seconds), _BACKOFF_LIMIT)


def _pause(attempt: int) -> float:
    return with_jitter(backoff(attempt, factor=2.0, limit=_BACKOFF_LIMIT))


class _Recorded(WrapperModel):
    """The library's model, whose requests go through a series."""

    def __init__(self, series: CallSeries, wrapped: Model) -> None:
        super().__init__(wrapped)
        self._series = series

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: CallSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        return await self._series.ask(messages, model_settings, model_request_parameters)

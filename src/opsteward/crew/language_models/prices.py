"""What a call of a model costs: by the operator's price, else by the published one. Without any it is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal

from opsteward.crew.execution.steps import StepFailed
from opsteward.crew.settings import Price

_PUBLISHED = frozenset({"openai", "anthropic"})


@dataclass(frozen=True)
class TokenPrice:
    """Millionths of a US dollar for a million tokens."""

    input: Decimal
    output: Decimal

    def micros(self, input_tokens: int, output_tokens: int) -> int:
        """What so many tokens cost, in millionths of a US dollar, rounded up."""
        cost = (self.input * input_tokens + self.output * output_tokens) / 1_000_000
        return int(cost.to_integral_value(rounding=ROUND_UP))


def price_of(model: str, stated: Mapping[str, Price]) -> TokenPrice:
    """The price of `provider:name`. Raises StepFailed where nobody knows it."""
    if (own := stated.get(model)) is not None:
        return TokenPrice(Decimal(str(own.input)) * 1_000_000, Decimal(str(own.output)) * 1_000_000)
    provider, _, name = model.partition(":")
    if provider in _PUBLISHED and (published := _published(provider, name)) is not None:
        return published
    raise StepFailed(
        f"the price of {model} is not known, so it is not asked",
        remedy=f'state it (0 is free): OPSTEWARD_MODEL_PRICES={{"{model}": {{"input": ..., "output": ...}}}}',
    )


def _published(provider: str, name: str) -> TokenPrice | None:
    from genai_prices import Usage, calc_price

    million = 1_000_000
    try:
        # each alone: some prices rise with the length of the request
        costs = [
            calc_price(usage, model_ref=name, provider_id=provider).total_price
            for usage in (Usage(input_tokens=million), Usage(output_tokens=million))
        ]
    except LookupError:
        return None
    return TokenPrice(Decimal(costs[0]) * million, Decimal(costs[1]) * million)

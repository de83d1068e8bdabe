"""Billing: what is asked for, what comes back, and the task types. Sums are never made over two currencies."""

from __future__ import annotations

import itertools
from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, Field, field_validator, model_validator

from opsteward.crew.catalogue.declaring import (
    MAX_ROWS,
    Amount,
    Day,
    EngineResult,
    Name,
    Parameters,
    Row,
    task_type,
    today,
)
from opsteward.crew.types import Complexity

#: Read as it is written: 0.1 is a tenth, and sums are exact.
Money = Annotated[Decimal, Field(max_digits=18, decimal_places=6, allow_inf_nan=False)]
Currency = Annotated[str, Field(max_length=10)]


class Invoice(Row):
    """An invoice, or a credit note (negative). `paid` is what came in for it by now."""

    invoice_id: Annotated[str, Field(max_length=200)] | int
    customer: Annotated[str, Field(min_length=1, max_length=200)] | int
    amount: Money
    paid: Money = Decimal(0)
    currency: Currency = ""
    issued: Day | None = None
    due: Day
    #: why nobody is to remind: "dispute", a plan to pay, ...
    hold: Annotated[str, Field(max_length=300)] | None = None


class ReceivablesAgeing(Parameters):
    """Open invoices by how long they are due. `loss_rates` are the shares that are lost, one for each bucket."""

    invoices: Annotated[list[Invoice], Field(min_length=1, max_length=MAX_ROWS)]
    as_of: Day = Field(default_factory=today)
    #: days overdue at which a bucket ends
    buckets: Annotated[list[Annotated[int, Field(ge=1, le=10_000)]], Field(min_length=1, max_length=20)] = [30, 60, 90]
    loss_rates: Annotated[list[Annotated[float, Field(ge=0, le=1)]], Field(max_length=22)] = []

    @field_validator("buckets")
    @classmethod
    def _rising(cls, value: list[int]) -> list[int]:
        if sorted(set(value)) != value:
            raise ValueError("each bucket has to end later than the one before it")
        return value

    @model_validator(mode="after")
    def _a_rate_each(self) -> ReceivablesAgeing:
        if self.loss_rates and len(self.loss_rates) != len(self.buckets) + 2:
            raise ValueError(f"loss_rates: {len(self.buckets) + 2} are needed (not due, each bucket, and beyond)")
        return self


class Bucket(BaseModel):
    """What is open between two ages."""

    name: str
    amount: float
    invoices: int
    share: float


class CustomerDebt(BaseModel):
    """What one customer owes."""

    customer: str
    open: float
    overdue: float
    oldest_days: int
    share: float
    buckets: dict[str, float]


class CurrencyAgeing(BaseModel):
    """All that is open in one currency."""

    currency: str
    open: float
    overdue: float
    #: open credit notes and payments beyond the amount, as a negative sum
    credits: float
    buckets: list[Bucket]
    customers: list[CustomerDebt]
    #: days of sales that are open, where `issued` says enough
    days_sales_outstanding: float | None
    expected_loss: float | None
    #: of the open sum, owed by the five largest
    top5_share: float


class Ageing(EngineResult):
    """One table for each currency."""

    as_of: date
    currencies: list[CurrencyAgeing]


class DunningStep(Parameters):
    """From so many days overdue on this is sent."""

    after_days: Annotated[int, Field(ge=0, le=3650)]
    action: Name
    channel: Annotated[str, Field(max_length=60)] = "email"
    fee: Money = Decimal(0)


class DunnedInvoice(Invoice):
    """An invoice with what was sent for it already."""

    last_step: Annotated[int, Field(ge=0, le=50)] = 0
    last_sent: Day | None = None


class DunningPlan(Parameters):
    """Overdue invoices, and the steps of reminding. Steps are never skipped, and never come closer than `min_gap`."""

    invoices: Annotated[list[DunnedInvoice], Field(min_length=1, max_length=MAX_ROWS)]
    as_of: Day = Field(default_factory=today)
    steps: Annotated[list[DunningStep], Field(min_length=1, max_length=20)] = [
        DunningStep(after_days=3, action="friendly reminder"),
        DunningStep(after_days=14, action="first reminder"),
        DunningStep(after_days=30, action="second reminder"),
        DunningStep(after_days=45, action="last notice", channel="letter"),
        DunningStep(after_days=60, action="hand over to collection", channel="person"),
    ]
    min_gap_days: Annotated[int, Field(ge=0, le=365)] = 7
    #: less than this is not worth a reminder
    min_amount: Amount = 5
    horizon_days: Annotated[int, Field(ge=0, le=365)] = 30
    holidays: Annotated[list[Day], Field(max_length=1000)] = []

    @field_validator("steps")
    @classmethod
    def _later(cls, value: list[DunningStep]) -> list[DunningStep]:
        if any(after.after_days <= before.after_days for before, after in itertools.pairwise(value)):
            raise ValueError("each step has to come later than the one before it")
        return value


class DunningAction(BaseModel):
    """One message to one customer about all invoices whose turn it is; the sternest step names it."""

    day: date
    customer: str
    currency: str
    step: int
    action: str
    channel: str
    invoices: list[str]
    amount: float
    fee: float
    reason: str


class LeftAlone(BaseModel):
    """An invoice that nobody is reminded of, and why."""

    invoice: str
    customer: str
    open: float
    reason: str


class Dunning(EngineResult):
    """What to send when, and what to leave alone."""

    actions: list[DunningAction]
    left_alone: list[LeftAlone]
    due_today: int


class RevenueRow(Row):
    """What a customer pays in a period; with quantity and price of a product it can be taken apart further."""

    customer: Annotated[str, Field(min_length=1, max_length=200)] | int
    period: Name
    amount: Money | None = None
    currency: Currency = ""
    product: Annotated[str, Field(max_length=200)] = ""
    quantity: Money | None = None
    price: Money | None = None

    @model_validator(mode="after")
    def _some_amount(self) -> RevenueRow:
        if self.amount is None and (self.quantity is None or self.price is None):
            raise ValueError("needs amount, or quantity and price")
        return self

    @property
    def value(self) -> Decimal:
        """The amount, or what quantity and price make."""
        if self.amount is not None:
            return self.amount
        return (self.quantity or Decimal(0)) * (self.price or Decimal(0))


class RevenueBridge(Parameters):
    """Recurring revenue by customer in periods; their order is the order of their names, unless `periods` says it."""

    rows: Annotated[list[RevenueRow], Field(min_length=1, max_length=MAX_ROWS)]
    periods: Annotated[list[Name], Field(max_length=120)] = []


class BridgeStep(BaseModel):
    """From one period to the next: the parts add up exactly."""

    currency: str
    before: str
    after: str
    opening: float
    new: float
    reactivated: float
    expansion: float
    contraction: float
    churned: float
    closing: float
    #: of the revenue of `before`: what is left with and without expansion; null where there was none
    net_retention: float | None
    gross_retention: float | None
    customers_before: int
    customers_after: int
    customers_lost: int
    #: the largest movements
    movers: list[str]
    #: by price, quantity and product, where every row of both periods says them
    by_price: float | None
    by_quantity: float | None
    by_products: float | None


class Bridge(EngineResult):
    """Step by step."""

    steps: list[BridgeStep]


class OddInvoiceRow(Row):
    """An invoice as it was received or sent."""

    invoice_id: Annotated[str, Field(max_length=200)] | int
    party: Annotated[str, Field(min_length=1, max_length=200)] | int
    amount: Money
    currency: Currency = ""
    issued: Day | None = None
    due: Day | None = None
    net: Money | None = None
    tax: Money | None = None
    lines: Annotated[list[Money], Field(max_length=2000)] = []
    account: Annotated[str, Field(max_length=100)] | None = None


class InvoiceAnomalies(Parameters):
    """Invoices; each is compared with the others of its party."""

    invoices: Annotated[list[OddInvoiceRow], Field(min_length=1, max_length=MAX_ROWS)]
    #: days within which the same amount of the same party is taken for a double
    double_within_days: Annotated[int, Field(ge=0, le=365)] = 45
    #: amounts that need somebody's approval: many just below one are odd
    approval_limits: Annotated[list[Amount], Field(max_length=20)] = []
    top: Annotated[int, Field(ge=1, le=10_000)] = 200


class OddInvoice(BaseModel):
    """An invoice that is odd, and why; `score` from 0 to 1."""

    invoice: str
    party: str
    score: float
    kinds: list[str]
    reasons: list[str]


class OddInvoices(EngineResult):
    """The oddest first; `benford` says how likely the first digits are by chance, where there are enough."""

    invoices: list[OddInvoice]
    by_kind: dict[str, int]
    benford_p_value: float | None
    #: numbers that are missing in a party's sequence
    missing_numbers: list[str]
    verdict: Literal["nothing odd", "look at these"]


TASK_TYPES = (
    task_type(
        "billing.receivables_ageing",
        "Sort open invoices by age, customer and currency, with days of sales outstanding and the expected loss.",
        ReceivablesAgeing,
        complexity=Complexity.SIMPLE,
    ),
    task_type(
        "billing.dunning_plan",
        "Plan who is reminded of what on which day, and say what is left alone and why.",
        DunningPlan,
    ),
    task_type(
        "billing.revenue_bridge",
        "Take the change of recurring revenue apart: new, reactivated, expanded, contracted, lost; adds up exactly.",
        RevenueBridge,
    ),
    task_type(
        "billing.invoice_anomalies",
        "Find odd invoices: doubles, sums that do not add up, unusual amounts, changed accounts, missing numbers.",
        InvoiceAnomalies,
    ),
)

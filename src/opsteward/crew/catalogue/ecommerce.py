"""Trade: what is asked for, what comes back, and the task types."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, Field, model_validator

from opsteward.crew.catalogue.declaring import (
    MAX_ROWS,
    Amount,
    Day,
    EngineResult,
    Moment,
    Name,
    Number,
    Parameters,
    Row,
    task_type,
    today,
)
from opsteward.crew.types import Complexity

Step = Literal["day", "week", "month", "quarter", "year"]


class Sale(Row):
    """So many were sold (or asked for) on a day."""

    date: Day
    quantity: Number
    product: Annotated[str, Field(max_length=200)] = "all"


class DemandForecast(Parameters):
    """Past sales, one row for each day, week or month and product. A step without a row had no sales."""

    history: Annotated[list[Sale], Field(min_length=1, max_length=MAX_ROWS)]
    horizon: Annotated[int, Field(ge=1, le=366)] = 14
    step: Step | None = None
    #: steps after which demand repeats itself; found when it is left out
    season_length: Annotated[int, Field(ge=1, le=366)] | None = None
    #: what share of the true values the interval should hold
    interval: Annotated[float, Field(ge=0.5, le=0.99)] = 0.8
    gaps: Literal["zero", "between"] = "zero"


class DemandPoint(BaseModel):
    """Expected demand of one step, with its interval."""

    date: date
    quantity: float
    low: float
    high: float


class ProductForecast(BaseModel):
    """One product's demand to come."""

    product: str
    points: list[DemandPoint]
    total: float
    season_length: int
    #: share of each forecasting method
    methods: dict[str, float]
    #: on the series' own end, beside the (seasonal) naive forecast: below 1 is better; null: too short to try
    relative_error: float | None
    note: str = ""


class DemandForecasts(EngineResult):
    """A forecast of each product, the largest first."""

    step: Step
    products: list[ProductForecast]


class Order(Row):
    """What one order holds."""

    order_id: Annotated[str, Field(max_length=200)] | int | None = None
    items: Annotated[list[Name], Field(max_length=500)]


class BasketAssociations(Parameters):
    """Orders with their items. A rule has to occur in `min_orders` of them and to be no accident (`max_false`)."""

    orders: Annotated[list[Order], Field(min_length=1, max_length=MAX_ROWS)]
    min_orders: Annotated[int, Field(ge=2, le=MAX_ROWS)] | None = None
    min_confidence: Annotated[float, Field(ge=0, le=1)] = 0.1
    #: expected share of accidents among the rules
    max_false: Annotated[float, Field(gt=0, le=0.5)] = 0.01
    top: Annotated[int, Field(ge=1, le=1000)] = 50


class BasketRule(BaseModel):
    """Who buys `given` buys `then`, `lift` times as often as others would."""

    given: list[str]
    then: str
    orders: int
    support: float
    confidence: float
    lift: float
    #: how likely so many would be by chance
    p_value: float


class BasketRules(EngineResult):
    """The rules, the surest gain first."""

    rules: list[BasketRule]
    items: int
    min_orders: int


class AnomalyOrder(Row):
    """An order as it was taken."""

    order_id: Annotated[str, Field(max_length=200)] | int | None = None
    customer_id: Annotated[str, Field(max_length=200)] | int | None = None
    amount: Number | None = None
    quantity: Number | None = None
    unit_price: Number | None = None
    currency: Annotated[str, Field(max_length=20)] = ""
    placed_at: Moment | None = None
    billing_country: Annotated[str, Field(max_length=60)] | None = None
    shipping_country: Annotated[str, Field(max_length=60)] | None = None


class OrderAnomalies(Parameters):
    """Orders; each is compared with all, with its customer's and with its neighbours in time."""

    orders: Annotated[list[AnomalyOrder], Field(min_length=1, max_length=MAX_ROWS)]
    #: minutes within which the same order again is a double
    double_within_minutes: Annotated[float, Field(ge=0, le=10_000)] = 10
    #: orders of one customer in an hour that are too many
    burst: Annotated[int, Field(ge=2, le=10_000)] = 5
    #: robust standard deviations from the middle at which an amount is odd
    threshold: Annotated[float, Field(ge=2, le=20)] = 4.5
    top: Annotated[int, Field(ge=1, le=10_000)] = 100


class OddOrder(BaseModel):
    """An order that is odd, with what is odd about it; `score` from 0 to 1."""

    order: str
    score: float
    reasons: list[str]
    kinds: list[str]


class OddOrders(EngineResult):
    """The oddest first."""

    orders: list[OddOrder]
    by_kind: dict[str, int]


class StockItem(Row):
    """An item in stock. Demand is given as a history of days, or as mean and deviation of a day."""

    sku: Name
    on_hand: Number
    on_order: Amount = 0
    reserved: Amount = 0
    daily_demand: Annotated[list[Amount], Field(max_length=2000)] = []
    mean_daily_demand: Amount | None = None
    demand_deviation: Amount | None = None
    lead_time_days: Annotated[float, Field(ge=0, le=1000)]
    lead_time_deviation: Annotated[float, Field(ge=0, le=1000)] = 0
    unit_cost: Amount | None = None
    min_order: Annotated[int, Field(ge=0, le=10**9)] = 0
    pack_size: Annotated[int, Field(ge=1, le=10**9)] = 1

    @model_validator(mode="after")
    def _some_demand(self) -> StockItem:
        if not self.daily_demand and self.mean_daily_demand is None:
            raise ValueError("needs daily_demand (a list of days) or mean_daily_demand")
        return self


class StockReorder(Parameters):
    """Items; `service_level` is the chance that no lead time ends in an empty shelf."""

    items: Annotated[list[StockItem], Field(min_length=1, max_length=20_000)]
    service_level: Annotated[float, Field(ge=0.5, le=0.9999)] = 0.95
    #: days between two looks at the stock
    review_days: Annotated[float, Field(ge=0, le=365)] = 7
    as_of: Day = Field(default_factory=today)
    budget: Amount | None = None


class ReorderLine(BaseModel):
    """What to do about one item."""

    sku: str
    order_now: bool
    quantity: int
    cost: float | None
    reorder_point: float
    safety_stock: float
    available: float
    #: null: nothing is asked for
    days_of_cover: float | None
    empty_on: date | None
    #: the chance that it is empty before an order of today arrives
    stockout_risk: float
    reason: str


class ReorderPlan(EngineResult):
    """The most urgent first."""

    lines: list[ReorderLine]
    total_cost: float | None


TASK_TYPES = (
    task_type(
        "ecommerce.demand_forecast",
        "Forecast each product's demand with intervals, by methods mixed by how well they foretold its past.",
        DemandForecast,
    ),
    task_type(
        "ecommerce.basket_associations",
        "Find items that are bought together more often than by chance, as rules with lift and confidence.",
        BasketAssociations,
    ),
    task_type(
        "ecommerce.order_anomalies",
        "Find odd orders: unusual amounts, doubles, bursts, totals that do not add up, with reasons.",
        OrderAnomalies,
    ),
    task_type(
        "ecommerce.stock_reorder",
        "Say which items to order again now, how many, and how likely each is to run out before.",
        StockReorder,
        complexity=Complexity.SIMPLE,
    ),
)

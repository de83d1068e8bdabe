"""Customer relations: what is asked for, what comes back, and the task types."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, Field, field_validator, model_validator

from opsteward.crew.catalogue.declaring import (
    MAX_ROWS,
    Amount,
    Day,
    EngineResult,
    Name,
    Number,
    Parameters,
    Row,
    Share,
    WrittenAmount,
    task_type,
    today,
)
from opsteward.crew.types import Complexity

MAX_STAGES = 50
Rate = Annotated[float, Field(ge=0, le=100)]
_FREQUENCIES = {
    "everyday": "daily", "twiceweekly": "twice_weekly", "twiceaweek": "twice_weekly", "onceaweek": "weekly",
    "fortnightly": "biweekly", "everytwoweeks": "biweekly", "every2weeks": "biweekly",
}  # fmt: skip


class Lead(Row):
    """A person or company that may buy. All is optional; what is left out lowers the confidence, not the score."""

    email: Annotated[str, Field(max_length=320)] | None = None
    company: Annotated[str, Field(max_length=300)] | None = None
    role: Annotated[str, Field(max_length=200)] | None = None
    industry: Annotated[str, Field(max_length=200)] | None = None
    company_size: WrittenAmount | None = None
    budget: WrittenAmount | None = None
    engagement_score: Annotated[float, Field(ge=0, le=100)] | None = None
    email_opens: Amount | None = None
    email_clicks: Amount | None = None
    website_visits: Amount | None = None
    pages_viewed: Amount | None = None
    content_downloads: Amount | None = None
    demo_requested: bool | None = None
    days_since_last_activity: Amount | None = None


class PastLead(Lead):
    """A lead of which is known whether it bought."""

    converted: bool


class ScoringCriteria(Parameters):
    """How much each group of factors counts. They are made to add up to 1."""

    engagement_weight: Amount = 0.3
    demographic_weight: Amount = 0.4
    behavior_weight: Amount = 0.3
    #: industries and words of roles that fit; without them every industry counts the same
    target_industries: Annotated[list[Name], Field(max_length=100)] = []
    target_roles: Annotated[list[Name], Field(max_length=100)] = []

    @model_validator(mode="after")
    def _some_weight(self) -> ScoringCriteria:
        if not self.engagement_weight + self.demographic_weight + self.behavior_weight:
            raise ValueError("all weights are 0: give at least one group a weight")
        return self


class LeadScoring(Parameters):
    """One lead or many. `history` are past leads with their outcome: from 20 of each on the order is learned."""

    lead_data: Lead | Annotated[list[Lead], Field(min_length=1, max_length=MAX_ROWS)]
    scoring_criteria: ScoringCriteria = ScoringCriteria()
    history: Annotated[list[PastLead], Field(max_length=MAX_ROWS)] = []
    top: Annotated[int, Field(ge=1, le=10_000)] = 1000


class Factor(BaseModel):
    """What one field did to a score: `points` of 1 times `weight`, or what it adds to the learned odds."""

    group: str
    factor: str
    value: Any
    points: float | None
    weight: float
    contribution: float
    reason: str


class ScoredLead(BaseModel):
    """A lead with its score from 0 to 100 and the factors it comes from."""

    lead: str
    score: float
    grade: Literal["A", "B", "C", "D"]
    confidence: float
    probability: float | None
    factors: list[Factor]
    missing: list[str]
    next_step: str


class LeadScores(EngineResult):
    """The best leads first. `method` says whether the order was learned or comes from the weights."""

    method: Literal["weights", "learned"]
    weights: dict[str, float]
    #: how well history's leads that were left out are told apart, by the weights and by what was learned
    auc_weights: float | None
    auc_learned: float | None
    by_grade: dict[str, int]
    leads: list[ScoredLead]


class Customer(Row):
    """A customer; all its numeric fields may count."""

    customer_id: Annotated[str, Field(max_length=200)] | int | None = None


class CustomerSegmentation(Parameters):
    """Customers with numeric fields. Without `segment_count` their number is found."""

    customer_data: Annotated[list[Customer], Field(min_length=1, max_length=50_000)]
    segmentation_type: Annotated[str, Field(max_length=60)] = "behavioral"
    segment_count: Annotated[int, Field(ge=1, le=30)] | None = None
    #: only these fields count; without them every numeric one does
    fields: Annotated[list[Name], Field(max_length=30)] = []


class Trait(BaseModel):
    """How a segment differs from all customers in one field, in their spread."""

    field: str
    mean: float
    overall_mean: float
    difference: float
    words: str


class Segment(BaseModel):
    """Customers that are alike."""

    name: str
    size: int
    share: float
    traits: list[Trait]
    typical: str
    customers: list[str]
    suggestion: str


class Segments(EngineResult):
    """The segments, the largest first."""

    segment_count: int
    #: how the number was settled
    count_reason: str
    #: mean adjusted Rand index of segmentations of halves of the customers: 1 is always the same
    stability: float | None
    segments: list[Segment]


class LeadSegment(Row):
    """A segment of leads that a campaign speaks to."""

    name: Annotated[
        Name, Field(validation_alias=AliasChoices("name", "segment", "segment_name", "label", "segment_id"))
    ]
    size: Annotated[
        int | None, Field(ge=0, le=10**9, validation_alias=AliasChoices("size", "count", "lead_count", "leads_count"))
    ] = None
    average_score: Annotated[
        float | None, Field(ge=0, le=100, validation_alias=AliasChoices("average_score", "avg_score", "score"))
    ] = None


class NurturingCampaign(Parameters):
    """A plan of dated touchpoints for each segment. A frequency is a word, or touchpoints a week."""

    lead_segments: Annotated[list[LeadSegment], Field(min_length=1, max_length=50)]
    campaign_objective: Annotated[str, Field(min_length=1, max_length=500)]
    duration_days: Annotated[int, Field(ge=1, le=730)] = 30
    touchpoint_frequency: (
        Literal["daily", "twice_weekly", "weekly", "biweekly", "monthly"] | Annotated[float, Field(gt=0, le=7)]
    ) = "weekly"
    start_date: Day = Field(default_factory=today)
    channels: Annotated[list[Name], Field(min_length=1, max_length=10)] = ["email"]
    holidays: Annotated[list[Day], Field(max_length=1000)] = []
    weekends: bool = False
    #: messages that can be sent on one day, over all segments
    daily_capacity: Annotated[int, Field(ge=1, le=10**9)] | None = None

    @field_validator("touchpoint_frequency", mode="before")
    @classmethod
    def _written(cls, value: Any) -> Any:
        """ "Bi-weekly" and the like."""
        if isinstance(value, str):
            plain = value.strip().lower().replace("-", "").replace("_", "").replace(" ", "")
            return _FREQUENCIES.get(plain, plain)
        return value

    @field_validator("lead_segments", mode="before")
    @classmethod
    def _names(cls, value: Any) -> Any:
        """A list of names, or name -> size, does too."""
        if isinstance(value, dict):
            value = [
                {"name": name, **(said if isinstance(said, dict) else {"size": said})} for name, said in value.items()
            ]
        return [{"name": one} if isinstance(one, str) else one for one in value] if isinstance(value, list) else value


class Touchpoint(BaseModel):
    """One message to one segment."""

    day: date
    number: int
    channel: str
    stage: Literal["introduce", "educate", "prove", "ask"]
    content: str
    goal: str
    audience: int | None


class SegmentPlan(BaseModel):
    """What one segment gets."""

    segment: str
    temperature: Literal["cold", "warm", "hot", "unknown"]
    touchpoints: list[Touchpoint]


class Campaign(EngineResult):
    """The plan, with what it adds up to."""

    starts: date
    ends: date
    plans: list[SegmentPlan]
    total_touchpoints: int
    total_messages: int | None


class Stage(Row):
    """A stage of a pipeline; `conversion_rate` is the share that goes on from it."""

    name: Annotated[Name, Field(validation_alias=AliasChoices("name", "stage", "stage_name"))]
    conversion_rate: Rate | None = None
    entered: Annotated[Amount | None, Field(validation_alias=AliasChoices("entered", "count", "leads", "deals"))] = None
    days: Annotated[
        Amount | None, Field(validation_alias=AliasChoices("days", "average_days", "avg_days", "duration_days"))
    ] = None
    #: the rate that can be had, such as an industry's
    benchmark: Rate | None = None


class PipelineData(Parameters):
    """The stages in order. Rates are shares, or percent where one is above 1; without them counts do."""

    stages: Annotated[list[Stage], Field(min_length=1, max_length=MAX_STAGES)]
    conversion_rates: Annotated[list[Rate] | dict[Name, Rate], Field(max_length=MAX_STAGES)] = []
    average_deal_size: Amount
    #: days from the first stage to the close
    sales_cycle_length: Annotated[float, Field(gt=0, le=100_000)] | None = None
    #: leads that enter the first stage in one cycle
    leads: Amount | None = None

    @field_validator("stages", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        return [{"name": one} if isinstance(one, str) else one for one in value] if isinstance(value, list) else value


class PipelineOptimization(Parameters):
    """`improvement_points` is how much of a rate (0.1: ten percent points) can be won, in one stage or spread."""

    pipeline_data: PipelineData
    improvement_points: Annotated[float, Field(gt=0, le=1)] = 0.1


class StageValue(BaseModel):
    """A stage and what mending it is worth."""

    stage: str
    conversion_rate: float
    #: the rate after `improvement_points`, or the stage's benchmark
    improved_rate: float
    #: of a lead that enters this stage: its chance to be won, and its expected value
    chance_to_win: float
    value_of_lead: float
    #: what a lead that enters the pipeline is worth more once this stage alone is mended
    gain_per_lead: float
    #: the same for all leads of a cycle
    gain: float | None
    share_lost: float
    days: float | None


class PipelinePlan(EngineResult):
    """Conversion, velocity, the bottleneck, and the best use of the improvement."""

    overall_conversion: float
    value_per_lead: float
    #: value that is won a day
    velocity: float | None
    bottleneck: str
    stages: list[StageValue]
    #: points for each stage when they may be spread: no other spread is worth more
    best_spread: dict[str, float]
    best_spread_value_per_lead: float


class ChurnCustomer(Row):
    """A customer. With `churned` it is history; without, its risk is asked."""

    customer_id: Annotated[str, Field(max_length=200)] | int | None = None
    churned: bool | None = None
    #: repeat purchases after the first, time of the last one and time since the first (same unit)
    frequency: Amount | None = None
    recency: Amount | None = None
    age: Amount | None = None


class ChurnRisk(Parameters):
    """Customers. `horizon` is in the unit of `age`."""

    customers: Annotated[list[ChurnCustomer], Field(min_length=1, max_length=MAX_ROWS)]
    horizon: Annotated[float, Field(gt=0, le=100_000)] = 30
    top: Annotated[int, Field(ge=1, le=10_000)] = 100


class CustomerRisk(BaseModel):
    """One customer's risk, and why."""

    customer: str
    risk: Share
    level: Literal["low", "medium", "high"]
    #: in the horizon, where purchases are known
    expected_purchases: float | None
    reasons: list[str]


class PurchaseModel(BaseModel):
    """The BG/NBD model of repeat purchases (Fader, Hardie and Lee 2005)."""

    r: float
    alpha: float
    a: float
    b: float
    log_likelihood: float


class ChurnRisks(EngineResult):
    """The customers at the highest risk first."""

    method: Literal["learned", "purchases", "signals"]
    auc: float | None
    lift_at_10: float | None
    importance: dict[str, Number]
    purchase_model: PurchaseModel | None
    customers: list[CustomerRisk]
    expected_losses: float


TASK_TYPES = (
    task_type(
        "crm.lead_scoring",
        "Score leads from 0 to 100 with the factors behind each score; learns from past leads where they are given.",
        LeadScoring,
    ),
    task_type(
        "crm.customer_segmentation",
        "Divide customers into segments of alike ones, their number found or given, with traits and stability.",
        CustomerSegmentation,
        complexity=Complexity.COMPLEX,
    ),
    task_type(
        "crm.nurturing_campaign",
        "Plan dated touchpoints for each segment of leads, within capacity and calendar.",
        NurturingCampaign,
    ),
    task_type(
        "crm.pipeline_optimization",
        "Find a sales pipeline's bottleneck, its velocity and what mending each stage is worth.",
        PipelineOptimization,
    ),
    task_type(
        "crm.churn_risk",
        "Rank customers by the risk that they leave: learned from known outcomes, or from their purchases.",
        ChurnRisk,
        complexity=Complexity.COMPLEX,
    ),
)

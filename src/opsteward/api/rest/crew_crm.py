"""`/api/crew/crm`: work of the CRM domain, answered at once by its engines."""

from __future__ import annotations

from typing import Annotated

from opsteward.accounts.types import Identity
from opsteward.api.deps import ServicesDep, needs
from opsteward.api.rest.schemas.crew import (
    AnswerOut,
    CampaignIn,
    FreeBody,
    LeadScoringIn,
    PipelineIn,
    SegmentationIn,
)
from opsteward.api.routes import Routes
from opsteward.api.services import ApiServices
from opsteward.crew.execution.types import WorkRequest

router = Routes(prefix="/api/crew/crm", tags=["crew"])

Runner = Annotated[Identity, needs("crew.run")]


@router.post("/lead-scoring")
async def score_lead(body: LeadScoringIn, services: ServicesDep, identity: Runner) -> AnswerOut:
    """Score a lead from 0 to 100, with what each factor added and what was missing."""
    return await _answered(services, identity, "crm.lead_scoring", body)


@router.post("/customer-segmentation")
async def segment_customers(body: SegmentationIn, services: ServicesDep, identity: Runner) -> AnswerOut:
    """Groups of customers that are alike, with their sizes and traits."""
    return await _answered(services, identity, "crm.customer_segmentation", body)


@router.post("/nurturing-campaign")
async def plan_campaign(body: CampaignIn, services: ServicesDep, identity: Runner) -> AnswerOut:
    """Dated touchpoints for each segment of leads."""
    return await _answered(services, identity, "crm.nurturing_campaign", body)


@router.post("/pipeline-optimization")
async def optimize_pipeline(body: PipelineIn, services: ServicesDep, identity: Runner) -> AnswerOut:
    """Conversion, velocity, the bottleneck, and what mending each stage is worth."""
    return await _answered(services, identity, "crm.pipeline_optimization", body)


async def _answered(services: ApiServices, identity: Identity, work: str, body: FreeBody) -> AnswerOut:
    request = WorkRequest(type=work, parameters=body.parameters())
    return AnswerOut.of(await services.crew.answer(services.db, request=request, by=identity))

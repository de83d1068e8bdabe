"""`/api/crew`: how the crew stands, what its work took, what would help, and two tests of the whole path."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Query

from opsteward.accounts.types import Identity
from opsteward.api.deps import ServicesDep, TenantSession, needs
from opsteward.api.rest.schemas.base import NoBody
from opsteward.api.rest.schemas.crew import (
    AcceptedOut,
    HealthOut,
    OptimizedOut,
    ProposedOut,
    StatisticsOut,
    StatusOut,
    SummaryOut,
)
from opsteward.api.routes import Routes
from opsteward.crew import event_analysis
from opsteward.crew.execution.types import WorkRequest
from opsteward.crew.execution.workflow import NAME as WORKFLOW
from opsteward.crew.performance import figures as crew_figures
from opsteward.crew.performance.figures import FigureCourse
from opsteward.crew.performance.model_usage import DAYS_LIMIT, ModelUsage

router = Routes(prefix="/api/crew", tags=["crew"])

Reader = Annotated[Identity, needs("crew.read")]
Runner = Annotated[Identity, needs("crew.run")]

_Hours = Annotated[float, Query(gt=0, le=24 * 90)]
MetricType = Literal[
    "execution_time", "execution_time_p95", "success_rate", "throughput", "tokens", "cost", "fallbacks"
]
_LEAD = {
    "lead_data": {
        "email": "test@example.com",
        "company": "Example",
        "role": "CTO",
        "engagement_score": 70,
        "website_visits": 12,
    }
}
_PIPELINE = {
    "pipeline_data": {
        "stages": ["lead", "qualified", "proposal", "won"],
        "conversion_rates": [0.4, 0.5, 0.3],
        "average_deal_size": 10_000,
        "sales_cycle_length": 45,
    }
}

_FUNNEL = {
    "counts": [{"step": "visit", "count": 1000}, {"step": "basket", "count": 220}, {"step": "order", "count": 90}]
}
_PAGES = {"pages": [{"path": "index.md", "content": "# Welcome\n\nWe sell good things. They arrive soon."}]}


@router.get("/health")
async def crew_health(services: ServicesDep) -> HealthOut:
    """Whether the crew takes work; no token is needed."""
    return HealthOut(status="healthy", model_configured=services.crew.model is not None)


@router.get("/status")
async def crew_status(services: ServicesDep, session: TenantSession, identity: Reader) -> StatusOut:
    """How the crew stands now."""
    crew, settings = services.crew, services.crew.settings
    running, waiting = await crew_figures.under_way(session)
    delegation = await crew.memory.of(session)
    return StatusOut(
        status="degraded" if crew.roster.problems else "healthy",
        engine="rules" if crew.model is None else f"llm:{crew.model}",
        model=crew.model,
        agents=len(crew.roster.agents),
        agent_file_problems=len(crew.roster.problems),
        types=len(crew.types.all),
        running=running,
        waiting=waiting,
        concurrent_workflows=settings.crew_concurrent_workflows,
        requests_per_minute=settings.crew_requests_per_minute,
        memory_mb=crew_figures.memory_mb(),
        memory_limit_mb=settings.crew_memory_mb,
        cache=settings.crew_cache,
        agent_memory=settings.crew_agent_memory,
        explored_types=settings.crew_explore,
        matrix_version=delegation.version,
    )


@router.get("/statistics")
async def crew_statistics(
    services: ServicesDep,
    session: TenantSession,
    identity: Reader,
    hours: _Hours = 24.0,
) -> StatisticsOut:
    """What the crew did: times, success, tokens and money by strategy, domain, type and agent."""
    found = await services.crew.figures(session, hours=hours)
    return StatisticsOut(
        hours=hours,
        total=found.total,
        by_strategy=found.by_strategy,
        by_domain=found.by_domain,
        by_type=found.by_type,
        by_agent=found.by_agent,
        cached=found.cached,
        fallbacks=found.fallbacks,
        utilization=found.utilization,
        running=found.running,
        waiting=found.waiting,
        event_opinions=await event_analysis.figures(session, hours=hours),
    )


@router.get("/performance/summary")
async def crew_performance(
    services: ServicesDep,
    session: TenantSession,
    identity: Reader,
    hours: _Hours = 24.0,
) -> SummaryOut:
    """The figures, what is amiss, and what would help."""
    found = await services.crew.figures(session, hours=hours)
    return SummaryOut(
        hours=hours,
        total=found.total,
        utilization=found.utilization,
        memory_mb=crew_figures.memory_mb(),
        alerts=services.crew.alerts(found),
        recommendations=await services.crew.recommendations(session, figures=found),
    )


@router.get("/performance/metrics")
async def crew_metric(
    session: TenantSession,
    identity: Reader,
    metric_type: MetricType = "execution_time",
    hours: _Hours = 24.0,
) -> FigureCourse:
    """One figure over time."""
    return await crew_figures.course(session, metric_type=metric_type, hours=hours)


@router.get("/models/usage")
async def crew_model_usage(
    services: ServicesDep,
    session: TenantSession,
    identity: Reader,
    days: Annotated[int, Query(ge=1, le=DAYS_LIMIT)] = 7,
) -> ModelUsage:
    """What calls of language models took by day, agent and model, today the last day; and what is left of today."""
    return await services.crew.model_usage(session, days=days)


@router.post("/optimize")
async def optimize_crew(
    services: ServicesDep,
    session: TenantSession,
    identity: Runner,
    body: NoBody = None,
) -> OptimizedOut:
    """Look at the recorded outcomes, and put each change of the matrix that they speak for before a person."""
    found = await services.crew.optimize(session, by=identity)
    return OptimizedOut(
        outcomes=found.outcomes,
        recommendations=found.recommendations,
        proposed=[ProposedOut(summary=summary, action_id=action_id) for summary, action_id in found.proposed],
    )


@router.post("/test/simple-task", status_code=202)
async def test_simple_task(
    services: ServicesDep,
    session: TenantSession,
    identity: Runner,
    body: NoBody = None,
) -> AcceptedOut:
    """Hand a small piece of work to the crew, to see the whole path."""
    request = WorkRequest(type="crm.lead_scoring", parameters=_LEAD, description="Test of a simple task")
    return AcceptedOut.of_work(await services.crew.execute(session, request=request, by=identity))


@router.post("/test/complex-workflow", status_code=202)
async def test_complex_workflow(
    services: ServicesDep,
    session: TenantSession,
    identity: Runner,
    body: NoBody = None,
) -> AcceptedOut:
    """Hand a workflow of several parts to the whole crew, to see the plan, the hand-overs and the check."""
    parts = [
        {"type": "crm.lead_scoring", "parameters": _LEAD},
        {"type": "crm.pipeline_optimization", "parameters": _PIPELINE},
        {"type": "analytics.funnel", "parameters": _FUNNEL},
        {"type": "cms.readability", "parameters": _PAGES},
    ]
    request = WorkRequest(
        type=WORKFLOW, parameters={"parts": parts}, description="Test of a complex workflow", multi_domain=True
    )
    return AcceptedOut.of_work(await services.crew.execute(session, request=request, by=identity))

"""What each route about crew is asked, written from the OpenAPI document by
`python docs/generate.py`.

No sending here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsteward.client.connection import Call, Page, path_id

if TYPE_CHECKING:
    from typing import Literal, Unpack
    from uuid import UUID

    from opsteward.client import types


def execute_work(**fields: Unpack[types.WorkIn]) -> Call[types.AcceptedOut]:
    """Have work done, by whom the delegation matrix says; look at it under the `task_id`."""
    return Call("POST", "/api/crew/execute", fields)


def plan_work(**fields: Unpack[types.WorkIn]) -> Call[types.DecisionOut]:
    """Who would do it, why, and what it would take. Nothing is done."""
    return Call("POST", "/api/crew/plan", fields)


def get_work(crew_task_id: str | UUID) -> Call[types.RunView]:
    """A piece of work: its plan, the path it took, its result."""
    return Call("GET", f"/api/crew/task/{path_id(crew_task_id)}")


def cancel_work(crew_task_id: str | UUID) -> Call[types.RunView]:
    """Stop work that waits or runs."""
    return Call("DELETE", f"/api/crew/task/{path_id(crew_task_id)}")


def list_work(
    *, domain: str | None = None, type: str | None = None, before: str | None = None, limit: int | None = None
) -> Call[Page[types.RunLine]]:
    """The newest first."""
    return Call("GET", "/api/crew/tasks", params={"domain": domain, "type": type, "before": before, "limit": limit})


def list_work_types() -> Call[Page[types.WorkTypeOut]]:
    """All types of work, with the JSON Schema of their parameters and the agent who does them."""
    return Call("GET", "/api/crew/types")


def crew_tree() -> Call[types.TreeOut]:
    """The agents, what each has under way and did in the last day, and what is wrong with their files."""
    return Call("GET", "/api/crew/tree")


def delegation_matrix() -> Call[types.MatrixOut]:
    """The matrix that decides, the first row that fits counts."""
    return Call("GET", "/api/crew/matrix")


def matrix_versions() -> Call[Page[types.MatrixVersion]]:
    """The versions of the matrix, the newest first."""
    return Call("GET", "/api/crew/matrix/versions")


def restore_matrix(**fields: Unpack[types.RestoreIn]) -> Call[types.ProposedOut]:
    """Ask for the rows of an earlier version to decide again (0: as shipped); a person approves it."""
    return Call("POST", "/api/crew/matrix/restore", fields)


def try_models() -> Call[Page[types.TriedModel]]:
    """Ask each configured model a smallest question; empty where none is configured."""
    return Call("POST", "/api/crew/models/test")


def erase_crew_memory() -> Call[types.ErasedOut]:
    """Erase all that the agents remember of this tenant."""
    return Call("DELETE", "/api/crew/memory")


def register_crew_routes() -> Call[types.ProposedOut]:
    """Ask for the crew's routes to be registered at the configured gateway; a person approves it."""
    return Call("POST", "/api/crew/brain/register-routes")


def validate_crew_gateway() -> Call[types.GatewayOut]:
    """Whether the gateway is there, knows the crew's routes, and leads to them."""
    return Call("GET", "/api/crew/brain/validate-integration")


def score_lead(**fields: Unpack[types.LeadScoringIn]) -> Call[types.AnswerOut]:
    """Score a lead from 0 to 100, with what each factor added and what was missing."""
    return Call("POST", "/api/crew/crm/lead-scoring", fields)


def segment_customers(**fields: Unpack[types.SegmentationIn]) -> Call[types.AnswerOut]:
    """Groups of customers that are alike, with their sizes and traits."""
    return Call("POST", "/api/crew/crm/customer-segmentation", fields)


def plan_campaign(**fields: Unpack[types.CampaignIn]) -> Call[types.AnswerOut]:
    """Dated touchpoints for each segment of leads."""
    return Call("POST", "/api/crew/crm/nurturing-campaign", fields)


def optimize_pipeline(**fields: Unpack[types.PipelineIn]) -> Call[types.AnswerOut]:
    """Conversion, velocity, the bottleneck, and what mending each stage is worth."""
    return Call("POST", "/api/crew/crm/pipeline-optimization", fields)


def crew_health() -> Call[types.HealthOut]:
    """Whether the crew takes work; no token is needed."""
    return Call("GET", "/api/crew/health")


def crew_status() -> Call[types.StatusOut]:
    """How the crew stands now."""
    return Call("GET", "/api/crew/status")


def crew_statistics(*, hours: float | None = None) -> Call[types.StatisticsOut]:
    """What the crew did: times, success, tokens and money by strategy, domain, type and agent."""
    return Call("GET", "/api/crew/statistics", params={"hours": hours})


def crew_performance(*, hours: float | None = None) -> Call[types.SummaryOut]:
    """The figures, what is amiss, and what would help."""
    return Call("GET", "/api/crew/performance/summary", params={"hours": hours})


def crew_metric(
    *,
    metric_type: Literal[
        "execution_time", "execution_time_p95", "success_rate", "throughput", "tokens", "cost", "fallbacks"
    ]
    | None = None,
    hours: float | None = None,
) -> Call[types.FigureCourse]:
    """One figure over time."""
    return Call("GET", "/api/crew/performance/metrics", params={"metric_type": metric_type, "hours": hours})


def crew_model_usage(*, days: int | None = None) -> Call[types.ModelUsage]:
    """What calls of language models took by day, agent and model, today the last day; and what is left of today."""
    return Call("GET", "/api/crew/models/usage", params={"days": days})


def optimize_crew() -> Call[types.OptimizedOut]:
    """Look at the recorded outcomes, and put each change of the matrix that they speak for before a person."""
    return Call("POST", "/api/crew/optimize")


def test_simple_task() -> Call[types.AcceptedOut]:
    """Hand a small piece of work to the crew, to see the whole path."""
    return Call("POST", "/api/crew/test/simple-task")


def test_complex_workflow() -> Call[types.AcceptedOut]:
    """Hand a workflow of several parts to the whole crew, to see the plan, the hand-overs and the check."""
    return Call("POST", "/api/crew/test/complex-workflow")

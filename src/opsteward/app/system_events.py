"""What becomes of systems as events: failing health, what runs out, error budgets; in words, with the figures they
come from."""

from __future__ import annotations

from opsteward.contracts.check import CheckStatus
from opsteward.core.redact import redact_json
from opsteward.events.types import NewEvent
from opsteward.systems.early_warning.types import EarlyWarning, RunningOut
from opsteward.systems.types import BudgetBurning, HealthChanged, KnownSystem


def event_of_warning(message: RunningOut) -> NewEvent:
    """The event of a warning that is new, has become urgent, or is over."""
    warning, system = message.warning, message.system
    left = (warning.runs_out_at - warning.judged_at).total_seconds()
    words = f"{system.name}: {warning.name} will reach {warning.limit:g} in about {told_span(left)}"
    return NewEvent(
        message=f"{system.name}: {warning.name} does not run out any more" if message.is_over else words,
        source=system.name,
        error_type="running_out",
        context={"component": warning.name, **reasons(warning)},
        severity="high" if warning.urgency == "very_soon" else "medium",
        category="system_error",
        resolved=message.is_over,
        system=KnownSystem(id=system.id, name=system.name, type=system.type),
        group_key=f"running_out:{system.id}:{warning.name}",
    )


def event_of_burn(message: BudgetBurning) -> NewEvent:
    """The event of an error budget that is used too fast, or no more."""
    system = message.system
    over = "the last hour" if message.hours == 1 else f"the last {message.hours:g} hours"
    burns = (
        f"{system.name}: the error budget of {message.objective_percent:g} % is used {message.rate:g} times too fast"
    )
    return NewEvent(
        message=f"{burns}, over {over}" if message.urgency else f"{system.name}: the error budget holds again",
        source=system.name,
        error_type="error_budget_burn",
        context={"component": "availability", "objective_percent": message.objective_percent, "rate": message.rate},
        severity="high" if message.urgency == "fast" else "medium",
        category="system_error",
        resolved=message.urgency is None,
        system=KnownSystem(id=system.id, name=system.name, type=system.type),
        group_key=f"error_budget:{system.id}",
    )


def reasons(warning: EarlyWarning) -> dict[str, str | float | int]:
    """The figures that a warning comes from."""
    return {
        "figure": warning.name,
        "now": round(warning.level, 4),
        "limit": warning.limit,
        "per_day": round(warning.per_day, 4),
        "noise": round(warning.noise, 4),
        "points": warning.points,
        "over": told_span(warning.span),
        "runs_out_at": warning.runs_out_at.isoformat(),
        "soonest_at": warning.soonest_at.isoformat(),
        "latest_at": warning.latest_at.isoformat(),
    }


def told_span(seconds: float) -> str:
    """A length of time as people say it."""
    for size, name in ((86_400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {name}"
    return f"{seconds:.0f} seconds"


def events_of_health(message: HealthChanged) -> list[NewEvent]:
    """One event for each finding; when a check failed without one, an event for the system as a whole."""
    system = KnownSystem(id=message.system.id, name=message.system.name, type=message.system.type)
    worst = CheckStatus.FAIL if message.now == "down" else CheckStatus.WARN
    failing = [o for o in message.outcomes if o.result.status is worst]
    found = [
        NewEvent(
            message=finding.title,
            source=message.system.name,
            error_type=finding.type,
            context={
                "check": outcome.check,
                "component": finding.component,
                "evidence": redact_json(finding.evidence),
            },
            severity="high" if message.criticality == "critical" and message.now == "down" else finding.severity.value,
            category="system_error",
            system=system,
            occurred_at=message.seen_at,
        )
        for outcome in failing
        for finding in outcome.result.findings
    ]
    return found or [
        NewEvent(
            message=f"{message.system.name} is {message.now}: " + "; ".join(o.result.summary for o in failing)[:500],
            source=message.system.name,
            error_type="unhealthy",
            severity="high" if message.now == "down" else "medium",
            category="system_error",
            system=system,
            occurred_at=message.seen_at,
        )
    ]

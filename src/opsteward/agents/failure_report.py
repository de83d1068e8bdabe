"""The report of an agent that has failed: always in the same words, so that all reports of it belong together."""

from __future__ import annotations

from opsteward.contracts.agent import Report
from opsteward.core.json_types import JsonObject


def failure_report(name: str, *, context: JsonObject, resolved: bool) -> Report:
    """That the agent does not do its work; `resolved`: that it does it again."""
    return Report(
        message="A background agent does not do its work",
        error_type="agent_failing",
        context={"agent": name, **context},
        resolved=resolved,
        source=f"agent {name}",
    )

"""The settings of background agents."""

from __future__ import annotations

from pydantic import Field

from opsteward.core.settings import ProcessSettings, RetrySettings


class AgentSettings(ProcessSettings, RetrySettings):
    """Heartbeats, failures and figures of agents, and what the performance agent alerts on."""

    agent_beat_seconds: float = Field(
        default=10.0, ge=0.2, le=600, description="A process says so often, in one statement, that its agents live."
    )
    agent_failures: int = Field(
        default=5, ge=1, le=100, description="Failed runs in a row after which a background agent counts as failed."
    )
    agent_retention: float = Field(
        default=30 * 86_400.0, gt=0, description="Agents' figures and messages are forgotten after this."
    )
    measure_seconds: float = Field(
        default=30.0, ge=1, le=3600, description="So often every process writes down its own CPU, memory and lag."
    )
    alert_queue: int = Field(default=100, ge=1, description="More tasks that wait for a place are an alert.")
    alert_processing_seconds: float = Field(default=5.0, gt=0, description="Slower tasks, on average, are an alert.")
    alert_error_rate: float = Field(default=0.02, gt=0, le=1, description="A larger share of failed tasks is an alert.")
    alert_memory: float = Field(
        default=0.85, gt=0, le=1, description="A larger share of a machine's memory in use is an alert."
    )

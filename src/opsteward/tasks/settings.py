"""The settings of tasks and of the processes that run them."""

from __future__ import annotations

from pydantic import Field

from opsteward.core.settings import ProcessSettings, RetrySettings


class TaskSettings(ProcessSettings, RetrySettings):
    """How many tasks and workflows a process runs, how large they may be, and how long ended ones are kept."""

    workers: int = Field(default=20, ge=1, le=1000, description="Workflows that one process runs at once.")
    slots: int = Field(
        validation_alias="OPSTEWARD_TASK_SLOTS",
        default=100,
        ge=1,
        le=10_000,
        description="Tasks that one process runs at once.",
    )
    slots_spare: int = Field(
        validation_alias="OPSTEWARD_TASK_SLOTS_SPARE",
        default=10,
        ge=0,
        le=1000,
        description="Of these, slots kept free for critical and high tasks.",
    )
    drain_seconds: float = Field(
        default=10.0, ge=0, le=3600, description="How long an ending process lets running tasks come to their end."
    )
    max_params_bytes: int = Field(
        validation_alias="OPSTEWARD_MAX_TASK_PARAMS_BYTES",
        default=65_536,
        ge=1024,
        description="Largest parameters of one task.",
    )
    max_result_bytes: int = Field(
        validation_alias="OPSTEWARD_MAX_TASK_RESULT_BYTES",
        default=1_048_576,
        ge=1024,
        description="Largest result of one task, as JSON.",
    )
    retention: float = Field(
        validation_alias="OPSTEWARD_TASK_RETENTION",
        default=30 * 86_400.0,
        gt=0,
        description="Ended tasks and workflows are forgotten after this.",
    )
    queue_poll_interval: float = Field(
        default=1.0, ge=0.05, le=60, description="Seconds between looks at the queue while nothing runs."
    )

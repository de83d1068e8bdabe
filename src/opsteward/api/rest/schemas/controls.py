"""What the emergency controls answer, beside what `tasks.types` holds."""

from __future__ import annotations

from dataclasses import dataclass

from opsteward.tasks.types import PauseInfo


@dataclass(frozen=True, kw_only=True)
class Pauses:
    """The pauses in force; `paused`: there is one."""

    paused: bool
    pauses: list[PauseInfo]

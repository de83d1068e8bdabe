"""How looks at a system become its health: failures count at once, warnings after a few, recovery when it lasts.

Pure rules; nothing is read or stored here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

DEGRADED_AFTER = 3  # warnings in a row before a system counts as degraded
_RELAPSE_WITHIN = timedelta(seconds=60)  # a failure so soon after a recovery says that it was none
_RECOVERY_LIMIT = timedelta(minutes=5)  # the longest that a flapping system must stay well
TROUBLE = ("down", "degraded")


@dataclass(frozen=True, kw_only=True)
class HealthState:
    """What is remembered of a system between two looks. `relapses`: how often it failed while it was recovering."""

    health: str
    since: datetime
    passes: int = 0
    warnings: int = 0
    passing_since: datetime | None = None
    relapses: int = 0


@dataclass(frozen=True, kw_only=True)
class RecoveryRules:
    """A system is well again after so many passes in a row over at least so long; the time doubles with each
    relapse."""

    passes: int
    lasting: timedelta

    def time_needed(self, relapses: int) -> timedelta:
        """How long a system with so many relapses must pass."""
        return min(self.lasting * (1 << min(relapses, 10)), max(_RECOVERY_LIMIT, self.lasting))


def next_state(state: HealthState, *, seen: str, at: datetime, rules: RecoveryRules) -> HealthState:
    """The state after one look that showed `seen`: healthy, degraded, down or unknown."""
    looked = _count(state, seen, at)
    health = _health(looked, seen, at, rules)
    if health == state.health:
        return looked
    relapsed = state.health == "healthy" and health in TROUBLE and at - state.since < _RELAPSE_WITHIN
    # a recovery that has lasted starts the count of relapses anew
    relapses = looked.relapses + 1 if relapsed else looked.relapses
    if health in TROUBLE and state.health not in TROUBLE and not relapsed:
        relapses = 0
    return replace(looked, health=health, since=at, relapses=relapses)


def _count(state: HealthState, seen: str, at: datetime) -> HealthState:
    passes = state.passes + 1 if seen in ("healthy", "degraded") else 0
    warnings = state.warnings + 1 if seen == "degraded" else 0
    passing_since = (state.passing_since or at) if seen == "healthy" else None
    relapsed = state.health in TROUBLE and seen in TROUBLE and state.passing_since is not None
    return replace(
        state,
        passes=passes,
        warnings=warnings,
        passing_since=passing_since,
        relapses=state.relapses + int(relapsed),
    )


def _health(state: HealthState, seen: str, at: datetime, rules: RecoveryRules) -> str:
    if state.health in TROUBLE:
        if seen == "healthy" and state.passing_since is not None and state.passes >= rules.passes:
            return "healthy" if at - state.passing_since >= rules.time_needed(state.relapses) else state.health
        return state.health if seen in ("healthy", "unknown") else seen
    if seen == "degraded" and state.warnings < DEGRADED_AFTER:
        return "healthy"
    return seen

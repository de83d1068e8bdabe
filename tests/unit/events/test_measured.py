"""The measured quality does not fall: on public data, skipped with a word where that data is absent."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
from evals import __main__ as evals

from opsteward.events.classification import classify
from opsteward.events.judge_model import shipped_model, words_of_event


def test_judging() -> None:
    lines = evals.labelled()
    if not lines:
        pytest.skip(f"no measuring data at {evals.DATA}")
    model = shipped_model()
    found = [(line["category"], str(classify(error_type=None, message=line["line"]).category)) for line in lines]
    alone = [(line["category"], model.judge(words_of_event(None, line["line"])).category) for line in lines]
    assert evals.macro_f1(found) >= 0.83
    assert evals.macro_f1(alone) >= 0.78


def test_grouping() -> None:
    data = evals.systems()
    if not data:
        pytest.skip(f"no measuring data at {evals.DATA}")
    figures = [evals.accuracy(lines, [evals.key(line["content"]) for line in lines]) for lines in data.values()]
    assert sum(ga for ga, _ in figures) / len(figures) >= 0.95
    assert sum(fga for _, fga in figures) / len(figures) >= 0.93

"""Runbooks as files: what is taken, and what is refused by its field."""

from __future__ import annotations

import pytest

from opsteward.core.errors import Invalid
from opsteward.troubleshooting.runbook_file import read_runbook

WHOLE = """
version: 1
name: restart-the-shop
steps:
  - check: shop-web
    expect: unhealthy
  - fix: process_hung
    system: shop-processes
  - action: notify_admin
    params: {message: "restarted, 1 time"}
    otherwise: go on
  - wait: 5m
  - ask: Do customers order again?
"""


def test_a_runbook_is_read_with_its_steps() -> None:
    runbook = read_runbook(WHOLE)
    assert [step.kind for step in runbook.steps] == ["check", "fix", "action", "wait", "ask"]
    assert (runbook.steps[0].expect, runbook.steps[2].otherwise, runbook.steps[3].wait) == ("unhealthy", "go on", 300)
    assert (runbook.steps[1].otherwise, runbook.steps[2].params) == ("stop", {"message": "restarted, 1 time"})


@pytest.mark.parametrize(
    ("steps", "field", "problem"),
    [
        ("- {}", "runbook.steps.0", "does nothing"),
        ("- {check: a, wait: 5s}", "runbook.steps.0", "does 2 things at once"),
        ("- {wait: 5}", "runbook.steps.0.wait", "is no time to wait"),
        ("- {wait: 25h}", "runbook.steps.0.wait", "is no time to wait"),
        ("- {check: a, params: {b: 1}}", "runbook.steps.0", "has params, which is for action alone"),
        ("- {fix: process_down}", "runbook.steps.0", "has no system"),
        ("- {chek: a}", "runbook.steps.0.chek", "is no field here"),
        ("[]", "runbook.steps", ""),
        ("- &a {check: b}\n  - *a", "runbook", "anchors and aliases"),
        ("- {action: a, params: {at: 2026-99-99}}", "runbook", "holds a value that can't be read"),
    ],
)
def test_what_is_no_runbook_is_refused_by_its_field(steps: str, field: str, problem: str) -> None:
    text = f"version: 1\nname: a\nsteps:\n  {steps}\n"
    with pytest.raises(Invalid) as refused:
        read_runbook(text)
    found = refused.value.problems[0]
    assert found.field.startswith(field) and problem in found.problem and found.remedy


def test_a_text_that_is_no_mapping_is_refused() -> None:
    for text in ("", "a", "- b", "{", "version: 2\nname: a\nsteps: [{wait: 5s}]"):
        with pytest.raises(Invalid):
            read_runbook(text)

"""What holds for every task type: found by name, described, cheap to list, and run in another process."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from opsteward.crew.catalogue import DOMAINS, task_types


def test_every_domain_has_work_and_names_say_the_domain() -> None:
    assert {one.domain for one in task_types().values()} == set(DOMAINS)
    for name, one in task_types().items():
        assert name == one.name
        assert name.partition(".")[0] == one.domain
        assert one.summary.endswith(".")


@pytest.mark.parametrize("name", sorted(task_types()))
def test_parameters_have_a_schema_that_refuses_slips(name: str) -> None:
    schema = task_types()[name].parameters.model_json_schema()
    json.dumps(schema)
    assert schema["additionalProperties"] is False
    assert schema["description"]


@pytest.mark.parametrize("name", sorted(task_types()))
def test_an_engine_is_a_function_that_another_process_finds(name: str) -> None:
    from importlib import import_module

    engine = task_types()[name].engine
    assert callable(getattr(import_module(engine.__module__), engine.__qualname__))


def test_listing_the_catalogue_imports_no_engine_and_no_numpy() -> None:
    program = (
        "import sys, opsteward.crew.catalogue as c; c.task_types();"
        "print([m for m in sys.modules if m == 'numpy' or m.startswith('opsteward.crew.engines.')])"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"

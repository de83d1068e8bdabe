"""Jobs in processes of their own: what they give and raise comes back, and what takes too much is ended."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import pickle
import re
import time

import pytest

from opsteward.core import computing
from opsteward.core.computing import TooExpensive, compute
from opsteward.core.errors import FieldProblem, OpsError, all_errors
from opsteward.core.fair_share import Party, current_party
from opsteward.events.standing_orders.document import StandingOrderErrors, parse


async def test_results_and_errors_come_back_as_they_are() -> None:
    assert await compute(1.0, json.loads, '{"a": [1]}') == {"a": [1]}
    with pytest.raises(json.JSONDecodeError):
        await compute(1.0, json.loads, "{")
    with pytest.raises(StandingOrderErrors) as caught:
        await compute(1.0, parse, "version: 2", known_actions={})
    assert {problem.field for problem in caught.value.problems} == {"version", "orders"}
    assert caught.value.problems[0].as_dict()["line"] == 1


async def test_what_takes_too_long_is_ended_inside_of_a_library_too() -> None:
    started = time.monotonic()
    with pytest.raises(TooExpensive):
        await compute(0.2, re.match, "(a+)+$", "a" * 100 + "b")
    assert time.monotonic() - started < 15
    assert await compute(1.0, json.loads, "1") == 1, "the next one has a process again"


async def test_what_takes_too_much_memory_is_ended() -> None:
    with pytest.raises(TooExpensive):
        await compute(5.0, bytes, 2_000_000_000)


async def test_one_tenant_leaves_a_process_to_others() -> None:
    async def hard(tenant: str) -> None:
        current_party.set(Party(tenant, "ada"))
        with pytest.raises(TooExpensive):
            await compute(0.2, re.match, "(a+)+$", "a" * 100 + "b")

    crowd = [asyncio.create_task(hard("acme")) for _ in range(3)]
    await asyncio.sleep(0)
    current_party.set(Party("globex", "eve"))
    assert await compute(1.0, json.loads, "1") == 1
    assert not all(one.done() for one in crowd)
    await asyncio.gather(*crowd)


async def test_a_process_knows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPSTEWARD_SECRET_KEY", "hush")
    monkeypatch.setattr(computing._ComputeProcess, "_free", [])
    assert await compute(1.0, os.getenv, "OPSTEWARD_SECRET_KEY") is None
    assert await compute(1.0, os.getenv, "PATH")


def test_every_error_can_come_from_another_process() -> None:
    for cls, detail in itertools.product(set(all_errors()), ("", "told")):
        error = cls.__new__(cls, detail)
        OpsError.__init__(error, detail, remedy="mend it", problems=[FieldProblem(field="a", problem="is none")])
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is cls
        assert (again.detail, again.remedy, again.problems) == (error.detail, error.remedy, error.problems)

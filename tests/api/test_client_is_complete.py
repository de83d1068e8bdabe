"""The Python client has a verb for every route; each sends what the route takes, in both forms."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, get_args, get_type_hints
from uuid import uuid4

import pytest

from opsteward import AsyncOpsteward, CallFailed, Opsteward
from opsteward.client import calls, operations, user_files
from opsteward.client.connection import Call
from opsteward.client.transport import AsyncTransport
from support.live import Live, LiveOperator
from support.openapi import Operation

sys.path.insert(0, str(Path(__file__).parents[2] / "docs"))
client_operations = import_module("client_operations")


@pytest.fixture
def owner(live: Live) -> LiveOperator:
    return live.tenant(f"complete-{uuid4().hex[:10]}").owner


def served(operation: Operation) -> str:
    return f"{operation.method} {re.sub(r'{[^}]*}', '{}', operation.path)}"


def functions() -> Iterator[tuple[str, Callable[..., Call[Any]]]]:
    for path in sorted(Path(str(operations.__file__)).parent.glob("*.py")):
        if path.stem != "__init__":
            module = import_module(f"opsteward.client.operations.{path.stem}")
            yield from (
                (name, f) for name, f in vars(module).items() if getattr(f, "__module__", "") == module.__name__
            )


def called(function: Callable[..., Call[Any]]) -> Call[Any]:
    """What it gives for arguments of its types; ids are new ones."""
    arguments: list[object] = []
    named: dict[str, object] = {}
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD:
            arguments.append({} if parameter.name == "body" else uuid4())
        elif parameter.kind is parameter.KEYWORD_ONLY and parameter.default is parameter.empty:
            named[parameter.name] = "any"
    return function(*arguments, **named)


def route_of(call: Call[Any]) -> str:
    return f"{call.method} {re.sub(r'[0-9a-f]{8}-[0-9a-f-]{27}', '{}', call.path)}"


async def test_every_route_has_a_call(everything: list[Operation]) -> None:
    made = {route_of(called(function)) for _, function in functions()} | {route_of(user_files.bulk_import("csv"))}
    left_out = {served(each) for each in everything} - made
    assert left_out == {"POST /webhook/user-signup", "GET /ping/{}", "GET /ping/{}/{}"}
    assert len(client_operations.WITHOUT_VERB) == len(left_out), "each exception has its reason"
    assert made <= {served(each) for each in everything}, "nothing is asked that is not there"


@pytest.mark.parametrize("form", [AsyncOpsteward, Opsteward])
def test_every_call_has_a_verb(form: type) -> None:
    by_hand = client_operations.BY_HAND
    verbs = {by_hand.get(name, name) for name, _ in functions()} | {by_hand["bulk_import"]}
    assert [name for name in sorted(verbs) if not callable(getattr(form, name, None))] == []


def test_verbs_take_what_their_calls_take() -> None:
    for name, function in functions():
        if name not in client_operations.BY_HAND:
            for form in (AsyncOpsteward, Opsteward):
                assert inspect.signature(getattr(form, name)) == inspect.signature(function), name
                assert getattr(form, name).__doc__, name


def test_a_verb_of_the_async_form_is_awaited() -> None:
    verbs = [value for name, value in vars(AsyncOpsteward.__mro__[1]).items() if not name.startswith("_")]
    assert len(verbs) > 100
    assert all(inspect.iscoroutinefunction(verb) for verb in verbs)
    assert issubclass(AsyncOpsteward, AsyncTransport)


@pytest.mark.parametrize("given", ["../../me", "ada", "", "..", "7"])
def test_what_is_no_id_stands_in_no_path(given: str) -> None:
    from opsteward.client.operations import users

    with pytest.raises(ValueError, match="is no id"):
        users.get_user(given)


async def test_what_needs_no_arguments_is_answered_in_both_forms(owner: LiveOperator) -> None:
    """Each verb that only looks, against an instance."""
    asked = 0
    async with AsyncOpsteward(owner.url, owner.token) as ops:
        with Opsteward(owner.url, owner.token) as blocking:
            for name, function in functions():
                needed = [p for p in inspect.signature(function).parameters.values() if p.default is p.empty]
                call = called(function) if not needed else None
                if call is None or call.method != "GET" or name in client_operations.BY_HAND:
                    continue
                if name == "list_tenants":  # for operators of the platform
                    with pytest.raises(CallFailed, match=r"tenants\.manage"):
                        getattr(blocking, name)()
                    continue
                answer = await getattr(ops, name)()
                again = getattr(blocking, name)()
                assert type(answer) is type(again), name
                assert isinstance(answer, str) is call.text, name
                asked += 1
    assert asked > 25


async def test_answers_are_as_their_types_say(owner: LiveOperator) -> None:
    async with AsyncOpsteward(owner.url, owner.token) as ops:
        user = await ops.register_user("typed", "typed@example.com", "T. Y.")
        found = await ops.get_user(user["id"])
        grant = await ops.grant_access(user["id"], kind="permission", name="look", reason="a test")
        page = await ops.list_grants(user["id"])
        assert [one["id"] for one in page["items"]] == [grant["id"]]
        assert await ops.revoke_access(user["id"], grant["id"]) is None
        orders = await ops.get_standing_orders()
        assert (await ops.check_standing_orders(text=orders["text"]))["ok"]
        assert (await ops.me())["tenant_id"]
    from opsteward.client import types

    for value, shape in ((found, types.UserInfo), (grant, types.GrantInfo), (orders, types.OrdersInForce)):
        hints = get_type_hints(shape)
        assert set(value) <= set(hints)
        for name, kind in hints.items():
            plain = [one for one in get_args(kind) or (kind,) if isinstance(one, type)]
            if plain and not get_args(kind):
                assert isinstance(value[name], tuple(plain)), name


def test_calls_by_hand_leave_out_what_is_not_given() -> None:
    assert calls.create_task("opsteward.echo").options()["headers"] == {}
    assert (
        user_files.bulk_import("csv", mapping={"Mail": "email"}).options()["params"]["mapping"] == '{"Mail": "email"}'
    )

"""Every route, asked by every role with real ids, own and another tenant's: exactly what is permitted passes."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi.routing import APIRoute, iter_route_contexts

from opsteward.accounts.permissions import ROLES, permissions_of
from opsteward.api.deps import permission_of
from support.instance import Instance, Operator
from support.openapi import Operation, example
from support.populated import Populated, populate
from support.problems import problem_of

#: Answers that mean: the permission was there, and the rest of the request was looked at.
PASSED = {200, 201, 202, 204, 404, 409, 422}


@pytest_asyncio.fixture(scope="module")
async def own(instance: Instance) -> Populated:
    return await populate(instance)


@pytest_asyncio.fixture(scope="module")
async def foreign(instance: Instance) -> Populated:
    return await populate(instance)


@pytest_asyncio.fixture(scope="module")
async def operators(own: Populated) -> dict[str, Operator]:
    """One of each role, in the own tenant."""
    return {role: await own.tenant.operator(role) for role in ROLES}


def permissions(instance: Instance) -> dict[tuple[str, str], str | None]:
    """What each route declares."""
    routes = [context.original_route for context in iter_route_contexts(instance.app.routes)]
    return {
        (method, route.path): permission_of(route)
        for route in routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }


async def ask(client: httpx.AsyncClient, operation: Operation, ids: dict[str, str]) -> httpx.Response:
    body: Any = example(operation.schema) if operation.schema else None
    return await client.request(operation.method, operation.url(**ids), json=body)


@pytest.mark.parametrize("role", ROLES)
async def test_looking_with_real_ids(
    instance: Instance,
    own: Populated,
    foreign: Populated,
    operators: dict[str, Operator],
    everything: list[Operation],
    role: str,
) -> None:
    """A GET of the own tenant's is answered to exactly whom it is permitted; of another's to nobody."""
    declared, permitted = permissions(instance), permissions_of([role])
    for operation in everything:
        permission = declared[operation.method, operation.path]
        if operation.method != "GET" or permission is None:
            continue
        answer = await ask(operators[role].http, operation, own.ids)
        if permission in permitted:
            assert answer.status_code == 200, f"{operation}: {answer.text}"
        else:
            assert problem_of(answer, 403)["detail"] == f"this needs the permission {permission}", str(operation)
        if operation.path_parameters:
            answer = await ask(operators[role].http, operation, foreign.ids)
            assert answer.status_code == (404 if permission in permitted else 403), f"{operation}: {answer.text}"
            assert foreign.mark not in answer.text


@pytest.mark.parametrize("role", ROLES)
async def test_changing_with_anothers_ids(
    instance: Instance,
    foreign: Populated,
    operators: dict[str, Operator],
    everything: list[Operation],
    role: str,
) -> None:
    """Whatever a role may change, it changes nothing of another tenant; what it may not, it is told by its name."""
    declared, permitted = permissions(instance), permissions_of([role])
    before = foreign.tenant.count("audit_entries")
    for operation in everything:
        permission = declared[operation.method, operation.path]
        if operation.method == "GET" or permission is None or not operation.path_parameters:
            continue
        answer = await ask(operators[role].http, operation, foreign.ids)
        if permission not in permitted:
            assert problem_of(answer, 403)["detail"] == f"this needs the permission {permission}", str(operation)
        else:
            # 403 by a rule of its own (only one's own tokens); never a success
            assert answer.status_code in {403, 404, 409, 422}, f"{operation}: {answer.status_code} {answer.text}"
            assert "this needs the permission" not in answer.text, str(operation)
    assert foreign.tenant.count("audit_entries") == before


@pytest.mark.parametrize("role", ROLES)
async def test_changing_without_ids(instance: Instance, everything: list[Operation], role: str) -> None:
    """In a tenant of its own, since what is permitted happens."""
    tenant = await instance.tenant()
    operator = await tenant.operator(role)
    declared, permitted = permissions(instance), permissions_of([role])
    for operation in everything:
        permission = declared[operation.method, operation.path]
        if operation.method == "GET" or permission is None or operation.path_parameters:
            continue
        answer = await ask(operator.http, operation, {})
        if permission not in permitted:
            assert problem_of(answer, 403)["detail"] == f"this needs the permission {permission}", str(operation)
        elif answer.status_code != 403:  # by a rule of its own: roles beyond one's own, or another tenant's pause
            assert answer.status_code in PASSED, f"{operation}: {answer.status_code} {answer.text}"
        else:
            assert "this needs the permission" not in answer.text, f"{operation}: {answer.text}"

"""Who may ask what: every route names its permission, every role gets exactly its own, no credential gets in twice."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest
from fastapi.routing import APIRoute, iter_route_contexts

from opsteward.accounts.permissions import ALL, ROLES, SIGNED_IN, permissions_of
from opsteward.accounts.sessions import SESSION_COOKIE
from opsteward.api.deps import permission_of
from support.instance import ORIGIN, Instance, Tenant
from support.malformed import is_in_share
from support.openapi import Operation, example
from support.problems import problem_of

#: Whatever is open to everybody, and why.
PUBLIC = {
    ("GET", "/livez"): "says only that the process runs",
    ("HEAD", "/livez"): "says only that the process runs",
    ("GET", "/readyz"): "says only which parts are up",
    ("GET", "/agent/health/"): "says only whether it is up",
    ("GET", "/sign-in"): "the way in",
    ("POST", "/sign-in"): "the way in",
    ("POST", "/api/v1/sign-in"): "the way in",
    ("GET", "/sign-in/style.css"): "how the way in looks",
    ("GET", "/sign-in/password"): "where a password link leads",
    ("POST", "/sign-in/password"): "where a password link leads",
    ("GET", "/sign-in/openid"): "to the identity provider",
    ("GET", "/sign-in/openid/callback"): "back from the identity provider",
    ("POST", "/webhook/user-signup"): "who signs the request is who asks",
    ("POST", "/webhook/slack"): "Slack signs the request; who pressed is an operator who is linked",
    **{
        (method, path): "the key in the path is what admits"
        for method in ("GET", "HEAD", "POST")
        for path in ("/ping/{key}", "/ping/{key}/{signal}")
    },
    ("GET", "/api/crew/health"): "probes ask whether the crew takes work",
    ("GET", "/api/brain/crew/health"): "the same by its other name",
    ("GET", "/api/schema/"): "the description of the API",
    ("GET", "/api/schema/swagger-ui/"): "the description of the API",
}


def routes(instance: Instance) -> Iterator[tuple[str, str, APIRoute]]:
    """Every method of every route that the application has, in the OpenAPI document or not."""
    for context in iter_route_contexts(instance.app.routes):
        route = context.original_route
        if isinstance(route, APIRoute):
            yield from ((method, route.path, route) for method in route.methods or ())


@pytest.fixture
def needed(instance: Instance) -> dict[tuple[str, str], str]:
    """The permission of every route that is not public."""
    return {(m, path): permission_of(route) or "" for m, path, route in routes(instance) if (m, path) not in PUBLIC}


async def ask(client: httpx.AsyncClient, operation: Operation) -> httpx.Response:
    """A request that is permitted or not, and otherwise comes to nothing or little."""
    fits = example(operation.schema) if operation.schema else None
    return await client.request(operation.method, operation.url(), json=fits)


def test_every_route_names_its_permission(instance: Instance) -> None:
    found = list(routes(instance))
    assert len(found) > 45
    for method, path, route in found:
        if (method, path) in PUBLIC:
            assert permission_of(route) is None, f"{method} {path}"
        else:
            assert permission_of(route) in ALL | {SIGNED_IN}, f"{method} {path} names no permission"
    assert PUBLIC.keys() <= {(method, path) for method, path, _ in found}


def test_every_permission_is_needed_somewhere(needed: dict[tuple[str, str], str]) -> None:
    # /tokens and /metrics are for more people than others' tokens and the whole installation's metrics
    asked_for_within = {"tokens.write", "metrics.installation"}
    assert set(needed.values()) | asked_for_within == ALL | {SIGNED_IN}


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_may_do_exactly_what_it_permits(
    tenant: Tenant, everything: list[Operation], needed: dict[tuple[str, str], str], role: str
) -> None:
    operator = await tenant.operator(role)
    permitted = permissions_of([role])
    for operation in everything:
        permission = needed.get((operation.method, operation.path))
        answer = await ask(operator.http, operation)
        if permission is None or permission in permitted:
            is_way_in = (operation.method, operation.path) in PUBLIC  # where nobody of the name is known
            assert answer.status_code != 401 or is_way_in, f"{operation}: {answer.text}"
            assert "this needs the permission" not in answer.text, f"{operation}: {answer.text}"
            assert answer.status_code < 500, f"{operation}: {answer.text}"
        else:
            assert problem_of(answer, 403)["detail"] == f"this needs the permission {permission}"


async def test_a_role_that_is_none_permits_nothing(tenant: Tenant, everything: list[Operation]) -> None:
    operator = await tenant.operator("viewer")
    tenant.instance.sql("update opsteward.operators set roles = '{root,Admin,*}' where id = %s", operator.id)
    me = (await operator.http.get("/api/v1/me")).json()
    assert me["permissions"] == []
    problem_of(await operator.http.get("/api/v1/systems"), 403)


async def test_no_credential_is_no_entry(
    instance: Instance, tenant: Tenant, everything: list[Operation], needed: dict[tuple[str, str], str]
) -> None:
    expired = await tenant.credential("api", ttl=timedelta(seconds=-1))
    revoked = await tenant.credential("api")
    assert (await tenant.http.delete(f"/api/v1/tokens/{revoked.id}")).status_code == 204
    session, link = await tenant.credential("session"), await tenant.credential("link")
    bad = {
        "none": {},
        "expired": {"Authorization": f"Bearer {expired.secret}"},
        "revoked": {"Authorization": f"Bearer {revoked.secret}"},
        "unknown": {"Authorization": "Bearer ops_" + "x" * 43},
        "cut": {"Authorization": f"Bearer {tenant.owner.token[:-1]}"},
        "longer": {"Authorization": f"Bearer {tenant.owner.token}x"},
        "of another case": {"Authorization": f"Bearer {tenant.owner.token.swapcase()}"},
        "empty": {"Authorization": "Bearer "},
        "basic": {"Authorization": f"Basic {tenant.owner.token}"},
        "bare": {"Authorization": tenant.owner.token},
        "two": {"Authorization": f"Bearer {tenant.owner.token} {tenant.owner.token}"},
        "long": {"Authorization": "Bearer " + "x" * 20_000},
        "hostile": {"Authorization": "Bearer ' or 1=1; --\x7f"},
        "a session as a token": {"Authorization": f"Bearer {session.secret}"},
        "a link as a token": {"Authorization": f"Bearer {link.secret}"},
        "a token as a session": {"Cookie": f"{SESSION_COOKIE}={tenant.owner.token}", "Origin": ORIGIN},
        "a link as a session": {"Cookie": f"{SESSION_COOKIE}={link.secret}", "Origin": ORIGIN},
        "an empty session": {"Cookie": f"{SESSION_COOKIE}=", "Origin": ORIGIN},
    }
    asked = [operation for operation in everything if (operation.method, operation.path) in needed]
    for turn, (name, headers) in enumerate(bad.items()):
        client = instance.client(**headers)
        for number, operation in enumerate(asked):
            if name != "none" and not is_in_share(number, turn, of=4):
                continue
            answer = await ask(client, operation)
            assert answer.status_code == 401, f"{operation} with {name}: {answer.status_code} {answer.text}"
            assert answer.headers["www-authenticate"] == "Bearer"
            assert tenant.owner.token not in answer.text


async def test_what_is_public_tells_nothing_private(instance: Instance, tenant: Tenant) -> None:
    client = instance.client()
    for method, path in PUBLIC:
        if method == "GET":
            answer = await client.get(path)
            leads_nowhere = {"/sign-in/password": 401, "/sign-in/openid": 404, "/sign-in/openid/callback": 404}
            leads_nowhere |= {"/ping/{key}": 404, "/ping/{key}/{signal}": 404}
            assert answer.status_code == leads_nowhere.get(path, 200), path
            for secret in (tenant.name, str(tenant.id), tenant.owner.token, str(instance.home)):
                assert secret not in answer.text, path

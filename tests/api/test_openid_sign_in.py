"""Signing in by an identity provider: a real one on this machine, which also lies in every way that is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pydantic import SecretStr

from opsteward.accounts.oidc import OpenIdSignIn
from opsteward.accounts.sessions import SESSION_COOKIE
from opsteward.api.app import build_app
from opsteward.app.request_services import api_services_of
from opsteward.core.errors import Invalid
from support.identity_provider import CLIENT_ID, CLIENT_SECRET, IdentityProvider, running_provider
from support.instance import Instance, Tenant
from support.problems import problem_of

TaskHarness = Callable[..., Instance]
MAIL = "grace@example.test"


@pytest.fixture(scope="module")
def provider() -> Iterator[IdentityProvider]:
    with running_provider() as one:
        yield one


@pytest.fixture
def harness(instance: Instance, tenant: Tenant, provider: IdentityProvider) -> TaskHarness:
    """The instance as it is with this provider configured for the tenant."""
    return lambda **settings: with_provider(instance, tenant, provider, **settings)


def with_provider(instance: Instance, tenant: Tenant, provider: IdentityProvider, **settings: Any) -> Instance:
    instance.sql("delete from opsteward.sign_in_attempts")
    told = {
        "issuer": provider.issuer,
        "client_id": CLIENT_ID,
        "client_secret": SecretStr(CLIENT_SECRET),
        "tenant": tenant.name,
    }
    services = instance.services
    opened = OpenIdSignIn(services.settings.oidc.model_copy(update=told | settings), services.web, services.box)
    api_services = replace(api_services_of(services, lambda: {"database": True}), openid_sign_in=opened)
    return replace(instance, app=build_app(api_services))


def person(**claims: Any) -> dict[str, Any]:
    return {"sub": "grace-1", "email": MAIL, "email_verified": True} | claims


async def there(client: httpx.AsyncClient) -> str:
    """The provider's address that the browser is sent to."""
    answer = await client.get("/sign-in/openid")
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


async def there_and_back(client: httpx.AsyncClient, provider: IdentityProvider) -> httpx.Response:
    return await client.get(str(provider.authorized(await there(client))))


async def failures(tenant: Tenant) -> set[str]:
    """The reasons that the audit log gives."""
    items = (await tenant.http.get("/api/v1/audit")).json()["items"]
    return {e["detail"]["reason"] for e in items if e["verb"] == "sign_in.failed"}


async def refused(answer: httpx.Response, tenant: Tenant, reason: str) -> None:
    assert answer.status_code == 401, answer.text
    assert SESSION_COOKIE not in answer.cookies
    assert reason in await failures(tenant)
    assert tenant.count("outside_identities") == 0


async def test_an_operator_signs_in(harness: TaskHarness, tenant: Tenant, provider: IdentityProvider) -> None:
    grace = await tenant.operator("approver", name="Grace@Example.test")
    provider.next(claims=person())
    client = harness().client()
    answer = await there_and_back(client, provider)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    me = (await client.get("/api/v1/me")).json()
    assert (me["operator_id"], me["roles"]) == (str(grace.id), ["approver"])
    verbs = {e["verb"] for e in (await tenant.http.get("/api/v1/audit")).json()["items"]}
    assert {"operator.bound", "sign_in.succeeded"} <= verbs


@pytest.mark.parametrize("in_token", [{}, {"email": "boss@example.test"}, {"email_verified": True}])
async def test_what_the_token_lacks_is_asked_for(
    harness: TaskHarness, tenant: Tenant, provider: IdentityProvider, in_token: dict[str, Any]
) -> None:
    """A conforming provider tells what the scopes ask for at its UserInfo endpoint. An address and whether it is
    verified are of one place: no verified one makes another so."""
    await tenant.operator("owner", name="boss@example.test")
    grace = await tenant.operator("viewer", name=MAIL)
    for groups in (["ops"], ["sec"]):
        provider.next(claims={"sub": "grace-1"} | in_token, userinfo=person(groups=groups))
        client = harness(roles_claim="groups", roles={"ops": "operator", "sec": "auditor"}).client()
        assert (await there_and_back(client, provider)).status_code == 303
        me = (await client.get("/api/v1/me")).json()
        assert (me["operator_id"], me["roles"]) == (str(grace.id), ["operator" if groups == ["ops"] else "auditor"])


@pytest.mark.parametrize(
    ("userinfo", "reason"),
    [
        (person(sub="another"), "userinfo_sub"),
        ({"email": MAIL, "email_verified": True}, "userinfo_sub"),
        (person(email_verified=False), "unverified_email"),
        ({"sub": "grace-1", "email": MAIL}, "unverified_email"),
        ({"sub": "grace-1"}, "no_name"),
        ([], "no_name"),
        (None, "no_name"),
    ],
)
async def test_a_userinfo_that_is_not_right_is_refused(
    harness: TaskHarness, tenant: Tenant, provider: IdentityProvider, userinfo: Any, reason: str
) -> None:
    await tenant.operator("viewer", name=MAIL)
    provider.next(
        claims={"sub": "grace-1", "email_verified": True}, **({"userinfo": userinfo} if userinfo is not None else {})
    )
    await refused(await there_and_back(harness().client(), provider), tenant, reason)


async def test_the_page_offers_it_where_it_is_configured(instance: Instance, harness: TaskHarness) -> None:
    assert "/sign-in/openid" in (await harness().client().get("/sign-in")).text
    assert "/sign-in/openid" not in (await instance.client().get("/sign-in")).text
    problem_of(await instance.client().get("/sign-in/openid"), 404)
    problem_of(await instance.client().get("/sign-in/openid/callback"), 404)


LIES: dict[str, tuple[dict[str, Any], str]] = {
    "another nonce": ({"claims": person(nonce="of another sign-in")}, "nonce"),
    "no nonce": ({"claims": person(), "drop": ["nonce"]}, "nonce"),
    "another audience": ({"claims": person(aud="somebody-else")}, "aud"),
    "several audiences for nobody": ({"claims": person(aud=[CLIENT_ID, "another"])}, "azp"),
    "made for another party": ({"claims": person(azp="another")}, "azp"),
    "run out": ({"claims": person(exp=1_600_000_000)}, "exp"),
    "never runs out": ({"claims": person(), "drop": ["exp"]}, "exp"),
    "from the future": ({"claims": person(iat=4_000_000_000)}, "iat"),
    "another issuer": ({"claims": person(iss="https://evil.example")}, "iss"),
    "nobody": ({"claims": person(), "drop": ["sub"]}, "sub"),
    "a number": ({"claims": person(sub=7)}, "sub"),
    "unsigned": ({"claims": person(), "sign": "none"}, "signature"),
    "a stranger's key": ({"claims": person(), "sign": "by a stranger"}, "signature"),
    "a damaged signature": ({"claims": person(), "sign": "damaged"}, "signature"),
    "the public key as a secret": ({"claims": person(), "sign": "by the public key"}, "signature"),
    "the client's secret": ({"claims": person(), "sign": "by the client's secret"}, "signature"),
    "an address not verified": ({"claims": person(email_verified=False)}, "unverified_email"),
    "an address that says it is": ({"claims": person(email_verified="true")}, "unverified_email"),
    "no address": ({"claims": {"sub": "grace-1"}}, "no_name"),
    "an address of nobody": ({"claims": person(email="nobody@example.test")}, "unknown_operator"),
}


@pytest.mark.parametrize("lie", LIES)
async def test_what_is_not_right_is_refused(
    harness: TaskHarness, tenant: Tenant, provider: IdentityProvider, lie: str
) -> None:
    await tenant.operator("viewer", name=MAIL)
    told, reason = LIES[lie]
    provider.next(**told)
    await refused(await there_and_back(harness().client(), provider), tenant, reason)


async def test_a_discovery_document_of_another_issuer_is_refused(
    harness: TaskHarness, tenant: Tenant, provider: IdentityProvider
) -> None:
    for wrong, reason in (({"issuer": "https://evil.example"}, "issuer"), ({"token_endpoint": "ftp://x"}, "discovery")):
        provider.next(discovery=wrong)
        answer = await harness().client().get("/sign-in/openid")
        assert answer.status_code == 502
        assert reason in await failures(tenant)


async def test_one_comes_back_once_and_in_the_same_browser(
    harness: TaskHarness, tenant: Tenant, provider: IdentityProvider
) -> None:
    await tenant.operator("viewer", name=MAIL)
    provider.next(claims=person())
    here = harness()
    browser, other = here.client(), here.client()
    back = str(provider.authorized(await there(browser)))
    cookie = {"Cookie": f"opsteward_openid={browser.cookies['opsteward_openid']}"}
    await refused(await other.get(back), tenant, "cookie")  # a link that somebody was made to follow
    await there(other)
    await refused(await other.get(back), tenant, "state")
    await refused(await browser.get(f"{back}&iss=https://evil.example"), tenant, "issuer")
    assert (await here.client(**cookie).get(back)).status_code == 303
    answer = await here.client(**cookie).get(back)
    assert answer.status_code == 401
    assert "replayed" in await failures(tenant)
    again = provider.authorized(await there(browser))
    code = httpx.URL(back).params["code"]  # one that was used, under a fresh state
    assert (await browser.get(str(again.copy_set_param("code", code)))).status_code == 401
    assert "code" in await failures(tenant)


async def test_no_code_is_no_sign_in(harness: TaskHarness, tenant: Tenant, provider: IdentityProvider) -> None:
    client = harness().client()
    back = provider.authorized(await there(client)).copy_remove_param("code").copy_set_param("error", "access_denied")
    await refused(await client.get(str(back)), tenant, "no_code")


async def test_an_altered_cookie_is_none(harness: TaskHarness, tenant: Tenant, provider: IdentityProvider) -> None:
    here = harness()
    client = here.client()
    back = str(provider.authorized(await there(client)))
    good = client.cookies["opsteward_openid"].strip('"')
    for bad in ("x", "AAAA", good[:-8], good[:40] + ("A" if good[40] != "A" else "B") + good[41:]):
        await refused(await here.client(Cookie=f"opsteward_openid={bad}").get(back), tenant, "cookie")


async def test_the_subject_counts_and_not_the_address(
    harness: TaskHarness, tenant: Tenant, provider: IdentityProvider
) -> None:
    grace = await tenant.operator("viewer", name=MAIL)
    await tenant.operator("admin", name="boss@example.test")
    here = harness()
    provider.next(claims=person())
    assert (await there_and_back(here.client(), provider)).status_code == 303
    # Her address there becomes the boss's: she is still herself.
    provider.next(claims=person(email="boss@example.test"))
    client = here.client()
    assert (await there_and_back(client, provider)).status_code == 303
    assert (await client.get("/api/v1/me")).json()["operator_id"] == str(grace.id)
    # Her old address is given to somebody new: they are not her.
    provider.next(claims=person(sub="somebody-new"))
    assert (await there_and_back(here.client(), provider)).status_code == 401
    assert "another_subject" in await failures(tenant)


async def test_a_deactivated_operator_stays_out(
    harness: TaskHarness, tenant: Tenant, provider: IdentityProvider
) -> None:
    grace = await tenant.operator("viewer", name=MAIL)
    here = harness()
    provider.next(claims=person())
    client = here.client()
    assert (await there_and_back(client, provider)).status_code == 303
    assert (await tenant.http.delete(f"/api/v1/operators/{grace.id}")).status_code == 204
    problem_of(await client.get("/api/v1/me"), 401)
    assert (await there_and_back(here.client(), provider)).status_code == 401
    assert "inactive" in await failures(tenant)


async def test_operators_are_made_only_where_a_role_is_configured(
    harness: TaskHarness, tenant: Tenant, provider: IdentityProvider
) -> None:
    mail = f"{uuid4().hex}@example.test"
    provider.next(claims=person(sub=mail, email=mail))
    assert (await there_and_back(harness().client(), provider)).status_code == 401
    client = harness(auto_create_role="viewer").client()
    assert (await there_and_back(client, provider)).status_code == 303
    me = (await client.get("/api/v1/me")).json()
    assert (me["operator"], me["roles"]) == (mail, ["viewer"])


async def test_roles_follow_the_groups(harness: TaskHarness, tenant: Tenant, provider: IdentityProvider) -> None:
    grace = await tenant.operator("viewer", name=MAIL)
    here = harness(roles_claim="groups", roles={"ops": "operator", "sec": "auditor"})

    async def roles_with(groups: Any) -> Any:
        provider.next(claims=person(groups=groups))
        client = here.client()
        answer = await there_and_back(client, provider)
        return (await client.get("/api/v1/me")).json()["roles"] if answer.status_code == 303 else answer.status_code

    assert await roles_with(["ops", "sec", "cooks"]) == ["auditor", "operator"]
    assert await roles_with("sec") == ["auditor"]
    assert await roles_with(["cooks"]) == 401
    assert await roles_with(None) == 401
    assert tenant.instance.sql("select roles from opsteward.operators where id = %s", grace.id) == [(["auditor"],)]


async def test_new_keys_of_the_provider_are_found(
    harness: TaskHarness, tenant: Tenant, provider: IdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    await tenant.operator("viewer", name=MAIL)
    here = harness()
    provider.next(claims=person())
    assert (await there_and_back(here.client(), provider)).status_code == 303
    provider.next(claims=person(), rotate=True)
    assert (await there_and_back(here.client(), provider)).status_code == 401  # looked a moment ago
    monkeypatch.setattr("opsteward.accounts.oidc_provider._LOOK_AGAIN", 0.0)
    assert (await there_and_back(here.client(), provider)).status_code == 303


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"client_id": ""}, "OPSTEWARD_OIDC_CLIENT_ID"),
        ({"client_secret": None}, "OPSTEWARD_OIDC_CLIENT_SECRET"),
        ({"auto_create_role": "king"}, "OPSTEWARD_OIDC_AUTO_CREATE_ROLE"),
        ({"roles": {"all": "platform"}}, "OPSTEWARD_OIDC_ROLES"),
    ],
)
async def test_wrong_settings_stop_the_start(harness: TaskHarness, settings: dict[str, Any], named: str) -> None:
    with pytest.raises(Invalid) as error:
        harness(**settings)
    assert error.value.problems[0].field == named

"""Operators and API tokens: who works with Opsteward, and with which credentials."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts import operators, passwords, queries
from opsteward.accounts import tokens as api_tokens
from opsteward.accounts.permissions import ROLES, SIGNED_IN
from opsteward.accounts.role_delegation import require_power_over
from opsteward.console.languages import _
from opsteward.console.page import Done, Page, Route, Undo, Visit, does, shows
from opsteward.console.sorting import sorting
from opsteward.console.vocabulary import spoken
from opsteward.core.errors import Denied, Invalid

_TOKENS = 50
_DAYS_LIMIT = 3650
_COLUMNS = {"name": False, "roles": False, "state": False, "since": True}
_TOKEN_COLUMNS = {"made": True, "name": False, "used": True, "ends": False}


async def people(visit: Visit, session: AsyncSession) -> Page:
    """Everybody by name, and the tokens, the newest first; both in another order as the address asks."""
    me = visit.identity
    found = await queries.list_operators(session)
    own = None if me.may("tokens.write") else me.operator_id
    order, token_order = sorting(visit, _COLUMNS), sorting(visit, _TOKEN_COLUMNS, of="tokens")
    tokens = await queries.list_tokens(
        session,
        operator_id=own,
        before=visit.cursor("before"),
        limit=_TOKENS + 1,
        by=token_order.column,
        descending=token_order.descending,
    )
    names = {one.id: one.name for one in found}
    found = order.rows(
        found,
        {
            "name": lambda one: one.name.casefold(),
            "roles": lambda one: ", ".join(one.roles),
            "state": lambda one: one.status,
            "since": lambda one: one.created_at,
        },
    )
    return Page(
        template="operators.html",
        title=_("Operators"),
        values={
            "operators": found,
            "by": order.heads,
            "tokens": [(one, names.get(one.operator_id, _("an operator who is gone"))) for one in tokens[:_TOKENS]],
            "tokens_by": token_order.heads,
            "next": visit.address(before=str(tokens[_TOKENS - 1].id)) if len(tokens) > _TOKENS else "",
            "first": visit.address() if visit.query("before") else "",
            "roles": sorted(ROLES),
            "may_write": me.may("operators.write"),
            "may_write_tokens": me.may("tokens.write"),
            "me": me,
        },
    )


def _roles(visit: Visit) -> list[str]:
    given = [role for role in sorted(ROLES) if visit.form.get(f"role_{role}")]
    if not given:
        raise Invalid.field("roles", "none is chosen", "choose at least one")
    return given


async def _create(visit: Visit, session: AsyncSession) -> Done:
    made = await operators.create_operator(
        session,
        name=visit.text("name", limit=100, required=True),
        roles=_roles(visit),
        actor=visit.identity.actor,
        by=visit.identity,
    )
    return Done(to="/operators", words=_("%(name)s is added: give a password link or a token next", name=made.name))


async def _change(visit: Visit, session: AsyncSession) -> Done:
    changed = await operators.change_operator(
        session,
        operator_id=visit.id("operator_id", "operator"),
        roles=_roles(visit),
        status=None,
        actor=visit.identity.actor,
        by=visit.identity,
    )
    return Done(
        to="/operators", words=_("%(name)s has the roles %(roles)s", name=changed.name, roles=", ".join(changed.roles))
    )


async def _set_status(visit: Visit, session: AsyncSession) -> Done:
    status = visit.text("status")
    if status not in ("active", "inactive"):
        raise Invalid.field("status", "is none", "use active or inactive")
    changed = await operators.change_operator(
        session,
        operator_id=visit.id("operator_id", "operator"),
        roles=None,
        status=status,
        actor=visit.identity.actor,
        by=visit.identity,
    )
    back = "inactive" if changed.status == "active" else "active"
    undo = Undo(path=f"/operators/{changed.id}/status", fields={"status": back})
    return Done(
        to="/operators", words=_("%(name)s is %(status)s", name=changed.name, status=spoken(changed.status)), undo=undo
    )


async def _password_link(visit: Visit, session: AsyncSession) -> Page:
    link = await passwords.make_link(session, operator_id=visit.id("operator_id", "operator"), by=visit.identity)
    address = f"{visit.own_address}/sign-in/password?code={link.secret}"
    return _secret(_("A link to set a password"), address, _("It works once, for an hour."))


async def _issue(visit: Visit, session: AsyncSession) -> Page:
    me, name = visit.identity, visit.text("operator", limit=100)
    owner = me.operator_id
    if name and name.casefold() != me.operator_name.casefold():
        me.require("tokens.write")
        found = await queries.find_operator(session, name=name)
        require_power_over(me, found.roles)
        owner = found.id
    days = visit.text("days", limit=4)
    if days and not (days.isascii() and days.isdecimal() and 1 <= int(days) <= _DAYS_LIMIT):
        raise Invalid.field("days", "is no number of days", f"write 1 to {_DAYS_LIMIT}, or nothing for no end")
    scopes = visit.text("scopes", limit=3000).replace(",", " ").split()
    token = await api_tokens.issue_token(
        session,
        operator_id=owner,
        kind="api",
        name=visit.text("name", limit=100) or "api",
        actor=me.actor,
        ttl=timedelta(days=int(days)) if days else None,
        by=me,
        scopes=scopes or None,
    )
    return _secret(_("A new API token"), token.secret, _("Send it as `Authorization: Bearer`, or set OPSTEWARD_TOKEN."))


async def _revoke(visit: Visit, session: AsyncSession) -> Done:
    me, token_id = visit.identity, visit.id("token_id", "token")
    if not me.may("tokens.write"):
        own = {token.id for token in await queries.list_tokens(session, operator_id=me.operator_id)}
        if token_id not in own:
            raise Denied("only one's own tokens")
    await api_tokens.revoke_token(session, token_id=token_id, actor=me.actor)
    return Done(to="/operators", words=_("The token is ended"))


def _secret(title: str, secret: str, words: str) -> Page:
    return Page(
        template="secret.html",
        title=title,
        values={"secret": secret, "words": words, "examples": [], "back_to": "/operators"},
    )


ROUTES: tuple[Route, ...] = (
    shows("/operators", people, "operators.read"),
    does("/operators", _create, "operators.write"),
    does("/operators/{operator_id}/roles", _change, "operators.write"),
    does("/operators/{operator_id}/status", _set_status, "operators.write"),
    does("/operators/{operator_id}/password-link", _password_link, "operators.write"),
    does("/operators/tokens/new", _issue, SIGNED_IN),
    does("/operators/tokens/{token_id}/revoke", _revoke, SIGNED_IN),
)

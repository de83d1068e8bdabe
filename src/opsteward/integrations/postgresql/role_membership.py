"""Keeping who may use a database: members of one role, the system's `access_role`. Nobody else's rights are touched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final, Literal, LiteralString, TypedDict

from pydantic import BaseModel

from opsteward.contracts.access import AccessParams, Person
from opsteward.contracts.action import Action, ActionContext, Plan, Proof, Risk
from opsteward.core.errors import BadReply
from opsteward.integrations.postgresql.connector import PostgresConnector

KEEP_ACCESS = "postgresql.keep_access"
_MAX_NAME = 63  # bytes; the server would cut a longer one, and so mean somebody else

Did = Literal["given", "created_and_given", "taken", "as_wanted", "left_alone"]

_LOOK: Final[LiteralString] = """
    select w.login, r.oid is not null as there, held.times > 0 as member,
        case when octet_length(w.login) > %(longest)s then 'the name is longer than a role''s may be'
            when starts_with(w.login, 'pg_') or w.login in ('public', 'none') then 'the name is the server''s own'
            when w.login = current_user then 'it is the role that Opsteward signs in as'
            when w.login = k.rolname then 'it is the access role itself'
            when r.rolsuper or r.rolcreaterole or r.rolcreatedb or r.rolreplication or r.rolbypassrls
                then 'the role administers the server' end as why,
        -- since version 16 a membership is ended by who gave it
        case when current_setting('server_version_num')::int >= 160000 and not held.by_us
            then 'the membership was given by ' || held.giver || ', who alone can end it' end as not_ours
    from unnest(%(logins)s::text[]) with ordinality as w(login, nth)
    join pg_roles k on k.rolname = %(role)s
    left join pg_roles r on r.rolname = w.login
    -- looked up for each of these few: the server has the memberships of everybody in one table
    cross join lateral (
        select count(*) as times, coalesce(bool_or(pg_get_userbyid(m.grantor) = current_user), false) as by_us,
            min(pg_get_userbyid(m.grantor)::text) as giver
        from pg_auth_members m where m.member = r.oid and m.roleid = k.oid) as held
    order by w.nth"""


class Membership(TypedDict):
    """A login on the server: whether there is a role and it is a member, and why it is left alone."""

    login: str
    there: bool
    member: bool
    why: str | None
    not_ours: str | None


class PersonOutcome(BaseModel):
    """What became of one person; `why` says why it was left alone."""

    login: str
    did: Did
    why: str = ""


class AccessResult(BaseModel):
    """One outcome per person, in their order."""

    people: list[PersonOutcome]


class KeepAccess(Action[PostgresConnector, AccessParams, AccessResult]):
    """Makes people members of the access role, or no members any more; makes a role that can sign in for who has none.

    Such a role has no password: how people prove who they are is the server's own matter (LDAP, certificates, peer).
    Taking access leaves the role, which may own things. Undone, everybody is as before.
    """

    slug: ClassVar[str] = KEEP_ACCESS
    title: ClassVar[str] = "Give and take database access"
    risk: ClassVar[Risk] = Risk.MEDIUM
    params_model: ClassVar[type[BaseModel]] = AccessParams
    result_model: ClassVar[type[BaseModel]] = AccessResult
    undoable: ClassVar[bool] = True
    timeout: ClassVar[float] = 30.0

    async def plan(self, ctx: ActionContext[PostgresConnector], params: AccessParams) -> Plan:
        outcomes = await _outcomes(ctx.via, params.people)
        given = [one.login for one in outcomes if one.did in ("given", "created_and_given")]
        taken = [one.login for one in outcomes if one.did == "taken"]
        left = [f"{one.login}: {one.why}" for one in outcomes if one.did == "left_alone"]
        alone = f"; {len(left)} left alone: {'; '.join(left[:5])}" if left else ""
        role = ctx.via.config.settings.access_role
        steps = [f"Make a role that can sign in: {o.login}" for o in outcomes if o.did == "created_and_given"]
        steps += [f"Make {login} a member of {role}" for login in given]
        steps += [f"End the membership of {login} in {role}" for login in taken]
        return Plan(
            needed=bool(given or taken),
            summary=f"Give {len(given)} and take {len(taken)} membership(s) of {role}{alone}",
            steps=steps,
            objects=[*given, *taken],
            evidence={"left_alone": left},
        )

    async def execute(self, ctx: ActionContext[PostgresConnector], params: AccessParams) -> AccessResult:
        outcomes = await _outcomes(ctx.via, params.people)
        made = [one.login for one in outcomes if one.did == "created_and_given"]
        given = [one.login for one in outcomes if one.did == "given"]
        taken = [one.login for one in outcomes if one.did == "taken"]
        await ctx.via.change_members(made=made, given=[*made, *given], taken=taken)
        return AccessResult(people=outcomes)

    async def verify(self, ctx: ActionContext[PostgresConnector], params: AccessParams, result: AccessResult) -> Proof:
        left_alone = {one.login for one in result.people if one.did == "left_alone"}
        rows = await _memberships(ctx.via, [one for one in params.people if one.login not in left_alone])
        wanted = {one.login: one.wanted for one in params.people}
        wrong = [row["login"] for row in rows if row["member"] is not wanted[row["login"]]]
        return Proof(
            ok=not wrong,
            summary=f"{len(rows) - len(wrong)} of {len(rows)} have the access they should have",
            evidence={"wrong": wrong, "left_alone": sorted(left_alone)},
        )

    async def undo(self, ctx: ActionContext[PostgresConnector], params: AccessParams, result: AccessResult) -> None:
        taken = [one.login for one in result.people if one.did in ("given", "created_and_given")]
        await ctx.via.change_members(given=[one.login for one in result.people if one.did == "taken"], taken=taken)


async def _memberships(via: PostgresConnector, people: Sequence[Person]) -> list[Membership]:
    role = via.config.settings.access_role
    rows = await via.rows(
        _LOOK, {"logins": [one.login for one in people], "role": role, "longest": _MAX_NAME}, shape=Membership
    )
    if not rows and people:
        problem = f"there is no role {role}" if role else "the system names no access_role"
        raise BadReply(problem, remedy="create the role, or set the system's access_role to one that is there")
    return rows


async def _outcomes(via: PostgresConnector, people: Sequence[Person]) -> list[PersonOutcome]:
    """What there is to do; where nothing is, why."""
    outcomes = []
    for person, row in zip(people, await _memberships(via, people), strict=True):
        did: Did = "as_wanted"
        why = row["why"] or (None if person.wanted else row["not_ours"])
        if why and person.wanted is not row["member"]:
            did = "left_alone"
        elif person.wanted and not row["member"]:
            did = "given" if row["there"] else "created_and_given"
        elif not person.wanted and row["member"]:
            did = "taken"
        outcomes.append(PersonOutcome(login=person.login, did=did, why=why or "" if did == "left_alone" else ""))
    return outcomes

"""What a change of role would do to a user's access, before anybody does it. Reads only; `users` does it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.clock import now
from opsteward.directory.enrollment_rules.rules import Grant, Rule, due_access, meeting
from opsteward.directory.enrollment_rules.service import rules_of
from opsteward.directory.entitlements.service import grants_of
from opsteward.directory.types import HAS_ACCESS, GrantInfo, UserInfo, UserStatus
from opsteward.directory.users.service import get_user


@dataclass(frozen=True, kw_only=True)
class Access:
    """Permissions and systems, each sorted."""

    permissions: tuple[str, ...] = ()
    systems: tuple[str, ...] = ()

    def __sub__(self, other: Access) -> Access:
        return _access(set(self.permissions).difference(other.permissions), set(self.systems).difference(other.systems))


@dataclass(frozen=True, kw_only=True)
class RolePreview:
    """What is granted and revoked at once, and what only after the `stages` were approved; `held` is now.

    `refused`: the two permissions that must not meet, for which it would be refused, or its approval.
    """

    enrollment_type: str
    stages: tuple[str, ...]
    status_after: str
    held: Access
    granted: Access
    revoked: Access
    after_approval: Access
    refused: tuple[str, str] | None


async def preview_role(session: AsyncSession, *, user_id: UUID, role: str) -> RolePreview:
    """What `Users.update` with this role would do now. Raises NotFound."""
    user = await get_user(session, user_id=user_id)
    rules = await rules_of(session)
    enrolled_as, rule = rules.choose(role=role, department=user.department, attributes=user.profile_data)
    grants = await grants_of(session, user_id=user_id)
    return preview(user, enrolled_as, rule, grants=grants, pairs=rules.duty_pairs)


def preview(
    user: UserInfo, enrolled_as: str, rule: Rule, *, grants: Iterable[GrantInfo], pairs: Sequence[tuple[str, str]]
) -> RolePreview:
    """The same from what was read. Single grants stay; what a review took comes back with a new role's rule."""
    stages = tuple(str(stage["name"]) for stage in rule.needed())
    held = _access(user.permissions, user.system_access)
    kept = [Grant(g.kind, g.name) for g in grants if not g.denied and (g.expires_at is None or g.expires_at > now())]
    # what waits for approval gives, until then, no more than the user has
    given = rule.within(held.permissions, held.systems) if stages else rule
    joins = not stages and user.status == UserStatus.PENDING
    status = UserStatus.ACTIVE if joins else UserStatus(user.status)
    whole, at_once = (_due(one, kept, UserStatus.ACTIVE) for one in (rule, given))
    after = _due(given, kept, status)
    return RolePreview(
        enrollment_type=enrolled_as,
        stages=stages,
        status_after=status,
        held=held,
        granted=after - held,
        revoked=held - after,
        after_approval=whole - at_once if stages else Access(),
        refused=meeting((whole if stages or status in HAS_ACCESS else after).permissions, pairs),
    )


def _access(permissions: Iterable[str], systems: Iterable[str]) -> Access:
    return Access(permissions=tuple(sorted(set(permissions))), systems=tuple(sorted(set(systems))))


def _due(rule: Rule, grants: list[Grant], status: UserStatus) -> Access:
    return _access(*due_access(rule, grants, status=status))

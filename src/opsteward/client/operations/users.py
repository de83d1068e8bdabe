"""What each route about users is asked, written from the OpenAPI document by
`python docs/generate.py`.

No sending here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsteward.client.connection import Call, Page, path_id

if TYPE_CHECKING:
    from typing import Literal, Unpack
    from uuid import UUID

    from opsteward.client import types


def list_imports(
    *, before: str | None = None, ref: str | None = None, limit: int | None = None
) -> Call[Page[types.ImportInfo]]:
    """Newest first, without their reports."""
    return Call("GET", "/api/v1/users/imports", params={"before": before, "ref": ref, "limit": limit})


def get_import(job_id: str | UUID) -> Call[types.ImportReport]:
    """A job: how far it is, and the first errors, warnings and users of its report."""
    return Call("GET", f"/api/v1/users/imports/{path_id(job_id)}")


def imported_users(
    job_id: str | UUID, *, after: str | None = None, limit: int | None = None
) -> Call[Page[types.ImportedUser]]:
    """The ids of all users whom an import has added, changed, or found as the file has them."""
    return Call("GET", f"/api/v1/users/imports/{path_id(job_id)}/users", params={"after": after, "limit": limit})


def import_errors(job_id: str | UUID, *, format: Literal["csv", "ndjson"] | None = None) -> Call[str]:
    """All errors and warnings. In CSV a cell that a spreadsheet would run begins with an apostrophe."""
    return Call("GET", f"/api/v1/users/imports/{path_id(job_id)}/errors", params={"format": format}, text=True)


def export_users(*, format: Literal["csv", "ndjson", "json", "ldif"] | None = None) -> Call[str]:
    """All users who hold their names, in a form that can be imported again."""
    return Call("GET", "/api/v1/users/export", params={"format": format}, text=True)


def register_user(**fields: Unpack[types.UserIn]) -> Call[types.UserInfo]:
    """Register a user; it is enrolled and given its access, or waits for a person, in the same transaction."""
    return Call("POST", "/api/v1/users", fields)


def list_users(
    *,
    search: str | None = None,
    status: types.UserStatus | None = None,
    role: str | None = None,
    department: str | None = None,
    after: str | None = None,
    ref: str | None = None,
    limit: int | None = None,
) -> Call[Page[types.UserInfo]]:
    """By username. `search`: a part of a username, an address or a full name; `after`: `next` of the page before."""
    return Call(
        "GET",
        "/api/v1/users",
        params={
            "search": search,
            "status": status,
            "role": role,
            "department": department,
            "after": after,
            "ref": ref,
            "limit": limit,
        },
    )


def get_user(user_id: str | UUID) -> Call[types.UserInfo]:
    """One user."""
    return Call("GET", f"/api/v1/users/{path_id(user_id)}")


def update_user(user_id: str | UUID, **fields: Unpack[types.UserChanges]) -> Call[types.UserInfo]:
    """Change a user. A new role is a new enrolment: what it does not give is taken at once."""
    return Call("PUT", f"/api/v1/users/{path_id(user_id)}", fields)


def deactivate_user(user_id: str | UUID, *, reason: str | None = None) -> Call[types.UserInfo]:
    """Deactivate a user: every access is taken, nothing is erased. Already inactive is no error."""
    return Call("DELETE", f"/api/v1/users/{path_id(user_id)}", params={"reason": reason})


def user_history(user_id: str | UUID) -> Call[Page[types.UserChangeInfo]]:
    """Every change of a user, newest first: who, when, what and why."""
    return Call("GET", f"/api/v1/users/{path_id(user_id)}/history")


def list_grants(user_id: str | UUID) -> Call[Page[types.GrantInfo]]:
    """What a user has beside its enrolment."""
    return Call("GET", f"/api/v1/users/{path_id(user_id)}/grants")


def grant_access(user_id: str | UUID, **fields: Unpack[types.GrantIn]) -> Call[types.GrantInfo]:
    """Give an active user a permission or a system beside its enrolment, until `expires_at` if that is given."""
    return Call("POST", f"/api/v1/users/{path_id(user_id)}/grants", fields)


def revoke_access(user_id: str | UUID, grant_id: str | UUID) -> Call[None]:
    """Take a grant back; what the enrolment gives stays."""
    return Call("DELETE", f"/api/v1/users/{path_id(user_id)}/grants/{path_id(grant_id)}")


def get_user_analytics(*, days: int | None = None) -> Call[types.UserAnalytics]:
    """Figures of users and enrolments. Rates are 0-100."""
    return Call("GET", "/api/v1/analytics/users", params={"days": days})

"""The verbs of people: what each asks of the API. No sending here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from opsteward.client.connection import Call, Page
from opsteward.client.types import EnrollmentInfo, Rule, UserAnalytics, UserChangeInfo, UserInfo

USERS = "/api/v1/users"
ENROLLMENTS = "/api/v1/enrollments"
RULES = "/api/v1/enrollment-rules"


def register_user(
    username: str, email: str, full_name: str, *, role: str = "standard_user", **more: Any
) -> Call[UserInfo]:
    """`more` are further fields of the API's user: department, manager_id, profile_data, tags, expires_at, ..."""
    body = {"username": username, "email": email, "full_name": full_name, "role": role, **more}
    return Call("POST", USERS, body)


def get_user(user_id: str | UUID) -> Call[UserInfo]:
    return Call("GET", _user(user_id))


def update_user(user_id: str | UUID, **changes: Any) -> Call[UserInfo]:
    return Call("PUT", _user(user_id), changes)


def deactivate_user(user_id: str | UUID, *, reason: str = "") -> Call[UserInfo]:
    return Call("DELETE", _user(user_id), params={"reason": reason})


def list_users(
    *,
    search: str | None = None,
    status: str | None = None,
    role: str | None = None,
    department: str | None = None,
    limit: int = 50,
    after: str | None = None,
) -> Call[Page[UserInfo]]:
    params = {"search": search, "status": status, "role": role, "department": department}
    return Call("GET", USERS, params=params | {"limit": limit, "after": after})


def user_history(user_id: str | UUID) -> Call[Page[UserChangeInfo]]:
    return Call("GET", f"{_user(user_id)}/history")


def enrollment_requests(
    *, status: str | None = None, limit: int = 50, before: str | None = None
) -> Call[Page[EnrollmentInfo]]:
    return Call("GET", ENROLLMENTS, params={"status": status, "limit": limit, "before": before})


def decide_enrollment(
    what: str, enrollment_id: str | UUID, *, approver: str | None, reason: str
) -> Call[EnrollmentInfo]:
    """`what` is approve or reject."""
    body = {"approver": approver, "reason": reason}
    return Call("POST", f"{ENROLLMENTS}/{UUID(str(enrollment_id))}/{what}", body)


def enrollment_rules() -> Call[dict[str, Rule]]:
    return Call("GET", RULES)


def update_enrollment_rules(rules: Mapping[str, Mapping[str, Any] | None]) -> Call[dict[str, Rule]]:
    return Call("PUT", RULES, {"rules": dict(rules)})


def get_user_analytics(days: int) -> Call[UserAnalytics]:
    return Call("GET", "/api/v1/analytics/users", params={"days": days})


def _user(user_id: str | UUID) -> str:
    return f"{USERS}/{UUID(str(user_id))}"

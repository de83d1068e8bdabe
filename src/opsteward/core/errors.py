"""The error tree that every room speaks, and nothing else.

    OpsError
    ├── Invalid            422  input that can't be taken, with the field at fault
    │   └── Malformed      400  a body that can't even be read (encoding, JSON syntax, depth)
    ├── TooLarge           413
    ├── Unauthenticated    401
    ├── Denied             403
    ├── NotFound           404
    ├── Conflict           409
    ├── ApprovalNeeded     202  not a failure: a person must approve first
    ├── LimitExceeded      429
    ├── Unavailable        503  our own database is away for a moment
    └── ConnectorError     502  an outside system failed us
        ├── AuthFailed
        ├── RateLimited    503
        ├── Timeout        504
        ├── Unreachable
        └── BadReply

Each boundary maps them once: the API to problem+json, a workflow to retry or give up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from opsteward.core.json_types import JsonObject


@dataclass(frozen=True, kw_only=True)
class FieldProblem:
    """One field of an input, what is wrong with its value and how to mend it."""

    field: str
    problem: str
    remedy: str = ""

    def as_dict(self) -> dict[str, object]:
        return {"field": self.field, "problem": self.problem, "remedy": self.remedy}


class OpsError(Exception):
    """Base of all expected failures; `problems` name the fields at fault. All of it is shown to callers: never put a
    secret in it."""

    code: ClassVar[str] = "ops_error"
    http_status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False
    title: ClassVar[str] = "Something went wrong"

    def __init__(
        self,
        detail: str = "",
        *,
        remedy: str = "",
        extra: dict[str, Any] | None = None,
        problems: Sequence[FieldProblem] = (),
    ) -> None:
        if not detail and problems:
            detail = "; ".join(f"{p.field}: {p.problem}" for p in problems[:5])
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.remedy = remedy
        self.extra = extra or {}
        self.problems = tuple(problems)

    def __reduce__(self) -> tuple[object, ...]:
        """As it is, whatever a subclass's own arguments are: it may come from another process."""
        return _restored, (type(self), self.args, self.__dict__)


def _restored(cls: type[OpsError], args: tuple[object, ...], state: JsonObject) -> OpsError:
    error = cls.__new__(cls, *args)
    error.__dict__.update(state)
    return error


class Invalid(OpsError):
    """The input is well formed but can't be taken."""

    code = "invalid"
    http_status = 422
    title = "The input is not valid"

    @classmethod
    def field(cls, field: str, problem: str, remedy: str = "") -> Invalid:
        return cls(problems=[FieldProblem(field=field, problem=problem, remedy=remedy)])


class Malformed(Invalid):
    """The body can't be read at all: wrong encoding, broken JSON, too deep."""

    code = "malformed"
    http_status = 400
    title = "The body can't be read"


class TooLarge(OpsError):
    """The body is larger than the route takes."""

    code = "too_large"
    http_status = 413
    title = "The body is too large"


class Unauthenticated(OpsError):
    """No credential, or one that is unknown, expired or revoked."""

    code = "unauthenticated"
    http_status = 401
    title = "Sign in or send a valid token"


class Denied(OpsError):
    """Who asks is known, and may not do this."""

    code = "denied"
    http_status = 403
    title = "Not permitted"


class NotFound(OpsError):
    """Nothing of that id is visible to who asks (another tenant's things are never visible)."""

    code = "not_found"
    http_status = 404
    title = "Not found"


class Conflict(OpsError):
    """The request does not fit the present state."""

    code = "conflict"
    http_status = 409
    title = "In conflict with the present state"


class ApprovalNeeded(OpsError):
    """The action waits for another operator's approval."""

    code = "approval_needed"
    http_status = 202
    title = "Approval is needed first"


class LimitExceeded(OpsError):
    """A rate, quota or size limit was reached."""

    code = "limit_exceeded"
    http_status = 429
    retryable = True
    title = "A limit was reached"


class Unavailable(OpsError):
    """Our own database can't be reached for the moment; nothing was taken."""

    code = "unavailable"
    http_status = 503
    retryable = True
    title = "The database is away for a moment; try again"


class ConnectorError(OpsError):
    """An outside system failed us. Connectors raise only subclasses of this."""

    code = "connector_error"
    http_status = 502
    retryable = True
    title = "An outside system failed"


class AuthFailed(ConnectorError):
    """The outside system refused our credentials."""

    code = "auth_failed"
    retryable = False
    title = "The outside system refused the credentials"


class RateLimited(ConnectorError):
    """The outside system asks us to slow down."""

    code = "rate_limited"
    http_status = 503
    title = "The outside system limits our rate"


class Timeout(ConnectorError):
    """The outside system did not answer in time."""

    code = "timeout"
    http_status = 504
    title = "The outside system did not answer in time"


class Unreachable(ConnectorError):
    """No connection to the outside system: DNS, TCP or TLS failed."""

    code = "unreachable"
    title = "The outside system can't be reached"


class BadReply(ConnectorError):
    """The outside system answered something that can't be understood."""

    code = "bad_reply"
    retryable = False
    title = "The outside system gave an unusable answer"


def all_errors() -> list[type[OpsError]]:
    """Every error class of the product, base first: for the mapping, the docs and their tests."""
    found: list[type[OpsError]] = []
    queue: list[type[OpsError]] = [OpsError]
    while queue:
        cls = queue.pop(0)
        found.append(cls)
        queue.extend(cls.__subclasses__())
    return found

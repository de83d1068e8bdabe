"""`/api/v1/direct-calls`: named queries and lists of APIs on registered systems, read-only."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated

from pydantic import Field

from opsteward.accounts.types import Identity
from opsteward.api.deps import ServicesDep, needs
from opsteward.api.rest.schemas.base import Input
from opsteward.api.routes import Routes
from opsteward.core.blocking_calls import in_thread
from opsteward.core.json_types import Json, JsonObject
from opsteward.crew.direct_calls.running import DirectCalls
from opsteward.crew.direct_calls.types import CallFileProblem, CallRows, CallValue, DirectCall

router = Routes(prefix="/api/v1/direct-calls", tags=["direct calls"])


@dataclass(frozen=True, kw_only=True)
class CallValueOut:
    """A value that a call takes. It has to be sent where it is `required`."""

    name: str
    type: str
    says: str
    required: bool
    default: Json
    choices: list[str]


@dataclass(frozen=True, kw_only=True)
class DirectCallOut:
    """A call: what it reads, from which system, by which values, and within which limits."""

    name: str
    says: str
    system: str
    reads: str
    values: list[CallValueOut]
    rows: int
    seconds: float
    file: str


@dataclass(frozen=True, kw_only=True)
class DirectCallsOut:
    """All calls of the installation, and what is wrong in their files."""

    items: list[DirectCallOut]
    problems: list[CallFileProblem]


class CallIn(Input):
    """The values of the call."""

    values: Annotated[JsonObject, Field(max_length=200)] = {}


@router.get("")
async def list_direct_calls(
    services: ServicesDep, identity: Annotated[Identity, needs("systems.read")]
) -> DirectCallsOut:
    """The calls that there are. Their systems are looked for by name, when they are run."""
    return await in_thread(_listed, services.direct_calls)


@router.post("/{call_name}")
async def run_direct_call(
    call_name: str, body: CallIn, services: ServicesDep, identity: Annotated[Identity, needs("systems.write")]
) -> CallRows:
    """The rows of one call on the tenant's own system. Nothing is changed there."""
    return await services.direct_calls.run(identity.tenant_id, call_name, body.values)


def _listed(calls: DirectCalls) -> DirectCallsOut:
    items = [_out(call) for _, call in sorted(calls.calls.items())]
    return DirectCallsOut(items=items, problems=list(calls.problems))


def _out(call: DirectCall) -> DirectCallOut:
    return DirectCallOut(
        name=call.name,
        says=call.says,
        system=call.system,
        reads="a query" if call.statement else "a list of an API",
        values=[_value_out(value) for value in call.values.values()],
        rows=call.max_rows,
        seconds=call.seconds,
        file=call.file,
    )


def _value_out(value: CallValue) -> CallValueOut:
    told = asdict(value)
    default = told["default"]
    if default is not None and not isinstance(default, bool | int | float | str | list):
        default = default.isoformat()
    return CallValueOut(
        name=value.name,
        type=value.type,
        says=value.says,
        required=not value.has_default,
        default=default,
        choices=list(value.choices),
    )

"""How tests look at the sessions of a PostgreSQL server and end them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from real_parts import Sessions, system

from opsteward.contracts.action import ActionContext, Proof
from opsteward.contracts.check import CheckResult, Finding
from opsteward.integrations.postgresql import INTEGRATION
from opsteward.integrations.postgresql.actions import (
    TerminateSession,
    TerminateSessionParams,
    TerminateSessionResult,
)
from opsteward.integrations.postgresql.connector import PostgresConnector

CHECKS = {check.slug: check for check in INTEGRATION.checks}


ACTION = TerminateSession()


TARGET = system("postgresql://127.0.0.1/shop")


Look = Callable[..., PostgresConnector]


HOLD = "update stock set n = n + 1 where id = 1"


async def run(slug: str, via: PostgresConnector) -> CheckResult:
    result = await CHECKS[slug].run(via, TARGET)
    json.dumps(result.evidence)  # evidence is plain JSON
    for finding in result.findings:
        json.dumps([dict(finding.evidence), [dict(fix.params) for fix in finding.fixes]])
    return result


def proposed(finding: Finding) -> TerminateSessionParams:
    (fix,) = finding.fixes
    assert fix.action == ACTION.slug
    return TerminateSessionParams.model_validate(dict(fix.params))


async def mend(via: PostgresConnector, params: TerminateSessionParams) -> tuple[TerminateSessionResult, Proof]:
    ctx = ActionContext(via=via, target=TARGET, idempotency_key="run-1")
    result = await ACTION.execute(ctx, params)
    return result, await ACTION.verify(ctx, params, result)


async def hold_open(sessions: Sessions, role: str = "shop", name: str = "shop-batch") -> Any:
    """A session idle in a transaction that holds a row."""
    root = await sessions.open(role, name)
    await root.execute("begin")
    await root.execute(HOLD.encode())
    return root


def outcomes(result: TerminateSessionResult) -> list[str]:
    return [session.outcome for session in result.sessions]

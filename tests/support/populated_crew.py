"""A tenant's work of the crew, with something in each of its tables."""

from __future__ import annotations

import json
from dataclasses import asdict
from uuid import UUID, uuid4

from opsteward.crew.delegation.estimates import OutcomeHistory
from opsteward.crew.delegation.matrix import SHIPPED
from opsteward.crew.delegation.types import Work
from opsteward.crew.types import Complexity, Strategy
from support.instance import Tenant

WORK = Work(
    task_type="crm.lead_scoring", complexity=Complexity.MODERATE, volume=1, requires_ai=True, multi_domain=False
)


def crew_run(tenant: Tenant, mark: str) -> UUID:
    """A piece of work that is done."""
    run = uuid4()
    estimate = asdict(OutcomeHistory().estimate(WORK, Strategy.DIRECT))
    decision = {"reasons": [mark], "not_taken": [], "estimate": estimate}
    tenant.instance.sql(
        "insert into opsteward.crew_runs (id, tenant_id, task_type, domain, description, parameters, input_hash,"
        " requested_by, complexity, volume, requires_ai, multi_domain, strategy, matrix_version, matrix_row,"
        " propensity, decision, created_at, started_at, ended_at, success, engine, strategy_used, path, agents,"
        " seconds,"
        " cost_micros, tokens, calls, cached, result)"
        " values (%s, %s, 'crm.lead_scoring', 'crm', %s, %s, %s, 'system:test', 'moderate', 1, true, false, 'direct',"
        " 0, 'no_ai', 1, %s, now(), now(), now(), true, 'rules', 'direct', '[]', %s, 0.5, 0, 0, 0, false, %s)",
        run, tenant.id, mark, json.dumps({"mark": mark}), mark, json.dumps(decision), [mark],
        json.dumps({"summary": mark}),
    )  # fmt: skip
    return run


def crew_work(tenant: Tenant, mark: str) -> dict[str, str]:
    """A piece of work that is done, with a step and a call of a model; spending, a matrix, a note."""
    sql, mine, run = tenant.instance.sql, tenant.id, crew_run(tenant, mark)
    sql(
        "insert into opsteward.crew_steps (id, tenant_id, run_id, name, position, agent, purpose, status, started_at,"
        " ended_at) values (%s, %s, %s, 'direct', 0, %s, %s, 'done', now(), now())",
        uuid4(), mine, run, mark, mark,
    )  # fmt: skip
    sql(
        "insert into opsteward.crew_model_calls (id, tenant_id, run_id, name, agent, model, status, reserved_micros,"
        " cost_micros, input_tokens, output_tokens, started_at)"
        " values (%s, %s, %s, '1', %s, %s, 'done', 0, 0, 0, 0, now())",
        uuid4(), mine, run, mark, mark,
    )  # fmt: skip
    sql(
        "insert into opsteward.crew_spend (id, tenant_id, scope, reserved_micros, spent_micros, reserved_tokens,"
        " tokens, calls, changed_at) values (%s, %s, %s, 0, 0, 0, 0, 0, now())",
        uuid4(), mine, mark,
    )  # fmt: skip
    sql(
        "insert into opsteward.crew_matrix_versions (id, tenant_id, version, matrix, reason, changed_by, created_at)"
        " values (%s, %s, 1, %s, %s, 'system:test', now())",
        uuid4(), mine, SHIPPED.model_dump_json(), mark,
    )  # fmt: skip
    sql(
        "insert into opsteward.crew_notes (id, tenant_id, agent, text, run_id, created_at)"
        " values (%s, %s, %s, %s, %s, now())",
        uuid4(), mine, mark, mark, run,
    )  # fmt: skip
    return {"crew_task_id": str(run)}

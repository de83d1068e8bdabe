"""A sync and a saga of the populated tenant, as they stand in the database."""

from __future__ import annotations

import json
from uuid import UUID, uuid4

from support.instance import Tenant


def sync_and_saga(tenant: Tenant, system_id: UUID, mark: str) -> dict[str, str]:
    """A mapping with records of both sides, a sync with a change, and a conflict."""
    mapping, operation, conflict = uuid4(), uuid4(), uuid4()
    definition = {
        "source_resource": mark,
        "target_resource": mark,
        "key": "a",
        "fields": [{"source": "a", "target": "a"}],
    }
    sql, mine = tenant.instance.sql, tenant.id
    sql(
        "insert into opsteward.sync_mappings (id, tenant_id, name, name_key, source_id, target_id, definition,"
        " created_at, updated_at) values (%s, %s, %s, %s, %s, %s, %s, now(), now())",
        mapping, mine, f"{mark}-mapping", f"{mark}-mapping", system_id, system_id, json.dumps(definition),
    )  # fmt: skip
    for side in ("source", "target"):
        sql(
            "insert into opsteward.sync_records (tenant_id, mapping_id, side, native_id, key, fields, used_at)"
            " values (%s, %s, %s, %s, %s, '{}', now() - interval '1 year')",
            mine, mapping, side, mark, mark,
        )  # fmt: skip
    sql("insert into opsteward.sync_seen (tenant_id, read_id, native_id) values (%s, %s, %s)", mine, uuid4(), mark)
    sql(
        "insert into opsteward.sync_operations (id, tenant_id, mapping_id, source_id, target_id, sync_type, dry_run,"
        " status, started_at, counts, samples, notes, requested_by)"
        " values (%s, %s, %s, %s, %s, 'full', false, 'succeeded', now(), '{}', '{}', %s, 'system:test')",
        operation, mine, mapping, system_id, system_id, [mark],
    )  # fmt: skip
    sql(
        "insert into opsteward.sync_changes (tenant_id, operation_id, number, side, operation, native_id, outcome)"
        " values (%s, %s, 1, 'target', 'create', %s, 'done')",
        mine, operation, mark,
    )  # fmt: skip
    sql(
        "insert into opsteward.sync_conflicts (id, tenant_id, mapping_id, kind, source_native_id, target_native_id,"
        " field, found_at) values (%s, %s, %s, 'field', %s, %s, 'a', now())",
        conflict, mine, mapping, mark, mark,
    )  # fmt: skip
    return {
        "mapping_id": str(mapping),
        "operation_id": str(operation),
        "conflict_id": str(conflict),
        "saga_id": _saga(tenant, system_id, mark),
    }


def _saga(tenant: Tenant, system_id: UUID, mark: str) -> str:
    """One that has ended, with a step."""
    sql, mine, saga = tenant.instance.sql, tenant.id, uuid4()
    sql(
        "insert into opsteward.sagas (id, tenant_id, name, status, plan_hash, requested_by, created_at)"
        " values (%s, %s, %s, 'succeeded', %s, 'system:test', now())",
        saga, mine, mark, mark,
    )  # fmt: skip
    sql(
        "insert into opsteward.saga_steps (tenant_id, saga_id, number, system_id, resource, words, operation,"
        " native_id, values, status) values (%s, %s, 1, %s, 'people', %s, 'delete', %s, '{}', 'done')",
        mine, saga, system_id, mark, mark,
    )  # fmt: skip
    return str(saga)

"""Systems by name within a look-up of another room, so that it takes no statement of its own."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from opsteward.systems.types import KnownSystem

#: A value of a statement that binds `tenant_id` and, case-folded, `names`; `systems_named` reads it.
SYSTEMS_NAMED = """(
    select jsonb_agg(jsonb_build_array(name_key, id, name, type)) from opsteward.systems
    where tenant_id = :tenant_id and name_key = any(cast(:names as text[]))
)"""


def systems_named(found: Sequence[Sequence[str]] | None) -> dict[str, KnownSystem]:
    """By case-folded name; names that no system has are left out."""
    return {key: KnownSystem(id=UUID(id_), name=name, type=type_) for key, id_, name, type_ in found or ()}

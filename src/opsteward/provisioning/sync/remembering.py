"""What a batch of writes did to the shadow: a few statements for all of them, so that a write costs little more than
its system takes for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.contracts.records import Record
from opsteward.core.json_types import Json, JsonObject
from opsteward.provisioning.sync.reading import merge, stage
from opsteward.provisioning.sync.types import MappingDefinition, Side

_OURS = "r.tenant_id = :tenant and r.mapping_id = :mapping"
_FORGET = sa.text(f"delete from opsteward.sync_records r where {_OURS} and side = :of and native_id = any(:ids)")
_UNTIE = sa.text(f"""
update opsteward.sync_records r set pair_id = null, base = null, may_differ = true
where {_OURS} and side = :of and native_id = any(:ids)
""")
_SWITCHED_OFF = sa.text(f"""
update opsteward.sync_records r set active = false, may_differ = true
where {_OURS} and side = :side and native_id = any(:ids)
""")
#: A system that tells nothing after a write has what was written; one that knows a record by its key renamed it.
_WRITTEN = sa.text(f"""
update opsteward.sync_records r set fields = jsonb_strip_nulls(fields || w.new), key = coalesce(w.key, r.key),
    version = null, native_id = w.new_id, may_differ = true
from jsonb_to_recordset(:rows) as w(id text, new_id text, new jsonb, key text)
where {_OURS} and side = :side and native_id = w.id
""").bindparams(sa.bindparam("rows", type_=JSONB))
_MADE = "from jsonb_to_recordset(:rows) as w(id text, pair text, agreed jsonb, made boolean)"
_TIE = tuple(
    sa.text(statement).bindparams(sa.bindparam("rows", type_=JSONB))
    for statement in (
        # what the other one was tied to, and is gone
        f"""delete from opsteward.sync_records r using jsonb_to_recordset(:rows) as w(id text, pair text, made boolean)
        where {_OURS} and side = :side and gone and pair_id = w.pair and native_id <> w.id and w.made""",
        f"""update opsteward.sync_records r set pair_id = w.pair, base = base || w.agreed, may_differ = true {_MADE}
        where {_OURS} and side = :side and native_id = w.id""",
        f"""update opsteward.sync_records r set pair_id = w.id, base = base || w.agreed, may_differ = true {_MADE}
        where {_OURS} and side = :other and native_id = w.pair""",
    )
)


@dataclass
class Remembered:
    """What one batch did on one side, gathered to be stored at once."""

    #: Deleted, and their partners, which go too or (an undo) are without a pair again.
    deleted: list[str] = field(default_factory=list)
    partners: list[str] = field(default_factory=list)
    switched_off: list[str] = field(default_factory=list)
    #: As the system has them now.
    records: dict[str, Record] = field(default_factory=dict)
    #: (id before, id now, fields that were set, the key)
    written: list[tuple[str, str, JsonObject, str | None]] = field(default_factory=list)
    #: (id, that of its partner, the fields both agree on, whether it was just made)
    pairs: list[tuple[str, str, JsonObject, bool]] = field(default_factory=list)

    async def store(
        self, session: AsyncSession, d: MappingDefinition, side: Side, about: dict[str, object], *, is_undo: bool
    ) -> None:
        """Into the shadow, in the caller's transaction; `about`: the tenant and the mapping."""
        other = "target" if side == "source" else "source"
        about = about | {"side": side}
        if self.deleted:
            await session.execute(_FORGET, _for(about, of=side, ids=self.deleted))
        if self.partners:
            await session.execute(_UNTIE if is_undo else _FORGET, _for(about, of=other, ids=self.partners))
        if self.switched_off:
            await session.execute(_SWITCHED_OFF, about | {"ids": self.switched_off})
        if self.records:
            await stage(session, d, side, self.records.values())
            await merge(session, about)
        if self.written:
            names = ("id", "new_id", "new", "key")
            await session.execute(_WRITTEN, about | {"rows": _rows(names, self.written)})
        if self.pairs:
            rows = _rows(("id", "pair", "agreed", "made"), self.pairs)
            for statement in _TIE:
                which: dict[str, object] = {"other": other} if ":other" in statement.text else {"side": side}
                await session.execute(statement, _for(about, rows=rows, **which))


def _for(about: dict[str, object], **more: object) -> dict[str, object]:
    return {"tenant": about["tenant"], "mapping": about["mapping"], **more}


def _rows(names: Sequence[str], found: Iterable[tuple[Json, ...]]) -> list[JsonObject]:
    return [dict(zip(names, each, strict=True)) for each in found]

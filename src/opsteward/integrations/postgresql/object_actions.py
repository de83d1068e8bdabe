"""Actions on tables, indexes, sequences, constraints, slots and a standby's replay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, LiteralString

from pydantic import BaseModel, Field

from opsteward.contracts.action import ActionContext, Risk
from opsteward.core.errors import ConnectorError
from opsteward.core.json_types import JsonObject
from opsteward.integrations.postgresql.connector import PostgresConnector
from opsteward.integrations.postgresql.maintenance import (
    MaintenanceAction,
    MaintenanceParams,
    MaintenanceResult,
    Seen,
)

if TYPE_CHECKING:
    from psycopg.sql import SQL, Composed

Name = Annotated[str, Field(min_length=1, max_length=300)]
Oid = Annotated[int, Field(ge=1, le=2**32 - 1)]
_MAY: Final[LiteralString] = """
    pg_has_role(current_user, c.relowner, 'USAGE')
    or (select rolsuper from pg_roles where rolname = current_user)"""
_MAY_MAINTAIN: Final[LiteralString] = (
    _MAY
    + """ or case when current_setting('server_version_num')::int >= 170000
                  then has_table_privilege(c.oid, 'MAINTAIN') end"""
)
_TABLE: Final[LiteralString] = (
    """
    select format('%%I.%%I', n.nspname, c.relname) as name, n.nspname::text as schema, c.relname::text as relation,
        'oid ' || c.oid as identity, c.relowner::regrole::text as owner, """
    + _MAY_MAINTAIN
    + """ as allowed,
        coalesce(pg_stat_get_dead_tuples(c.oid), 0) as dead, age(c.relfrozenxid) as transactions,
        extract(epoch from greatest(
            pg_stat_get_last_vacuum_time(c.oid), pg_stat_get_last_autovacuum_time(c.oid)))::float8 as vacuumed,
        extract(epoch from greatest(
                pg_stat_get_last_analyze_time(c.oid), pg_stat_get_last_autoanalyze_time(c.oid)))::float8 as analyzed
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.oid = %(oid)s and format('%%I.%%I', n.nspname, c.relname) = %(table)s and c.relkind in ('r', 'm')"""
)


class TableParams(MaintenanceParams):
    """A table by its qualified name, quoted where SQL needs it, and its oid."""

    table: Name
    oid: Oid


class _OnTable(MaintenanceAction[TableParams]):
    params_model: ClassVar[type[BaseModel]] = TableParams
    look: ClassVar[LiteralString] = _TABLE
    grant: ClassVar[str] = "GRANT pg_maintain TO {role}; (from version 17 on), or GRANT {owner} TO {role};"
    verb: ClassVar[LiteralString]
    shown_by: ClassVar[str]

    def subject(self, params: TableParams) -> str:
        return f"table {params.table}"

    def not_needed(self, params: TableParams, seen: Seen) -> str:
        return ""

    def statement(self, params: TableParams, seen: Seen) -> SQL | Composed:
        from psycopg.sql import SQL, Identifier

        return SQL("{} {}").format(SQL(self.verb), Identifier(seen["schema"], seen["relation"]))

    def is_done(self, params: TableParams, before: JsonObject, seen: Seen | None) -> bool:
        now: float | None = seen[self.shown_by] if seen is not None else None
        earlier = before.get(self.shown_by)
        return now is not None and (not isinstance(earlier, float) or now > earlier)


class AnalyzeTable(_OnTable):
    """Gives the planner new statistics of a table. Others go on meanwhile; there is nothing to undo."""

    slug: ClassVar[str] = "postgresql.analyze_table"
    title: ClassVar[str] = "Analyze a table"
    verb: ClassVar[LiteralString] = "ANALYZE"
    shown_by: ClassVar[str] = "analyzed"
    timeout: ClassVar[float] = 130.0
    seconds: ClassVar[float] = 120.0


class VacuumTable(_OnTable):
    """Frees the space of a table's dead rows for new ones. Others go on meanwhile; there is nothing to undo."""

    slug: ClassVar[str] = "postgresql.vacuum_table"
    title: ClassVar[str] = "Vacuum a table"
    verb: ClassVar[LiteralString] = "VACUUM (ANALYZE)"
    shown_by: ClassVar[str] = "vacuumed"
    timeout: ClassVar[float] = 610.0
    seconds: ClassVar[float] = 600.0


class IndexParams(MaintenanceParams):
    """An index by its qualified name, quoted where SQL needs it, and its oid."""

    index: Name
    oid: Oid


_INDEX: Final[LiteralString] = (
    """
    select format('%%I.%%I', n.nspname, c.relname) as name, n.nspname::text as schema, c.relname::text as relation,
        c.oid::bigint as oid, 'oid ' || c.oid as identity, i.indrelid::bigint as table_oid,
        c.relowner::regrole::text as owner, i.indisvalid as is_valid, c.relpages::bigint as pages,
        exists (select from pg_constraint k where k.conindid = c.oid) as constrains,
        exists (select from pg_stat_progress_create_index p where p.index_relid = c.oid or p.relid = i.indrelid)
            as built,
        """
    + _MAY
    + """ as allowed
    from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_index i on i.indexrelid = c.oid
    where format('%%I.%%I', n.nspname, c.relname) = %(index)s"""
)
_LEFT_BY_US: Final[LiteralString] = """
    select n.nspname::text as schema, c.relname::text as relation
    from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_index i on i.indexrelid = c.oid
    where i.indrelid = %(table)s and not i.indisvalid and c.oid > %(newest)s
      and c.relname like replace(left(%(relation)s, 50), '_', '\\_') || '%%\\_ccnew%%'"""


class _OnIndex(MaintenanceAction[IndexParams]):
    params_model: ClassVar[type[BaseModel]] = IndexParams
    look: ClassVar[LiteralString] = _INDEX
    risk: ClassVar[Risk] = Risk.MEDIUM
    waits: ClassVar[bool] = True
    timeout: ClassVar[float] = 910.0
    seconds: ClassVar[float] = 900.0

    def subject(self, params: IndexParams) -> str:
        return f"index {params.index}"


class ReindexIndex(_OnIndex):
    """Builds an index anew while others go on (REINDEX CONCURRENTLY). What a failed try leaves behind is removed."""

    slug: ClassVar[str] = "postgresql.reindex_index"
    title: ClassVar[str] = "Build an index anew"

    def not_needed(self, params: IndexParams, seen: Seen) -> str:
        if seen["oid"] != params.oid:
            return f"{params.index} was built anew already"
        return f"{params.index} is being built now" if seen["built"] else ""

    def statement(self, params: IndexParams, seen: Seen) -> SQL | Composed:
        from psycopg.sql import SQL, Identifier

        return SQL("REINDEX INDEX CONCURRENTLY {}").format(Identifier(seen["schema"], seen["relation"]))

    async def do(self, via: PostgresConnector, params: IndexParams, seen: Seen) -> None:
        try:
            await super().do(via, params, seen)
        except ConnectorError:
            arguments = {"table": seen["table_oid"], "newest": params.oid, "relation": seen["relation"]}
            for left in await via.rows(_LEFT_BY_US, arguments, shape=dict[str, Any]):
                await via.execute(_drop_index(left), seconds=self.seconds, lock_seconds=0.0)
            raise

    def is_done(self, params: IndexParams, before: JsonObject, seen: Seen | None) -> bool:
        return seen is not None and seen["oid"] != params.oid and bool(seen["is_valid"])


class DropInvalidIndex(_OnIndex):
    """Drops an index that a failed CREATE INDEX or REINDEX CONCURRENTLY has left, and that no query uses."""

    slug: ClassVar[str] = "postgresql.drop_invalid_index"
    title: ClassVar[str] = "Drop an invalid index"

    def not_needed(self, params: IndexParams, seen: Seen) -> str:
        if seen["oid"] != params.oid:
            return f"{params.index} is another index now"
        if seen["is_valid"] or seen["constrains"]:
            return f"{params.index} is in use"
        return f"{params.index} is being built now" if seen["built"] else ""

    def statement(self, params: IndexParams, seen: Seen) -> SQL | Composed:
        return _drop_index(seen)

    def is_done(self, params: IndexParams, before: JsonObject, seen: Seen | None) -> bool:
        return seen is None or seen["oid"] != params.oid


def _drop_index(seen: Seen) -> SQL | Composed:
    from psycopg.sql import SQL, Identifier

    return SQL("DROP INDEX CONCURRENTLY IF EXISTS {}").format(Identifier(seen["schema"], seen["relation"]))


class SequenceParams(MaintenanceParams):
    """A sequence by its qualified name, quoted where SQL needs it, and its oid."""

    sequence: Name
    oid: Oid


class WidenSequence(MaintenanceAction[SequenceParams]):
    """Makes a sequence bigint. Can be undone while its numbers fit into the type that it had."""

    slug: ClassVar[str] = "postgresql.widen_sequence"
    title: ClassVar[str] = "Give a sequence more numbers"
    risk: ClassVar[Risk] = Risk.MEDIUM
    undoable: ClassVar[bool] = True
    params_model: ClassVar[type[BaseModel]] = SequenceParams
    look: ClassVar[LiteralString] = (
        """
        select format('%%I.%%I', n.nspname, c.relname) as name, n.nspname::text as schema,
            c.relname::text as relation, 'oid ' || c.oid as identity, c.relowner::regrole::text as owner,
            format_type(s.seqtypid, null) as type, s.seqmax as max_value, """
        + _MAY
        + """ as allowed
        from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_sequence s on s.seqrelid = c.oid
        where c.oid = %(oid)s and format('%%I.%%I', n.nspname, c.relname) = %(sequence)s"""
    )

    def subject(self, params: SequenceParams) -> str:
        return f"sequence {params.sequence}"

    def not_needed(self, params: SequenceParams, seen: Seen) -> str:
        return f"{params.sequence} is bigint already" if seen["type"] == "bigint" else ""

    def statement(self, params: SequenceParams, seen: Seen) -> SQL | Composed:
        return _sequence_as(seen, "bigint")

    def is_done(self, params: SequenceParams, before: JsonObject, seen: Seen | None) -> bool:
        return seen is not None and seen["type"] == "bigint"

    async def undo(
        self, ctx: ActionContext[PostgresConnector], params: SequenceParams, result: MaintenanceResult
    ) -> None:
        seen = await self._look(ctx.via, params)
        if not result.done or seen is None or seen["type"] != "bigint":
            return
        earlier: LiteralString = "smallint" if result.before["type"] == "smallint" else "integer"
        await ctx.via.execute(_sequence_as(seen, earlier), seconds=self.seconds)


def _sequence_as(seen: Seen, kind: LiteralString) -> SQL | Composed:
    from psycopg.sql import SQL, Identifier

    return SQL("ALTER SEQUENCE {} AS {}").format(Identifier(seen["schema"], seen["relation"]), SQL(kind))


class ConstraintParams(MaintenanceParams):
    """A constraint of a table, by names and oid."""

    table: Name
    constraint: Name
    oid: Oid


class ValidateConstraint(MaintenanceAction[ConstraintParams]):
    """Checks the rows that were there before a constraint; others go on meanwhile. Rows that break it make it fail."""

    slug: ClassVar[str] = "postgresql.validate_constraint"
    title: ClassVar[str] = "Validate a constraint"
    timeout: ClassVar[float] = 610.0
    seconds: ClassVar[float] = 600.0
    params_model: ClassVar[type[BaseModel]] = ConstraintParams
    look: ClassVar[LiteralString] = (
        """
        select k.conname::text as name, n.nspname::text as schema, c.relname::text as relation,
            'oid ' || k.oid as identity, c.relowner::regrole::text as owner, k.convalidated as is_valid, """
        + _MAY
        + """ as allowed
        from pg_constraint k join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace
        where k.oid = %(oid)s and k.conname = %(constraint)s
          and format('%%I.%%I', n.nspname, c.relname) = %(table)s"""
    )

    def subject(self, params: ConstraintParams) -> str:
        return f"constraint {params.constraint} of {params.table}"

    def not_needed(self, params: ConstraintParams, seen: Seen) -> str:
        return f"{params.constraint} is valid already" if seen["is_valid"] else ""

    def statement(self, params: ConstraintParams, seen: Seen) -> SQL | Composed:
        from psycopg.sql import SQL, Identifier

        return SQL("ALTER TABLE {} VALIDATE CONSTRAINT {}").format(
            Identifier(seen["schema"], seen["relation"]), Identifier(seen["name"])
        )

    def is_done(self, params: ConstraintParams, before: JsonObject, seen: Seen | None) -> bool:
        return seen is not None and bool(seen["is_valid"])


class SlotParams(MaintenanceParams):
    """A slot, and the place in the log at which it stood: one that has moved on since has a consumer."""

    slot: Annotated[str, Field(min_length=1, max_length=63)]
    restart_lsn: Annotated[str, Field(max_length=30)] | None = None


class DropInactiveSlot(MaintenanceAction[SlotParams]):
    """Drops a replication slot that nobody uses and that has not moved since it was found. Can't be undone: its
    consumer has to be set up anew. So a person approves it, whatever a standing order says."""

    slug: ClassVar[str] = "postgresql.drop_inactive_slot"
    title: ClassVar[str] = "Drop an unused replication slot"
    risk: ClassVar[Risk] = Risk.HIGH
    always_asks: ClassVar[bool] = True
    grant: ClassVar[str] = "ALTER ROLE {role} REPLICATION;"
    params_model: ClassVar[type[BaseModel]] = SlotParams
    look: ClassVar[LiteralString] = """
        select s.slot_name::text as name, 'restart_lsn ' || coalesce(s.restart_lsn::text, 'none') as identity,
            s.active, s.restart_lsn::text, s.slot_type, s.database::text, s.plugin::text,
            (select rolreplication or rolsuper from pg_roles where rolname = current_user) as allowed
        from pg_replication_slots s where s.slot_name = %(slot)s"""

    def subject(self, params: SlotParams) -> str:
        return f"replication slot {params.slot}"

    def not_needed(self, params: SlotParams, seen: Seen) -> str:
        if seen["active"]:
            return f"slot {params.slot} is in use"
        if seen["restart_lsn"] != params.restart_lsn:
            return f"slot {params.slot} has moved to {seen['restart_lsn']}: somebody uses it"
        return ""

    def statement(self, params: SlotParams, seen: Seen) -> SQL | Composed:
        from psycopg.sql import SQL, Literal

        return SQL("SELECT pg_catalog.pg_drop_replication_slot({})").format(Literal(params.slot))

    def is_done(self, params: SlotParams, before: JsonObject, seen: Seen | None) -> bool:
        return seen is None


class ResumeReplayParams(MaintenanceParams):
    """Why; the standby is the system itself."""


class ResumeReplay(MaintenanceAction[ResumeReplayParams]):
    """Lets a standby replay the log again. Undone by a pause."""

    slug: ClassVar[str] = "postgresql.resume_replay"
    title: ClassVar[str] = "Resume the standby's replay"
    undoable: ClassVar[bool] = True
    grant: ClassVar[str] = "GRANT EXECUTE ON FUNCTION pg_wal_replay_resume(), pg_wal_replay_pause() TO {role};"
    params_model: ClassVar[type[BaseModel]] = ResumeReplayParams
    look: ClassVar[LiteralString] = """
        select 'standby' as name, 'standby' as identity, pg_is_wal_replay_paused() as paused,
            pg_last_wal_replay_lsn()::text as replayed,
            has_function_privilege('pg_catalog.pg_wal_replay_resume()', 'execute') as allowed
        where pg_is_in_recovery()"""

    def subject(self, params: ResumeReplayParams) -> str:
        return "the standby's replay"

    def not_needed(self, params: ResumeReplayParams, seen: Seen) -> str:
        return "" if seen["paused"] else "replay is not paused"

    def statement(self, params: ResumeReplayParams, seen: Seen) -> SQL | Composed:
        from psycopg.sql import SQL

        return SQL("SELECT pg_catalog.pg_wal_replay_resume()")

    def is_done(self, params: ResumeReplayParams, before: JsonObject, seen: Seen | None) -> bool:
        return seen is not None and not seen["paused"]

    async def undo(
        self, ctx: ActionContext[PostgresConnector], params: ResumeReplayParams, result: MaintenanceResult
    ) -> None:
        from psycopg.sql import SQL

        if result.done:
            await ctx.via.execute(SQL("SELECT pg_catalog.pg_wal_replay_pause()"), seconds=self.seconds)


OBJECT_ACTIONS: Final = (
    AnalyzeTable(),
    VacuumTable(),
    ReindexIndex(),
    DropInvalidIndex(),
    WidenSequence(),
    ValidateConstraint(),
    DropInactiveSlot(),
    ResumeReplay(),
)

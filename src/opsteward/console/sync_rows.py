"""A sync as it is shown: its plan in figures, field by field, how far it is, and its changes as a diff."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.console.languages import N_, _
from opsteward.console.names import Names
from opsteward.core.json_types import Json, JsonObject
from opsteward.provisioning.sync import summaries
from opsteward.provisioning.sync.types import NOT_WRITTEN, SYNC_ENDS, MappingView, SyncChange, SyncOperation
from opsteward.systems.service import Inventory

_VALUE_LIMIT = 120  # characters of one value
_FIELDS_SHOWN = 12  # of one record
_DOING = {
    "create": (N_("create"), N_("created"), "good"),
    "update": (N_("change"), N_("changed"), "info"),
    "disable": (N_("disable"), N_("disabled"), "warn"),
    "delete": (N_("delete"), N_("deleted"), "bad"),
}
_ALSO = {"conflicts": (N_("to decide"), "warn"), "kept": (N_("differ, left so"), ""), "orphans": (N_("orphans"), "")}


@dataclass(frozen=True, kw_only=True)
class OperationRow:
    """One sync, with the names of its mapping, of both systems and of who asked for it."""

    operation: SyncOperation
    mapping: str
    source: str
    target: str
    by: str

    @classmethod
    def of(cls, operation: SyncOperation, names: Names, mapping: str) -> OperationRow:
        """With the names as they are now."""
        return cls(
            operation=operation,
            mapping=mapping,
            source=names.system(operation.source_id),
            target=names.system(operation.target_id),
            by=names.actor(operation.requested_by),
        )

    @property
    def is_over(self) -> bool:
        """Whether nothing more becomes of it."""
        return self.operation.status in SYNC_ENDS

    @property
    def total(self) -> int:
        """Records that its plan changes."""
        return sum(number for *_other, number, _tone in self._changing)

    @property
    def _changing(self) -> list[tuple[str, str, int, str]]:
        """What is done, or was, in which system, to how many records, and its tone; without what is done to none."""
        written = self.is_over and not self.operation.dry_run and "outcome:done" in self.operation.counts
        return [
            (_(done if written else wanted), system, number, tone)
            for name, (wanted, done, tone) in _DOING.items()
            for where, system in (("", self.target), ("_in_source", self.source))
            if (number := self.operation.counts.get(name + where, 0))
        ]

    @property
    def figures(self) -> list[tuple[str, int, str]]:
        """The plan in numbers."""
        counts = self.operation.counts
        also = [(_(words), counts[name], tone) for name, (words, tone) in _ALSO.items() if counts.get(name)]
        read = [
            (_("read in %(system)s", system=system), counts[name], "")
            for name, system in (("source_records", self.source), ("target_records", self.target))
            if name in counts
        ]
        changing = [
            (_("%(what)s in %(system)s", what=what, system=where), n, tone) for what, where, n, tone in self._changing
        ]
        return [*changing, *also, *read]

    @property
    def short(self) -> str:
        """What it does, or did, in a line."""
        if self.operation.status == "planning":
            return _("both sides are read")
        told = ", ".join(
            _("%(what)s %(number)s in %(system)s", what=what, number=number, system=where)
            for what, where, number, _tone in self._changing
        )
        if self.operation.undo_of:
            return _("undo: %(told)s", told=told)
        return told or (
            _("nothing to do") if self.operation.status in ("succeeded", "planned") else _("no plan was made")
        )

    @property
    def outcomes(self) -> list[tuple[str, int]]:
        """What came of how many changes, once it has ended."""
        prefix = "outcome:"
        return [
            (NOT_WRITTEN if name == f"{prefix}None" else name.removeprefix(prefix), number)
            for name, number in sorted(self.operation.counts.items())
            if name.startswith(prefix)
        ]

    @property
    def fields(self) -> list[tuple[str, int, list[Diff]]]:
        """The plan by field: how many records it changes there, with samples."""
        counts = self.operation.counts
        found = [
            (self._named(name), counts.get(f"field:{name}", len(samples)), [_sample(each) for each in samples])
            for name, samples in self.operation.samples.items()
        ]
        return sorted(found, key=lambda one: -one[1])

    def _named(self, field: str) -> str:
        """A field; of what is no field (`create in target`), the system by its name."""
        what, _in, side = field.partition(" in ")
        systems = {"target": self.target, "source": self.source}
        if what in _DOING and side in systems:
            return _("%(what)s in %(system)s", what=_(_DOING[what][0]), system=systems[side])
        return field

    def may_be_undone(self) -> bool:
        """Whether it wrote anything that can be taken back."""
        one = self.operation
        return self.is_over and not one.dry_run and one.undo_of is None and bool(one.counts.get("outcome:done"))


@dataclass(frozen=True, kw_only=True)
class Diff:
    """Values before and after of a field, or of one record, in words. Empty `was` and `becomes`: neither is told."""

    name: str
    was: str = ""
    becomes: str = ""


def _sample(sample: JsonObject) -> Diff:
    name = in_words(sample.get("key"))
    if "after" not in sample and "before" not in sample:
        return Diff(name=name)
    return Diff(name=name, was=in_words(sample.get("before")), becomes=in_words(sample.get("after")))


def diff_of(change: SyncChange) -> tuple[Sequence[Diff], int]:
    """The fields of a change before and after, and how many more there are than are shown."""
    before, after = change.before or {}, change.after or {}
    names = list(dict.fromkeys([*after, *before]))
    if change.operation != "update":
        names = [name for name in names if (after or before).get(name) not in (None, "", [])]
    rows = [
        Diff(
            name=name,
            was=in_words(before.get(name)) if change.before is not None else "",
            becomes=in_words(after.get(name)) if change.after is not None else "",
        )
        for name in names[:_FIELDS_SHOWN]
    ]
    return rows, max(len(names) - _FIELDS_SHOWN, 0)


def in_words(value: Json) -> str:
    """A value of a field, cut where it is long."""
    if value is None or value in ("", [], {}):
        return "none"
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        words = ", ".join(map(str, value))
    else:
        words = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return words if len(words) <= _VALUE_LIMIT else f"{words[:_VALUE_LIMIT]}…"


@dataclass(frozen=True, kw_only=True)
class MappingRow:
    """A mapping with what its last sync came to, and how much waits for a decision."""

    mapping: MappingView
    source: str
    target: str
    last: OperationRow | None
    conflicts: int


async def mapping_rows(session: AsyncSession, inventory: Inventory, found: Sequence[MappingView]) -> list[MappingRow]:
    """These mappings with what their last syncs came to."""
    ids = [one.id for one in found]
    names = await Names.read(session, inventory, [end for one in found for end in (one.source_id, one.target_id)])
    last, conflicts = await summaries.latest_operations(session, ids), await summaries.open_conflicts(session, ids)
    return [
        MappingRow(
            mapping=one,
            source=names.system(one.source_id),
            target=names.system(one.target_id),
            last=OperationRow.of(last[one.id], names, one.name) if one.id in last else None,
            conflicts=conflicts.get(one.id, 0),
        )
        for one in found
    ]

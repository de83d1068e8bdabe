"""A registered folder of files, each a list of records."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel

from opsteward.contracts.connector import Connector, ProbeReport, SystemRef
from opsteward.contracts.distinct_records import DistinctRecords
from opsteward.contracts.records import (
    MAX_BATCH,
    Batch,
    Change,
    ChangeResult,
    Coverage,
    Cursor,
    Outcome,
    Record,
    RecordTarget,
    ResourceInfo,
)
from opsteward.core.blocking_calls import in_thread
from opsteward.core.errors import BadReply, NotFound
from opsteward.integrations.files.changes import Rows, apply_change, is_active, join_lists, split_lists
from opsteward.integrations.files.client import Folder
from opsteward.integrations.files.config import FileResource, FilesConfig, config_from
from opsteward.integrations.files.formats import READERS, CsvStyle, CutOff, style_of, write_rows


class FilesConnector(Connector[FilesConfig], RecordTarget):
    """Reads files as they are at the moment; a change rewrites its file whole. The id of a record is its key."""

    config_model: ClassVar[type[BaseModel]] = FilesConfig
    #: Folders of this machine that systems may be in; set by the installation.
    roots: ClassVar[tuple[Path, ...]] = ()

    def __init__(self, config: FilesConfig) -> None:
        super().__init__(config)
        self._folder = Folder(config)

    @classmethod
    def config_for(cls, target: SystemRef, credentials: Mapping[str, str]) -> FilesConfig:
        return config_from(target, credentials, cls.roots)

    async def probe(self) -> ProbeReport:
        started = time.monotonic()
        names = await in_thread(self._folder.names)
        return ProbeReport(reachable=True, seconds=time.monotonic() - started, detail=f"{len(names)} files")

    async def close(self) -> None:
        return None

    async def resources(self) -> Sequence[ResourceInfo]:
        return await in_thread(self._resources)

    def _resources(self) -> list[ResourceInfo]:
        named = dict(self.config.settings.resources)
        taken = {resource.file for resource in named.values()}
        for name in self._folder.names():
            if name not in taken and Path(name).suffix.lower() in READERS:
                named.setdefault(Path(name).stem, self._undeclared(name))
        return [
            ResourceInfo(
                name=name,
                key=resource.key,
                attributes=resource.columns,
                writable=not resource.file.endswith(".parquet"),
                incremental=True,
                tells_deletions=True,
            )
            for name, resource in sorted(named.items())
        ]

    def _resource(self, name: str) -> FileResource:
        if name in self.config.settings.resources:
            return self.config.settings.resources[name]
        for file in self._folder.names():
            if Path(file).stem == name and Path(file).suffix.lower() in READERS:
                return self._undeclared(file)
        raise NotFound(f"there is no file of {name!r:.80}", remedy="name it in settings.resources")

    def _undeclared(self, file: str) -> FileResource:
        return FileResource(file=file, key=self.config.settings.key or ("dn" if file.endswith(".ldif") else "id"))

    def read(self, resource: str, since: Cursor | None = None) -> AsyncIterator[Batch]:
        return self._read(resource, since)

    async def _read(self, resource: str, since: Cursor | None) -> AsyncIterator[Batch]:
        declared = await in_thread(self._resource, resource)
        before = await in_thread(self._folder.fingerprint, declared.file)
        if since == before:
            yield Batch(cursor=since, coverage=Coverage.CHANGES)
            return
        with closing(self._records(declared)) as records:
            distinct = DistinctRecords()
            while True:
                note, part = await in_thread(_next_part, records, distinct)
                if part:
                    yield Batch(upserts=part)
                if note is not None:
                    break
        after = await in_thread(self._folder.fingerprint, declared.file)
        if after != before:
            note = "the file was changed while it was read"
        if note or distinct.problems:
            note = note or distinct.problems[0]
            yield Batch(coverage=Coverage.PARTIAL, note=note, problems=distinct.problems)
        else:
            yield Batch(cursor=Cursor(before), coverage=Coverage.FULL)

    def _records(self, declared: FileResource) -> Generator[Record | str, None, None]:
        """The records, and for one that can't be used why."""
        with self._folder.opened(declared.file) as stream:
            for number, row in enumerate(READERS[Path(declared.file).suffix.lower()](stream), 1):
                values = split_lists(row, declared)
                key = values.get(declared.key)
                key = key[0] if isinstance(key, list) and len(key) == 1 else key
                if key in (None, "") or isinstance(key, dict | list):
                    yield f"record {number} has no {declared.key}"
                    continue
                yield Record(native_id=str(key), values=values, active=is_active(values, declared))

    async def get(self, resource: str, native_ids: Sequence[str]) -> Mapping[str, Record]:
        return await in_thread(self._get, resource, frozenset(native_ids))

    def _get(self, resource: str, wanted: frozenset[str]) -> dict[str, Record]:
        try:
            found = list(self._records(self._resource(resource)))
        except CutOff as error:
            raise BadReply(f"the file of {resource} is cut off: {error}") from None
        return {
            each.native_id: replace(each, place=place)
            for place, each in enumerate(found)
            if isinstance(each, Record) and each.native_id in wanted
        }

    async def write(self, resource: str, changes: Sequence[Change]) -> Sequence[ChangeResult]:
        return await in_thread(self._write, resource, changes)

    def _write(self, resource: str, changes: Sequence[Change]) -> list[ChangeResult]:
        declared = self._resource(resource)
        suffix = Path(declared.file).suffix.lower()
        with self._folder.locked(declared.file):
            read: list[Record] = []
            style = CsvStyle(tuple(declared.columns), "," if suffix != ".tsv" else "\t")
            try:
                for each in self._records(declared):
                    if isinstance(each, str):
                        raise BadReply(f"{declared.file} can't be written: {each}", remedy="mend the file first")
                    read.append(each)
                if suffix in {".csv", ".tsv"}:
                    with self._folder.opened(declared.file) as stream:
                        style = style_of(stream)
            except NotFound:
                if suffix in {".csv", ".tsv"} and not declared.columns:
                    raise
            except CutOff as error:
                raise BadReply(f"{declared.file} is cut off and can't be written: {error}") from None
            rows = Rows(read)
            allowed = frozenset(style.columns) if suffix in {".csv", ".tsv"} else None
            results = [apply_change(rows, change, declared, allowed) for change in changes]
            if any(result.outcome is Outcome.DONE for result in results):
                rows.bring_back({result.native_id: change.place for change, result in zip(changes, results, strict=True)
                                 if change.place is not None and result.native_id is not None})  # fmt: skip
                joined = (join_lists(row.values, declared) for row in rows)
                self._folder.replace(declared.file, lambda stream: write_rows(suffix, stream, joined, style=style))
            return results


def _next_part(records: Iterator[Record | str], distinct: DistinctRecords) -> tuple[str | None, list[Record]]:
    """The next records, and at the end of the file a note: empty when it was read whole."""
    part: list[Record] = []
    count = 0
    try:
        for each in islice(records, MAX_BATCH):
            count += 1
            if isinstance(each, str):
                distinct.complain(each)
            elif distinct.takes(each):
                part.append(each)
    except CutOff as cut:
        return f"the file is cut off: {cut}", part
    except UnicodeDecodeError:
        raise BadReply("the file is no UTF-8", remedy="save it as UTF-8") from None
    return (None if count else ""), part

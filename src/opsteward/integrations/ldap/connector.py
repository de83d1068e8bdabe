"""A registered directory: its lists of entries, in full by pages and incrementally as the server offers it."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from pydantic import BaseModel

from opsteward.contracts.connector import Connector, ProbeReport, SystemRef
from opsteward.contracts.records import (
    MAX_BATCH,
    Batch,
    Change,
    ChangeResult,
    Coverage,
    Cursor,
    Record,
    RecordTarget,
    ResourceInfo,
)
from opsteward.core.blocking_calls import in_thread
from opsteward.core.distinguished_names import is_below
from opsteward.core.errors import BadReply, ConnectorError, NotFound
from opsteward.integrations.ldap import syncrepl
from opsteward.integrations.ldap.client import CUT_OFF, NO_SUCH_OBJECT, SUCCESS, Answer, LdapClient
from opsteward.integrations.ldap.config import (
    ACTIVE_DIRECTORY_LISTS,
    DEFAULT_LISTS,
    LdapConfig,
    LdapResource,
    config_from,
)
from opsteward.integrations.ldap.entries import OPERATIONAL, EntryReader, id_filter
from opsteward.integrations.ldap.writing import Writer, failed

_IDS_PER_SEARCH = 100
#: Seconds that the directory's clock may be behind ours where only times tell what is new.
_CLOCK_DIFFERENCE = 300
_PAGED = "1.2.840.113556.1.4.319"
_IS_ACTIVE_DIRECTORY = "1.2.840.113556.1.4.800"


class LdapConnector(Connector[LdapConfig], RecordTarget):
    """Entries by the id that the server gave them (entryUUID, objectGUID), which a rename leaves as it is."""

    config_model: ClassVar[type[BaseModel]] = LdapConfig

    def __init__(self, config: LdapConfig) -> None:
        super().__init__(config)
        self._client = LdapClient(config)

    @classmethod
    def config_for(cls, target: SystemRef, credentials: Mapping[str, str]) -> LdapConfig:
        return config_from(target, credentials)

    async def probe(self) -> ProbeReport:
        started = time.monotonic()
        info = await self._client.server_info()
        version = " ".join([*info.get("vendorname", ()), *info.get("vendorversion", ())]) or "LDAP"
        return ProbeReport(reachable=True, seconds=time.monotonic() - started, version=version[:100])

    async def entries_for_health(self) -> int:
        """How many entries the search of the health check finds, 100 at most. Raises BadReply for a search that the
        directory refuses or a base that is not there."""
        query, base = self.config.settings.check_filter, self.config.base
        answer = await self._client.search(
            base,
            query or "(objectClass=*)",
            ["1.1"],
            scope="SUBTREE" if query else "BASE",
            page=(100, b"") if query else None,
        )
        if answer.code not in CUT_OFF and answer.code != SUCCESS:
            raise BadReply(f"the directory refuses the search of {base:.200}: {answer.text}")
        return sum(message["type"] == "searchResEntry" for message in answer.messages)

    async def close(self) -> None:
        await self._client.close()

    async def resources(self) -> Sequence[ResourceInfo]:
        info = await self._client.server_info()
        synced, active_directory = _offers(info)
        return [
            ResourceInfo(
                name=name,
                key=resource.key,
                attributes=resource.attributes,
                writable=True,
                incremental=True,
                tells_deletions=synced and not active_directory,
            )
            for name, resource in sorted((await self._lists()).items())
        ]

    def read(self, resource: str, since: Cursor | None = None) -> AsyncIterator[Batch]:
        return self._read(resource, since)

    async def _read(self, name: str, since: Cursor | None) -> AsyncIterator[Batch]:
        resource = await self._resource(name)
        base = await self._base(resource)
        mark = await self._mark(base)
        known = _opened(since)
        if known.get("by") == mark["by"] and known.get("base") == base and known.get("at"):
            if mark["by"] == "syncrepl":
                async for batch in self._synced(resource, base, known["at"]):
                    yield batch
                    if batch.coverage is not None:
                        return
            else:
                newer = f"({'uSNChanged' if mark['by'] == 'usn' else 'modifyTimestamp'}>={known['at']})"
                query = f"(&{resource.filter}{newer})"
                async for batch in self._paged(resource, base, query, Coverage.UPDATES, mark):
                    yield batch
                return
        async for batch in self._paged(resource, base, resource.filter, Coverage.FULL, mark):
            yield batch

    async def _paged(
        self, resource: LdapResource, base: str, query: str, coverage: Coverage, mark: Mapping[str, str]
    ) -> AsyncIterator[Batch]:
        reader, attributes, size = EntryReader(resource), _attributes(resource), self.config.settings.page_size

        def ask(cookie: bytes) -> asyncio.Task[Answer]:
            return asyncio.create_task(self._client.search(base, query, attributes, page=(size, cookie)))

        page = ask(b"")
        try:
            while True:
                answer = await page
                cookie = ((answer.controls.get(_PAGED) or {}).get("value") or {}).get("cookie") or b""
                if cookie and answer.code == SUCCESS:
                    page = ask(cookie)  # the directory looks for them while these are handed on
                records = await in_thread(reader.records, answer.messages)
                if records:
                    yield Batch(upserts=records)
                if answer.code in CUT_OFF:
                    note = f"the directory gives no more than this: {answer.text}; raise its limits for our account"
                    yield Batch(coverage=Coverage.PARTIAL, note=note)
                    return
                _require(answer, base)
                if not cookie:
                    # by times nothing is found again of entries that have none
                    is_of_use = mark["by"] != "time" or reader.all_have_times
                    yield Batch(cursor=_sealed({**mark, "base": base}) if is_of_use else None, coverage=coverage)
                    return
        finally:
            if not page.done():
                page.cancel()
                await asyncio.wait({page})

    async def _synced(self, resource: LdapResource, base: str, at: str) -> AsyncIterator[Batch]:
        """The changes by syncrepl; nothing when the server wants all to be read anew."""
        control = syncrepl.request(base64.b64decode(at))
        answer = await self._client.search(base, resource.filter, _attributes(resource), controls=[control])
        if answer.code == syncrepl.REFRESH_REQUIRED:
            return
        _require(answer, base)
        changes = await in_thread(syncrepl.changes_of, answer.messages, answer.controls)
        cookie = changes.cookie or base64.b64decode(at)
        cursor = _sealed({"by": "syncrepl", "base": base, "at": base64.b64encode(cookie).decode()})
        reader = EntryReader(resource)
        for part in _parts(changes.entries):
            yield Batch(upserts=await in_thread(reader.records, part))
        for part in _parts(changes.present):
            yield Batch(unchanged_ids=part)
        for part in _parts(changes.deleted):
            yield Batch(deleted_ids=part)
        yield Batch(cursor=cursor, coverage=Coverage.FULL if changes.names_all else Coverage.CHANGES)

    async def _mark(self, base: str) -> dict[str, str]:
        """Where the directory is now, taken before the entries are read, so that none is missed."""
        info = await self._client.server_info()
        synced, active_directory = _offers(info)
        if active_directory:
            answer = await self._client.search("", "(objectClass=*)", ["highestCommittedUSN"], scope="BASE")
            usn = _first(answer, "highestCommittedUSN")
            return {"by": "usn", "at": str(int(usn) + 1) if usn.isdigit() else ""}
        if synced:
            suffix = next((c for c in info.get("namingcontexts", ()) if base.lower().endswith(c.lower())), base)
            answer = await self._client.search(suffix, "(objectClass=*)", ["contextCSN"], scope="BASE")
            if csn := _first(answer, "contextCSN"):
                cookie = f"rid=000,csn={csn}".encode()
                return {"by": "syncrepl", "at": base64.b64encode(cookie).decode()}
        return {"by": "time", "at": time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() - _CLOCK_DIFFERENCE))}

    async def get(self, resource: str, native_ids: Sequence[str]) -> Mapping[str, Record]:
        declared = await self._resource(resource)
        base = await self._base(declared)
        active_directory = _offers(await self._client.server_info())[1]
        found: dict[str, Record] = {}
        reader = EntryReader(declared)
        for part in _parts(native_ids, _IDS_PER_SEARCH):
            query = id_filter(part, active_directory=active_directory)
            if query:
                answer = await self._client.search(base, query, _attributes(declared))
                _require(answer, base)
                records = await in_thread(reader.records, answer.messages)
                found |= {record.native_id: record for record in records}
        for dn in native_ids:
            entry = await self._named(declared, base, dn)
            if entry is not None:
                found[dn] = reader.record(entry)
        return found

    async def _named(self, resource: LdapResource, base: str, native_id: str) -> Mapping[str, Any] | None:
        """The entry whose id is its DN, as of a server that gives no ids."""
        if "=" not in native_id or not is_below(native_id, base):
            return None
        answer = await self._client.search(native_id, resource.filter, _attributes(resource), scope="BASE")
        if answer.code == NO_SUCH_OBJECT:
            return None
        _require(answer, native_id)
        return next((message for message in answer.messages if message["type"] == "searchResEntry"), None)

    async def write(self, resource: str, changes: Sequence[Change]) -> Sequence[ChangeResult]:
        declared = await self._resource(resource)
        base = await self._base(declared)
        active_directory = _offers(await self._client.server_info())[1]

        async def find(query: str) -> Mapping[str, Any] | None:
            query = f"(&{declared.filter}{query})"
            answer = await self._client.search(base, query, _attributes(declared))
            _require(answer, base)
            entries = [m for m in answer.messages if m["type"] == "searchResEntry"]
            return entries[0] if entries else None

        async def by_id(native_id: str) -> Mapping[str, Any] | None:
            query = id_filter([native_id], active_directory=active_directory)
            return await find(query) if query else await self._named(declared, base, native_id)

        writer = Writer(self._client, declared, base, find=find, by_id=by_id)
        results: list[ChangeResult] = []
        lost: ConnectorError | None = None
        for change in changes:
            try:
                results.append(await writer.apply(change) if lost is None else failed(change, lost))
            except ConnectorError as error:
                if not results:
                    raise
                lost = error
                results.append(failed(change, error))
        return results

    async def _lists(self) -> Mapping[str, LdapResource]:
        """The declared lists, else those that a directory of this kind has."""
        if self.config.settings.resources:
            return self.config.settings.resources
        is_active_directory = _offers(await self._client.server_info())[1]
        return ACTIVE_DIRECTORY_LISTS if is_active_directory else DEFAULT_LISTS

    async def _resource(self, name: str) -> LdapResource:
        try:
            return (await self._lists())[name]
        except KeyError:
            raise NotFound(f"there is no list {name!r:.80} here", remedy="name it in settings.resources") from None

    async def _base(self, resource: LdapResource) -> str:
        if resource.base or self.config.base:
            return resource.base or self.config.base
        info = await self._client.server_info()
        # an Active Directory has several contexts, of which it names the one with people
        contexts = info.get("defaultnamingcontext") or info.get("namingcontexts", [])
        if len(contexts) != 1:
            raise BadReply("the directory names no single base", remedy="put it into the endpoint: ldap://host/dc=...")
        return contexts[0]


def _attributes(resource: LdapResource) -> list[str]:
    asked = list(resource.attributes) or ["*"]
    if resource.disabled is not None:
        asked.append(resource.disabled.attribute)
    return [*asked, *(name for name in OPERATIONAL if name.lower() not in {a.lower() for a in asked})]


def _offers(info: Mapping[str, Sequence[str]]) -> tuple[bool, bool]:
    """Whether the server has syncrepl, and whether it is an Active Directory."""
    active_directory = _IS_ACTIVE_DIRECTORY in info.get("supportedcapabilities", ())
    return syncrepl.REQUEST in info.get("supportedcontrol", ()), active_directory


def _require(answer: Answer, base: str) -> None:
    if answer.code == NO_SUCH_OBJECT:
        raise NotFound(f"the directory has no {base:.200}", remedy="correct the base of this list")
    if answer.code != SUCCESS:
        raise BadReply(f"the directory did not give the list: {answer.text or answer.code}")


def _first(answer: Answer, attribute: str) -> str:
    for message in answer.messages:
        if message["type"] == "searchResEntry":
            for name, values in message["raw_attributes"].items():
                if name.lower() == attribute.lower() and values:
                    return bytes(values[0]).decode("ascii", "replace")
    return ""


def _sealed(mark: Mapping[str, str]) -> Cursor:
    return Cursor(json.dumps(mark, ensure_ascii=False))


def _opened(cursor: Cursor | None) -> dict[str, str]:
    try:
        found = json.loads(cursor) if cursor else {}
    except ValueError:
        return {}
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}


def _parts(items: Sequence[Any], size: int = MAX_BATCH) -> Iterator[list[Any]]:
    return (list(items[at : at + size]) for at in range(0, len(items), size))

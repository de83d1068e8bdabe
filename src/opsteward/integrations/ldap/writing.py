"""One change of an entry: looked at before and after, so that sending it again changes nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from opsteward.contracts.record_values import same_values
from opsteward.contracts.records import Change, ChangeResult, Operation, Outcome, Record
from opsteward.core.distinguished_names import filter_text, rdn_of, same_dn, split_dn
from opsteward.core.errors import AuthFailed, ConnectorError, Invalid, RateLimited
from opsteward.core.json_types import Json
from opsteward.integrations.ldap.client import (
    ALREADY_EXISTS,
    NO_SUCH_ATTRIBUTE,
    NO_SUCH_OBJECT,
    SUCCESS,
    Answer,
    LdapClient,
)
from opsteward.integrations.ldap.config import LdapResource
from opsteward.integrations.ldap.entries import attribute_bytes, record_of, switched_off

#: Finds the one entry of a filter, or none.
Find = Callable[[str], Awaitable[Mapping[str, Any] | None]]


class Writer:
    """Changes entries of one list. `find` looks for an entry by a filter, `by_id` by its id."""

    def __init__(self, client: LdapClient, resource: LdapResource, base: str, *, find: Find, by_id: Find) -> None:
        self._client = client
        self._resource = resource
        self._base = base
        self._find = find
        self._by_id = by_id

    async def apply(self, change: Change) -> ChangeResult:
        """What became of the change; failures of this one alone are told, not raised."""
        try:
            if change.operation is Operation.CREATE:
                return await self._create(change)
            entry = await self._by_id(change.native_id or "")
            if entry is None:
                gone = change.operation is Operation.DELETE
                outcome = Outcome.UNCHANGED if gone else Outcome.MISSING
                return change.result(outcome, problem="" if gone else "there is no such entry")
            record = record_of(entry, self._resource)
            if change.version is not None and record.version != change.version:
                return change.result(Outcome.CONFLICT, record, "the entry was changed since it was read")
            if change.operation is Operation.DELETE:
                return self._judged(change, await self._client.delete(record_dn(record)), None)
            if change.operation is Operation.DISABLE:
                return await self._disable(change, entry, record)
            return await self._update(change, record)
        except Invalid as error:
            return change.result(Outcome.REFUSED, problem=error.detail)
        except AuthFailed as error:
            if error.extra.get("kind") != "permission":
                raise
            return change.result(Outcome.REFUSED, problem=error.detail)
        except RateLimited as error:
            return change.result(Outcome.FAILED, problem=error.detail)

    async def _create(self, change: Change) -> ChangeResult:
        values = dict(change.values)
        dn = values.pop("dn", None)
        if not isinstance(dn, str) or not dn:
            name = _single(values.get(self._resource.rdn))
            if not name:
                raise Invalid.field(self._resource.rdn, "is missing", "a new entry is named by it")
            dn = f"{rdn_of(self._resource.rdn, name)},{self._resource.parent or self._base}"
        there = await self._same_key(values)
        if there is None:
            lower = {name.lower() for name in values}
            if "objectclass" not in lower:
                values["objectClass"] = list(self._resource.object_classes)
            attributes = {name: found for name, v in values.items() if (found := attribute_bytes(name, v))}
            answer = await self._client.add(dn, attributes)
            if answer.code != ALREADY_EXISTS:
                return self._judged(change, answer, await self._at(dn) if answer.code == SUCCESS else None)
            there = await self._at(dn)
        same = there is not None and same_values(_without(values, "objectClass"), there.values)
        return change.result(Outcome.UNCHANGED if same else Outcome.EXISTS, there)

    async def _same_key(self, values: Mapping[str, Json]) -> Record | None:
        key = _single(values.get(self._resource.key))
        found = await self._find(f"({self._resource.key}={filter_text(key)})") if key else None
        return record_of(found, self._resource) if found else None

    async def _at(self, dn: str) -> Record | None:
        answer = await self._client.search(dn, "(objectClass=*)", ["*", "+"], scope="BASE")
        found = next((m for m in answer.messages if m["type"] == "searchResEntry"), None)
        return record_of(found, self._resource) if found else None

    async def _disable(self, change: Change, entry: Mapping[str, Any], record: Record) -> ChangeResult:
        if record.active is False:
            return change.result(Outcome.UNCHANGED, record)
        disabled, flags = self._resource.disabled, switched_off(entry)
        if disabled is not None:
            replaced = {disabled.attribute: [disabled.value.encode()]}
        elif flags is not None:
            replaced = {"userAccountControl": [flags]}
        else:
            problem = "nothing says how an account is switched off here: set `disabled` of this list"
            return change.result(Outcome.REFUSED, record, problem)
        answer = await self._client.modify(record_dn(record), replaced)
        return self._judged(change, answer, await self._at(record_dn(record)))

    async def _update(self, change: Change, record: Record) -> ChangeResult:
        values = dict(change.values)
        dn = record_dn(record)
        target = _target_dn(dn, values.pop("dn", None), values)
        names = {name.lower(): name for name in record.values}
        there = {name: record.values.get(names.get(name.lower(), name)) for name in values}
        replaced = {
            name: attribute_bytes(name, value) for name, value in values.items() if not _equal(value, there[name])
        }
        if same_dn(dn, target) and not replaced:
            return change.result(Outcome.UNCHANGED, record)
        if not same_dn(dn, target):
            rdn, parent = split_dn(target)
            moved = parent if not same_dn(parent, split_dn(dn)[1]) else None
            answer = await self._client.rename(dn, rdn, moved)
            if answer.code != SUCCESS:
                return self._judged(change, answer, record)
            dn = target
            replaced.pop(next((n for n in replaced if rdn.lower().startswith(f"{n.lower()}=")), ""), None)
        if replaced:
            answer = await self._client.modify(dn, replaced)
            if answer.code not in {SUCCESS, NO_SUCH_ATTRIBUTE}:
                return self._judged(change, answer, record)
        return change.result(Outcome.DONE, await self._at(dn) or record)

    @staticmethod
    def _judged(change: Change, answer: Answer, record: Record | None) -> ChangeResult:
        if answer.code == SUCCESS:
            return change.result(Outcome.DONE, record)
        if answer.code == ALREADY_EXISTS:
            return change.result(Outcome.EXISTS, record, "another entry has this name")
        if answer.code == NO_SUCH_OBJECT:
            if change.operation is Operation.DELETE:
                return change.result(Outcome.UNCHANGED)
            return change.result(Outcome.REFUSED, problem="the parent entry is not there")
        return change.result(Outcome.REFUSED, record, f"the directory refused it: {answer.text or answer.code}")


def record_dn(record: Record) -> str:
    """Where the entry is."""
    return str(record.values["dn"])


def failed(change: Change, error: ConnectorError) -> ChangeResult:
    """The result of a change that was not known to be done when the connection was lost."""
    return change.result(Outcome.FAILED, problem=error.detail)


def _target_dn(dn: str, wanted: Json, values: Mapping[str, Json]) -> str:
    """Where the entry is to be: as said, else by the new value of the attribute that names it."""
    if isinstance(wanted, str) and wanted:
        return wanted
    rdn, parent = split_dn(dn)
    attribute = rdn.partition("=")[0]
    name = next((_single(value) for key, value in values.items() if key.lower() == attribute.lower()), "")
    renamed = rdn_of(attribute, name) if name else rdn
    return f"{renamed},{parent}" if parent else renamed


def _equal(one: Json, other: Json) -> bool:
    return _sorted(one) == _sorted(other)


def _sorted(value: Json) -> list[str]:
    values = value if isinstance(value, list) else [] if value in (None, "") else [value]
    return sorted(str(each).upper() if isinstance(each, bool) else str(each) for each in values)


def _single(value: Json) -> str:
    one = value[0] if isinstance(value, list) and value else value
    return "" if one is None or isinstance(one, dict | list) else str(one)


def _without(values: Mapping[str, Json], name: str) -> dict[str, Json]:
    return {key: value for key, value in values.items() if key.lower() != name.lower()}

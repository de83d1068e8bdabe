"""LDAP entries as records: names, binary values, ids that outlive renames, accounts that are switched off."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from opsteward.contracts.record_values import binary, json_value
from opsteward.contracts.records import Record
from opsteward.core.distinguished_names import canonical_dn
from opsteward.core.errors import Invalid
from opsteward.core.json_types import Json
from opsteward.integrations.ldap.config import LdapResource

#: Read with every entry, and never part of its values.
OPERATIONAL = (
    "entryUUID", "objectGUID", "nsUniqueId", "entryCSN", "uSNChanged", "modifyTimestamp", "userAccountControl",
)  # fmt: skip
#: Attributes of bytes, which could by chance be read as text.
_BINARY = frozenset({
    "jpegphoto", "thumbnailphoto", "thumbnaillogo", "photo", "audio", "usercertificate", "cacertificate",
    "crosscertificatepair", "certificaterevocationlist", "authorityrevocationlist", "deltarevocationlist",
    "userpkcs12", "usersmimecertificate", "objectsid", "sidhistory", "securityidentifier", "ntsecuritydescriptor",
    "objectguid", "ms-ds-consistencyguid", "msexchmailboxguid", "msexcharchiveguid", "guid", "logonhours", "dnsrecord",
})  # fmt: skip
#: The form of the id of 389 Directory Server and its kin.
_NS_UNIQUE_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{8}){3}")
#: Attributes whose values are DNs, which servers escape each in their own way.
_NAMES = frozenset({
    "manager", "secretary", "assistant", "member", "memberof", "uniquemember", "owner", "seealso", "roleoccupant",
    "managedby", "directreports", "distinguishedname", "aliasedobjectname",
})  # fmt: skip
_SWITCHED_OFF = 0x2  # of userAccountControl


def record_of(message: Mapping[str, Any], resource: LdapResource) -> Record:
    """The record of one entry. Its values hold its `dn`."""
    return EntryReader(resource).record(message)


@dataclass(frozen=True)
class _Attribute:
    """What is done with an attribute of this name."""

    lower: str
    is_looked_at: bool  # for what is no value: the id, the version, whether the account is switched off
    is_value: bool
    is_list: bool
    is_binary: bool
    is_name: bool


class EntryReader:
    """Makes the records of a list; what its attributes are is found out once for each name."""

    def __init__(self, resource: LdapResource) -> None:
        self._resource = resource
        self._lists = {name.lower() for name in resource.lists}
        self._hidden = {name.lower() for name in OPERATIONAL} - {name.lower() for name in resource.attributes}
        self._looked_at = {name.lower() for name in OPERATIONAL} | {"whenchanged"}
        if resource.disabled is not None:
            self._looked_at.add(resource.disabled.attribute.lower())
        self._attributes: dict[str, _Attribute] = {}
        #: Whether each entry so far told when it was changed.
        self.all_have_times = True

    def records(self, messages: Sequence[Mapping[str, Any]]) -> list[Record]:
        """The records of the entries among these messages. A group of many thousands takes its time: use a thread."""
        return [self.record(message) for message in messages if message["type"] == "searchResEntry"]

    def record(self, message: Mapping[str, Any]) -> Record:
        """The record of one entry. Its values hold its `dn`."""
        dn = canonical_dn(message["raw_dn"].decode("utf-8", "replace"))
        values: dict[str, Json] = {"dn": dn}
        lower: dict[str, list[bytes]] = {}
        known = self._attributes
        for name, found in message["raw_attributes"].items():
            if not found:
                continue
            attribute = known.get(name) or self._known(name)
            if attribute.is_looked_at:
                lower[attribute.lower] = found
            if not attribute.is_value:
                continue
            if len(found) == 1:
                value = _value(attribute, found[0])
                values[name] = [value] if attribute.is_list else value
            else:
                values[name] = sorted([_value(attribute, each) for each in found], key=str)
        self.all_have_times &= "modifytimestamp" in lower
        version = lower.get("entrycsn") or lower.get("usnchanged") or lower.get("modifytimestamp")
        return Record(
            native_id=entry_id(lower) or dn,
            values=values,
            version=version[0].decode("ascii", "replace") if version else None,
            changed_at=_instant(lower.get("modifytimestamp") or lower.get("whenchanged")),
            active=_active(lower, self._resource),
        )

    def _known(self, name: str) -> _Attribute:
        lower = name.lower()
        self._attributes[name] = attribute = _Attribute(
            lower=lower,
            is_looked_at=lower in self._looked_at,
            is_value=lower not in self._hidden,
            is_list=lower in self._lists,
            is_binary=_is_binary(lower),
            is_name=lower in _NAMES,
        )
        return attribute


def _is_binary(lower: str) -> bool:
    name, _, options = lower.partition(";")
    return name in _BINARY or "binary" in options.split(";")


def entry_id(lower: Mapping[str, Sequence[bytes]]) -> str | None:
    """The id that the server gave the entry; None where it has none."""
    if "entryuuid" in lower:
        return lower["entryuuid"][0].decode("ascii", "replace").lower()
    guid = lower.get("objectguid")
    if guid and len(guid[0]) == 16:
        return str(UUID(bytes_le=guid[0]))
    return lower["nsuniqueid"][0].decode("ascii", "replace").lower() if "nsuniqueid" in lower else None


def id_filter(native_ids: Sequence[str], *, active_directory: bool) -> str:
    """A search for entries of these ids; those that are none that a server gave find nothing."""
    parts = []
    for native_id in native_ids:
        if _NS_UNIQUE_ID.fullmatch(native_id):
            parts.append(f"(nsUniqueId={native_id})")
            continue
        try:
            value = UUID(native_id)
        except ValueError:
            continue
        if active_directory:
            parts.append("(objectGUID=" + "".join(f"\\{byte:02x}" for byte in value.bytes_le) + ")")
        else:
            parts.append(f"(entryUUID={value})")
    return f"(|{''.join(parts)})" if parts else ""


def attribute_bytes(name: str, value: Json) -> list[bytes]:
    """A value as the server takes it. Raises Invalid for what no attribute can hold."""
    values = value if isinstance(value, list) else [] if value is None or value == "" else [value]
    found: list[bytes] = []
    for each in values:
        content = binary(each, field=name)
        if content is not None:
            found.append(content)
        elif isinstance(each, dict | list) or each is None:
            raise Invalid.field(name, "is no value of an attribute", 'use text, numbers or {"base64": "..."}')
        elif isinstance(each, bool):
            found.append(b"TRUE" if each else b"FALSE")
        elif name.lower() == "unicodepwd":
            found.append(f'"{each}"'.encode("utf-16-le"))
        else:
            found.append(str(each).encode())
    return found


def _value(attribute: _Attribute, value: bytes) -> Json:
    if attribute.is_binary or b"\x00" in value:
        return json_value(value)
    try:
        return canonical_dn(value.decode()) if attribute.is_name else value.decode()
    except UnicodeDecodeError:
        return json_value(value)


def _active(lower: Mapping[str, Sequence[bytes]], resource: LdapResource) -> bool | None:
    if resource.disabled is not None:
        found = lower.get(resource.disabled.attribute.lower(), ())
        return resource.disabled.value.encode().lower() not in {value.lower() for value in found}
    flags = lower.get("useraccountcontrol")
    return None if not flags or not flags[0].isdigit() else not int(flags[0]) & _SWITCHED_OFF


def switched_off(entry: Mapping[str, Any]) -> bytes | None:
    """What userAccountControl is for the account, switched off; None where it has none."""
    flags = {name.lower(): values for name, values in entry["raw_attributes"].items()}.get("useraccountcontrol")
    return str(int(flags[0]) | _SWITCHED_OFF).encode() if flags and flags[0].isdigit() else None


def _instant(values: Sequence[bytes] | None) -> datetime | None:
    found = values[0][:14] if values else b""
    try:
        return datetime(
            int(found[:4]), int(found[4:6]), int(found[6:8]), int(found[8:10]), int(found[10:12]), int(found[12:14]),
            tzinfo=UTC,
        )  # fmt: skip
    except ValueError:
        return None

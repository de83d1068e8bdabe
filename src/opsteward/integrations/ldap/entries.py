"""LDAP entries as records: names, binary values, ids that outlive renames, accounts that are switched off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
OPERATIONAL = ("entryUUID", "objectGUID", "entryCSN", "uSNChanged", "modifyTimestamp", "userAccountControl")
_BINARY = frozenset(
    {"jpegphoto", "thumbnailphoto", "usercertificate", "cacertificate", "objectsid", "objectguid", "audio", "photo"}
)
#: Attributes whose values are DNs, which servers escape each in their own way.
_NAMES = frozenset({
    "manager", "secretary", "assistant", "member", "memberof", "uniquemember", "owner", "seealso", "roleoccupant",
    "managedby", "directreports", "distinguishedname", "aliasedobjectname",
})  # fmt: skip
_SWITCHED_OFF = 0x2  # of userAccountControl


def record_of(message: Mapping[str, Any], resource: LdapResource) -> Record:
    """The record of one entry. Its values hold its `dn`."""
    raw: dict[str, list[bytes]] = {name: values for name, values in message["raw_attributes"].items() if values}
    lower = {name.lower(): values for name, values in raw.items()}
    lists = {name.lower() for name in resource.lists}
    wanted = {name.lower() for name in resource.attributes}
    dn = canonical_dn(message["raw_dn"].decode("utf-8", "replace"))
    hidden = {name.lower() for name in OPERATIONAL}
    values: dict[str, Json] = {"dn": dn}
    for name, found in sorted(raw.items()):
        if name.lower() not in hidden or name.lower() in wanted:
            read = sorted((_text(name, value) for value in found), key=str)
            values[name] = read if len(read) != 1 or name.lower() in lists else read[0]
    version = lower.get("entrycsn") or lower.get("usnchanged") or lower.get("modifytimestamp")
    return Record(
        native_id=entry_id(lower) or dn,
        values=values,
        version=version[0].decode("ascii", "replace") if version else None,
        changed_at=_instant(lower.get("modifytimestamp") or lower.get("whenchanged")),
        active=_active(lower, resource),
    )


def entry_id(lower: Mapping[str, Sequence[bytes]]) -> str | None:
    """The id that the server gave the entry; None where it has none."""
    if "entryuuid" in lower:
        return lower["entryuuid"][0].decode("ascii", "replace").lower()
    guid = lower.get("objectguid")
    return str(UUID(bytes_le=guid[0])) if guid and len(guid[0]) == 16 else None


def id_filter(native_ids: Sequence[str], *, active_directory: bool) -> str:
    """A search for entries of these ids; those that are no ids find nothing."""
    parts = []
    for native_id in native_ids:
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


def _text(name: str, value: bytes) -> Json:
    if name.lower().partition(";")[0] in _BINARY or name.lower().endswith(";binary"):
        return json_value(value)
    try:
        if b"\x00" in value:
            return json_value(value)
        return canonical_dn(value.decode()) if name.lower() in _NAMES else value.decode()
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
    digits = values[0][:14].decode("ascii", "replace") if values else ""
    try:
        day, clock = (digits[:4], digits[4:6], digits[6:8]), (digits[8:10], digits[10:12], digits[12:14])
        return datetime(*map(int, day + clock), tzinfo=UTC)  # type: ignore[misc, arg-type]
    except ValueError:
        return None

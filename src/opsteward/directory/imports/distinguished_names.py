"""Distinguished names (RFC 4514): when two of them are the same. They are looked up by their key, never taken apart."""

from __future__ import annotations

import hashlib
import re

from opsteward.core.name_keys import folded

_ESCAPE = re.compile(r"((?:\\[0-9a-fA-F]{2})+)|\\(.)", re.DOTALL)
_SPACES = re.compile(r"\s+")
#: Types by number (RFC 4514, 3) and the long names that some tools write.
_TYPES = {
    "2.5.4.3": "cn", "2.5.4.7": "l", "2.5.4.8": "st", "2.5.4.10": "o", "2.5.4.11": "ou", "2.5.4.6": "c",
    "2.5.4.9": "street", "2.5.4.4": "sn", "0.9.2342.19200300.100.1.25": "dc", "0.9.2342.19200300.100.1.1": "uid",
    "commonname": "cn", "organizationalunitname": "ou", "organizationname": "o", "domaincomponent": "dc",
    "userid": "uid", "localityname": "l", "stateorprovincename": "st", "countryname": "c", "surname": "sn",
}  # fmt: skip
#: A longer key is kept by its digest, for an index takes no longer text; so is one with control characters.
_KEY_LIMIT = 500


def looks_like_dn(text: str) -> bool:
    """Whether a text can be a distinguished name at all: a manager's username can't."""
    return "=" in text and dn_key(text) is not None


def dn_key(dn: str) -> str | None:
    """Equal for names that differ in case, spaces, ways of escaping or the order within one part; None for no name."""
    parts: list[str] = []
    for rdn in _split(dn.strip(), ",;"):
        values = []
        for pair in _split(rdn, "+"):
            kind, equals, value = pair.partition("=")
            kind = kind.strip().lower().removeprefix("oid.")
            if not equals or not kind:
                return None
            values.append(f"{_TYPES.get(kind, kind)}={_value_key(value)}")
        parts.append("+".join(sorted(values)))
    if not parts:
        return None
    key = ",".join(parts)
    if len(key) <= _KEY_LIMIT and key.isprintable():
        return key
    return f"sha256={hashlib.sha256(key.encode(errors='replace')).hexdigest()}"


def _split(text: str, signs: str) -> list[str]:
    """At the signs that are neither escaped nor within quotes."""
    found: list[str] = []
    begun = at = 0
    quoted = False
    while at < len(text):
        if text[at] == "\\":
            at += 2
            continue
        if text[at] == '"':
            quoted = not quoted
        elif text[at] in signs and not quoted:
            found.append(text[begun:at])
            begun = at + 1
        at += 1
    found.append(text[begun:])
    return found


def _value_key(raw: str) -> str:
    text = raw.lstrip()
    end = text.rstrip()
    if end.endswith("\\") and (len(end) - len(end.rstrip("\\"))) % 2:
        end += " "  # the last space is escaped, and part of the value
    if len(end) >= 2 and end[0] == end[-1] == '"':
        end = end[1:-1]
    elif end.startswith("#") and re.fullmatch(r"#(?:[0-9a-fA-F]{2})+", end):
        end = _of_ber(bytes.fromhex(end[1:])) or end
    plain = _ESCAPE.sub(_unescaped, end)
    # compared without regard to case and to how many spaces: as directories compare such values; then escaped anew
    key = folded(_SPACES.sub(" ", plain).strip())
    return re.sub(r"[\\,+=]", lambda found: f"\\{ord(found[0]):02x}", key)


def _unescaped(found: re.Match[str]) -> str:
    """Escaped bytes are those of UTF-8, one after the other."""
    return bytes.fromhex(found[1].replace("\\", "")).decode(errors="replace") if found[1] else found[2]


def _of_ber(data: bytes) -> str:
    """The text in a short BER string (`#0403666f6f`); empty for what is none."""
    return data[2:].decode(errors="replace") if len(data) >= 2 and data[1] == len(data) - 2 < 128 else ""

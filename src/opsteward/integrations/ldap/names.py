"""Distinguished names and filters: put together and taken apart by RFC 4514 and 4515."""

from __future__ import annotations

_SPECIAL = frozenset('"+,;<>\\=')


def rdn_of(attribute: str, value: str) -> str:
    """The name of one entry: its value with all that is special in a DN escaped."""
    last = len(value) - 1
    parts = []
    for at, char in enumerate(value):
        if char == "\x00":
            parts.append("\\00")
        elif char in _SPECIAL or (char in " #" and at == 0) or (char == " " and at == last):
            parts.append(f"\\{char}")
        elif ord(char) < 32:
            parts.append(f"\\{ord(char):02x}")
        else:
            parts.append(char)
    return f"{attribute}={''.join(parts)}"


def split_dn(dn: str) -> tuple[str, str]:
    """The name of the entry, and the DN of its parent (empty at the top)."""
    at = 0
    while at < len(dn):
        if dn[at] == "\\":
            at += 2
            continue
        if dn[at] == ",":
            return _trimmed(dn[:at]), _trimmed(dn[at + 1 :])
        at += 1
    return _trimmed(dn), ""


def same_dn(one: str, other: str) -> bool:
    """Whether two DNs are written alike, but for case and the spaces between their parts."""
    while one and other:
        (first, one), (second, other) = split_dn(one), split_dn(other)
        if first.casefold() != second.casefold():
            return False
    return one == other


def filter_text(value: str) -> str:
    """A value as a filter takes it."""
    return "".join(f"\\{ord(c):02x}" if c in "\\*()\x00" else c for c in value)


def _trimmed(text: str) -> str:
    """Without the spaces around it; an escaped one at the end belongs to it."""
    short = text.strip()
    return f"{short} " if short.endswith("\\") and text.rstrip(" ") != text and _escapes(short) else short


def _escapes(text: str) -> bool:
    return (len(text) - len(text.rstrip("\\"))) % 2 == 1

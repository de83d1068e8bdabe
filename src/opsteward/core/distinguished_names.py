"""Distinguished names and filters of LDAP: put together and taken apart by RFC 4514 and 4515."""

from __future__ import annotations

_SPECIAL = frozenset('"+,;<>\\=')
_HEX = frozenset("0123456789abcdefABCDEF")
_DN_LIMIT = 8_192  # characters; what is longer is left as it is, since taking it apart costs the square of its length


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
    at = _end_of(dn, ",;")
    return _trimmed(dn[:at]), _trimmed(dn[at + 1 :])


def canonical_dn(dn: str) -> str:
    """The DN with its values escaped as `rdn_of` does, whichever of the ways that the standard leaves open was taken:
    one server says `\\2C` for a comma, another `\\,` or quotes. What is no DN stays as it is."""
    if ("\\" not in dn and '"' not in dn) or len(dn) > _DN_LIMIT:
        return dn
    parts = []
    rest = dn
    while rest:
        rdn, rest = split_dn(rest)
        pairs = []
        while rdn:
            at = _end_of(rdn, "+")
            pair, rdn = rdn[:at], rdn[at + 1 :]
            attribute, equals, value = pair.partition("=")
            if not equals:
                return dn
            plain = value.lstrip(" ").startswith("#")  # the BER of a value
            pairs.append(pair if plain else rdn_of(attribute.strip(), _unescaped(value)))
        parts.append("+".join(pairs))
    return ",".join(parts)


def rdn_value(dn: str) -> str:
    """The value that names the entry of this DN, unescaped: `Doe, J` of `cn=Doe\\, J,ou=people`; empty for no DN."""
    rdn = split_dn(dn)[0]
    attribute, equals, value = rdn[: _end_of(rdn, "+")].partition("=")
    return _unescaped(value) if equals and attribute else ""


def same_dn(one: str, other: str) -> bool:
    """Whether two DNs are one, but for case, the spaces between their parts and how they are escaped."""
    one, other = canonical_dn(one), canonical_dn(other)
    while one and other:
        (first, one), (second, other) = split_dn(one), split_dn(other)
        if first.casefold() != second.casefold():
            return False
    return one == other


def is_below(dn: str, base: str) -> bool:
    """Whether an entry of this DN would be the base, or below it."""
    while dn:
        if same_dn(dn, base):
            return True
        dn = split_dn(dn)[1]
    return not base


def filter_text(value: str) -> str:
    """A value as a filter takes it."""
    return "".join(f"\\{ord(c):02x}" if c in "\\*()\x00" else c for c in value)


def _end_of(text: str, ends: str) -> int:
    """Where the first of these characters stands that is neither escaped nor quoted; the end where none does."""
    at, quoted = 0, False
    while at < len(text):
        char = text[at]
        if char == "\\":
            at += 1
        elif char == '"':
            quoted = not quoted
        elif char in ends and not quoted:
            return at
        at += 1
    return len(text)


def _unescaped(value: str) -> str:
    text = _trimmed(value)
    if len(text) > 1 and text.startswith('"') and text.endswith('"'):
        text = text[1:-1]
    found = bytearray()
    at = 0
    while at < len(text):
        pair = text[at + 1 : at + 3]
        if text[at] == "\\" and len(pair) == 2 and set(pair) <= _HEX:
            found.append(int(pair, 16))
            at += 3
            continue
        at += text[at] == "\\"
        found += text[at : at + 1].encode()
        at += 1
    return found.decode("utf-8", "replace")


def _trimmed(text: str) -> str:
    """Without the spaces around it; an escaped one at the end belongs to it."""
    short = text.strip(" ")
    return f"{short} " if short.endswith("\\") and text.rstrip(" ") != text and _escapes(short) else short


def _escapes(text: str) -> bool:
    return (len(text) - len(text.rstrip("\\"))) % 2 == 1

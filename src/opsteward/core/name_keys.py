"""How names and addresses are compared: folded keys. What is stored and shown is what was given; no tables here."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

MAX_NAME = 255
MAX_EMAIL = 320
_PLAIN_LOCAL = re.compile(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_PLAIN_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
#: What may stand in no name: controls, line and paragraph separators, lone surrogates, and what turns the direction
#: of the text around it.
_HIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def folded(value: str) -> str:
    """The key of a name: equal for names that differ in case or in their Unicode form alone (NFKC, case folding)."""
    if value.isascii():
        return value.lower()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", value).casefold())


def name_problem(value: str, *, most: int = MAX_NAME) -> str | None:
    """What keeps this from being a name, or None. `most` is in characters."""
    if not value or value.isspace():
        return "is empty"
    if len(value) > most:
        return f"has {len(value)} characters, the most is {most}"
    if value[0].isspace() or value[-1].isspace():
        return "begins or ends with a space"
    if _HIDDEN.search(value):
        return "holds control characters"
    return None if folded(value) else "has no visible character"


def email_key(address: str) -> str:
    """The key of an e-mail address: the local part folded, the domain in its ASCII form (IDNA 2008, UTS 46).

    Raises ValueError that says what is wrong with it.
    """
    if len(address) > MAX_EMAIL:
        raise ValueError(f"has {len(address)} characters, the most is {MAX_EMAIL}")
    local, at, domain = address.rpartition("@")
    if not at or not local or not domain:
        raise ValueError("is no e-mail address: name@domain")
    key = folded(local)
    if not key.isascii():
        if _HIDDEN.search(local) or any(c.isspace() or c in '@<>()[]\\,;:"' for c in key):
            raise ValueError("has a character before the @ that no address has")
    elif not _PLAIN_LOCAL.fullmatch(key):
        raise ValueError("has a part before the @ that no address has")
    if len(local.encode()) > 64:
        raise ValueError("is longer than 64 bytes before the @")
    return f"{key}@{_domain_key(domain)}"


def lookalike_key(key: str) -> str | None:
    """How a folded name looks in plain letters, where it has other letters that look like them; else None."""
    if key.isascii():
        return None
    from confusable_homoglyphs.confusables import confusables_data

    looks = "".join(
        one if one.isascii() else next((c["c"] for c in confusables_data.get(one, ()) if c["c"].isascii()), one)
        for one in key
    ).lower()
    return looks if looks != key else None


@lru_cache(maxsize=10_000)
def _domain_key(domain: str) -> str:
    if domain.isascii() and _PLAIN_DOMAIN.fullmatch(plain := domain.lower()) and "xn--" not in plain:
        if len(plain) > 253:
            raise ValueError("has a domain longer than 253 characters")
        return plain
    import idna

    try:
        return idna.encode(domain, uts46=True).decode().lower()
    except (idna.IDNAError, UnicodeError):
        raise ValueError("has a domain that is none") from None

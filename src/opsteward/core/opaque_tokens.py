"""Whether a run of signs is a token that a machine made: no word before it and no known beginning betrays it.

A token is told by its disorder: digits, small letters and capitals take turns far more often than in any name that
somebody chose. What machines make and everybody may read (a commit, a digest, a UUID, a mangled symbol, a bundle's
hash) stays readable.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

#: Runs that can be a token at all. A slash ends them, so a path is read part by part.
_RUN: Final = re.compile(r"(?<![A-Za-z0-9_.$~=+%-])[A-Za-z0-9][A-Za-z0-9_.$~:-]{22,}[A-Za-z0-9]={0,2}(?![@/\w])")
#: The same of base64, whose slash and plus are part of it.
_BASE64: Final = re.compile(
    r"(?<![A-Za-z0-9_./$~=+%:-])(?=[A-Za-z0-9]*[+/])[A-Za-z0-9][A-Za-z0-9+/_-]{38,}={0,2}(?![@.\w])"
)
_SEPARATORS: Final = re.compile(r"[^A-Za-z0-9]+")
_PREFIX: Final = re.compile(r"(?:[a-z]{1,11}|[A-Z]{1,11})\d?[_.$~:-]+(?:(?:live|test|prod)[_.-])?")
#: Beginnings of what is read by everybody: digests, and names that count or trace.
_PUBLIC: Final = re.compile(
    r"(?:sha\d*|md5|blake\w*|etag|hash|digest|sum|integrity|commit|rev|ref|git|tree|blob|image|layer|docker|cri|containerd"
    r"|container|pod|crio|cgroup|overlay|trace|span|request|req|correlation|transaction|tx|msg|message|event|evt|job|run"
    r"|build|id|uid|guid|uuid|cus|sub|inv|price|prod|fingerprint|version|ver|index|main|chunk|vendor|app|bundle"
    r")(?:[_.:-]|$)|_[ZR]",
    re.IGNORECASE,
)
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_FILE_ENDING: Final = re.compile(r"\.[a-z][a-z0-9]{0,5}$")

_MIXED_LENGTH: Final = (
    24  #: Signs of a token of capitals, small letters and digits; identifiers by products have fewer.
)
_MIXED_TURNS: Final = 0.42  #: Share of neighbours of different class; 0.63 by chance, under 0.3 in names.
_PLAIN_LENGTH: Final = 32  #: The same of one case with digits.
_PLAIN_TURNS: Final = 0.27  #: 0.47 by chance among hexadecimal signs.


def mask_opaque_tokens(text: str, mask: str) -> str:
    """The text with tokens that only their disorder betrays masked; their telling beginning stays. Linear."""
    text = _BASE64.sub(lambda found: mask if _turns(found.group()) >= _MIXED_TURNS else found.group(), text)
    return _RUN.sub(lambda found: _masked(found.group(), mask), text)


def _masked(run: str, mask: str) -> str:
    if _PUBLIC.match(run) or _FILE_ENDING.search(run) or not _disordered(_UUID.sub("", run)):
        return run
    prefix = _PREFIX.match(run)
    return (prefix.group() if prefix else "") + mask


def _disordered(run: str) -> bool:
    """Whether the signs of this run take turns as only chance makes them."""
    parts = _SEPARATORS.split(run)
    signs = "".join(parts)
    small, capital, digit = (sum(map(kind, signs)) for kind in (str.islower, str.isupper, str.isdigit))
    if len(signs) >= _MIXED_LENGTH and small >= 4 and capital >= 4 and digit >= 2 and _turns(signs) >= _MIXED_TURNS:
        return True
    longest = max(parts, key=len)
    if longest == run or len(longest) < _PLAIN_LENGTH:
        return False  # a bare digest is public
    one_case = longest == longest.lower() or longest == longest.upper()
    return one_case and sum(map(str.isdigit, longest)) >= 3 and _turns(longest) >= _PLAIN_TURNS


def _turns(signs: str) -> float:
    """The share of neighbours that are of different classes: digit, capital, small letter or sign."""
    classes = [1 if s.isdigit() else 2 if s.isupper() else 3 for s in signs]
    return sum(a != b for a, b in pairwise(classes)) / len(signs)

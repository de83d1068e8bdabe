"""Secrets are cut out of text and structures before they reach a log, an error or a screen.

Three ways to know one: by the word before it (`password=`, `Authorization:`, `AccountKey=`), by its own beginning
(`ghp_...`, a JWT, a PEM block), and by its disorder (`opaque_tokens`). Prose that only speaks of secrets stays as it
is. Every pattern is linear.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import cast, overload

from opsteward.core.json_types import JsonObject
from opsteward.core.opaque_tokens import mask_opaque_tokens

MASK = "[redacted]"

_SECRET_KEY = re.compile(
    r"passw(or)?d|passwd|passphrase|passcode|(^|[^a-z])pwd|secret|token|api[_-]?key|account[_-]?key|access[_-]?key"
    r"|authorization|cookie|credential|private[_-]?key|shared[_-]?access|connection[_-]?string|dsn$",
    re.IGNORECASE,
)
#: Of values under such a name these say how many, when or which, and are no secret.
_ABOUT_A_SECRET = re.compile(
    r"tokens$|count|(_|^)(id|ids|at|type|name|kind|limit|max|expires_in|ttl|number)$", re.IGNORECASE
)

_WORD = (
    r"(?:passw(?:or)?d|passwd|passphrase|passcode|(?<![a-z])pwd|secret|token|credentials?"
    r"|(?:api|access|secret|private|account|shared[_-]?access|signing|encryption|master|auth)[_-]?key"
    r"|shared[_-]?access[_-]?signature|sess(?:ion)?[_-]?id)"
    r"(?![_-]?(?:types?|counts?|names?|limits?|expir\w*|ttl|kinds?|polic\w+|lengths?|ur[il]|endpoints?|hints?)\b)"
)
#: What is said of a secret in one word is no secret.
_SAID_OF_ONE = (
    r"(?!(?:required|missing|invalid|wrong|incorrect|mismatch|empty|blank|expired|revoked|rejected|refused|denied|unset|set"
    r"|unchanged|changed|reset|rotated|valid|accepted|ok|none|null|nil|undefined|unknown|hidden|yes|no|true|false|on|off"
    r"|optional|disabled|enabled|present|absent|redacted|masked|encrypted|hashed|failed|failure|error|string|str|text)\b)"
)
#: A value that nobody writes in prose: digits or capitals amid letters, or signs that words have not.
_UNLIKE_A_WORD = r"(?=[^\s\"',;]{0,200}[0-9A-Z!#$%&*+/=@^_~\\])(?![0-9]{1,6}(?:[^\w]|\Z))"

_IN_TEXT = (
    # private keys, also within a JSON string, also cut off
    re.compile(
        r"(?P<keep>-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----)"
        r"(?:(?!-----END )[\s\S])*+(?:-----END [A-Z0-9 ]{0,40}-----)?"
    ),
    re.compile(r"(?P<keep>\bAGE-SECRET-KEY-)[A-Z0-9]{20,}"),
    # credentials in an address, also with an empty name, also a name alone that is a token
    re.compile(r"(?P<keep>[a-z][a-z0-9+.-]{1,30}://[^\s:/@\"']{0,200}:)[^\s@\"']{1,500}(?=@)", re.IGNORECASE),
    re.compile(r"(?P<keep>\bjdbc:[a-z]{2,20}:[a-z]{2,20}:)[^\s/@]{1,100}/[^\s@]{1,200}(?=@)", re.IGNORECASE),
    # addresses that are a secret as a whole
    re.compile(
        r"(?P<keep>hooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)/)[A-Za-z0-9/_-]{8,}", re.IGNORECASE
    ),
    re.compile(r"(?P<keep>discord(?:app)?\.com/api/(?:v\d+/)?webhooks/)\d{5,}/[\w-]{10,}", re.IGNORECASE),
    re.compile(r"(?P<keep>\.webhook\.office\.com/webhook[a-z0-9]{0,10}/)[\w@/-]{10,}", re.IGNORECASE),
    re.compile(r"(?P<keep>api\.telegram\.org/(?:file/)?bot)\d{5,}:[\w-]{20,}", re.IGNORECASE),
    # parts of a query that sign or let in
    re.compile(
        r"(?P<keep>[?&](?:sig|signature|code|key|auth|token|access_token|refresh_token|id_token|api_?key|client_secret"
        r"|x-amz-(?:signature|credential|security-token)|x-goog-signature|sas|password|pwd|state)=)[^&\s\"'<>#]{4,}",
        re.IGNORECASE,
    ),
    # headers: the scheme stays, what follows goes
    re.compile(r"(?P<keep>\b(?:set-)?cookie2?\\{0,3}[\"']?\s{0,5}:\s{0,5}\\{0,3}[\"']?)[^\r\n\"'\\]++", re.IGNORECASE),
    re.compile(r"(?P<keep>\bbearer\s+)[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE),
    re.compile(r"(?P<keep>\bbasic\s+)(?-i:(?=[A-Za-z0-9+/]*[0-9A-Z=+/]))[A-Za-z0-9+/]{8,}={0,2}", re.IGNORECASE),
    re.compile(
        r"(?P<keep>\b(?:proxy-)?authorization\\{0,3}[\"']?\s{0,5}[=:]\s{0,5}\\{0,3}[\"']?(?:[a-z][a-z0-9-]{0,20}\s{1,5})?)"
        r"[^\s\"',;\\]++",
        re.IGNORECASE,
    ),
    re.compile(r"(?P<keep>\bdigest\s[^\r\n]{0,400}?\bresponse=\\{0,3}\"?)[0-9a-z]{8,}", re.IGNORECASE),
    # name = value. The word may be part of a name (PGPASSWORD, AWS_SECRET_ACCESS_KEY); name and value may be quoted,
    # also as JSON within a JSON string; a quoted value runs to its own quote.
    re.compile(
        rf"(?P<keep>{_WORD}(?:\d{{1,4}}|[_-][\w-]{{0,40}})?+"
        r"(?:\\{0,3}[\"']\s{0,5}[=:]\s{0,5}|\s{0,5}=>?\s{0,5}|\s{0,2}:(?=[^\s/])|\s{0,2}:\s{1,5}(?=\\{0,3}[\"']))"
        r"(?P<quote>\\{0,3}[\"'])?+)"
        r"(?(quote)(?:(?!(?P=quote))(?:\\.|[^\r\n\\]))++|[^\s\"'&,;]++)",
        re.IGNORECASE,
    ),
    # `password: value` is prose where words follow
    re.compile(
        rf"(?P<keep>{_WORD}(?:\d{{1,4}}|[_-][\w-]{{0,40}})?+\s{{0,2}}:\s{{1,5}})(?:(?-i:{_UNLIKE_A_WORD})[^\s\"',;]{{4,}}+"
        rf"|(?!\d{{1,6}}(?:[^\w]|\Z)){_SAID_OF_ONE}[^\s\"',;.\[\]]{{3,}}+(?=\s*(?:[\r\n,;]|\Z)))",
        re.IGNORECASE,
    ),
    # lines of .netrc and .pgpass
    re.compile(r"(?P<keep>\blogin\s+\S{1,100}\s+password\s+)\S+", re.IGNORECASE),
    re.compile(r"(?P<keep>(?<![^\s\"'])[\w.*-]{1,200}:(?:\d{2,5}|\*):[\w*-]{1,63}:[\w*-]{1,63}:)[^\s:]{6,}"),
    # a switch of a command line
    re.compile(
        r"(?P<keep>(?:\s|\A)--?(?:password|passwd|pwd|token|secret|api-key)[ =])(?!-)[^\s\"']{3,}", re.IGNORECASE
    ),
    # tokens that say by their beginning what they are
    re.compile(
        r"(?P<keep>\b(?:gh[pousr]_|github_pat_|gl(?:pat|rt|dt|cbt|ptt|soat|ft|imt|agent|oas)-|xox[abeprs]-|xapp-|npm_|pypi-"
        r"|dop_v1_|doo_v1_|dckr_pat_|hf_|sk-ant-|sk-proj-|[srp]k_(?:live|test)_|whsec_|shp(?:at|ca|pa|ss)_|sq0[a-z]{3}-"
        r"|hv[sbr]\.|NRAK-|PMAK-|lin_api_|ATATT3x|ATCTT3x|ops_|rubygems_|sntrys_|sntryu_|figd_|tskey-|pscale_|r8_|dapi|NRII-"
        r"|NRJS-|dt0c01\.|FLWSECK(?:_TEST)?-|HRKU-|RGAPI-|waka_|da2-|ABSK|GOCSPX-|EAAA|EZ[AT]K|LTAI|AKID|AKCp|oy2|glsa_|glc_"
        r"|dp\.(?:pt|st|ct|sa|scim|audit)\.|CLOJARS_|CCIPAT_|PMAT-|Q~))"
        r"[A-Za-z0-9_.=+/-]{16,}"
    ),
    re.compile(r"(?P<keep>\bsk-)[A-Za-z0-9_-]{20,}"),
    re.compile(r"(?P<keep>\b(?:AKIA|ASIA|ABIA|ACCA))[A-Z0-9]{16,}\b"),
    re.compile(r"(?P<keep>\bAIza)[A-Za-z0-9_-]{35}"),
    re.compile(r"(?P<keep>\bya29\.)[A-Za-z0-9_.-]{20,}"),
    re.compile(r"(?P<keep>\bSG\.)[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
    re.compile(r"(?P<keep>\bSK)[0-9a-f]{32}\b"),
    re.compile(r"(?P<keep>\bkey-)[0-9a-f]{32}\b"),
    re.compile(r"(?P<keep>\beyJ)[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*){1,3}"),
)


def redact_text(text: str) -> str:
    """The text with what lets somebody in masked; the words around it stay. Linear."""
    for pattern in _IN_TEXT:
        text = pattern.sub(rf"\g<keep>{MASK}", text)
    return mask_opaque_tokens(text, MASK)


def redact_json(value: Mapping[str, object]) -> JsonObject:
    """The same of what is stored as JSON: evidence, parameters, results."""
    return cast(JsonObject, redact(value))


@overload
def redact(value: Mapping[str, object]) -> dict[str, object]: ...
@overload
def redact(value: object) -> object: ...
def redact(value: object) -> object:
    """A copy in which values under secret-looking keys, and secrets within strings, are masked."""
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, bytes | bytearray):
        return redact_text(value.decode("utf-8", "replace"))
    if isinstance(value, Mapping):
        return {k: redact_value(k, v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redact(v) for v in value]
    return value


def redact_value(key: object, value: object) -> object:
    """A value as it may be shown under this key."""
    name = str(key)
    if not value or isinstance(value, bool) or not _SECRET_KEY.search(name):
        return redact(value)
    return redact(value) if _ABOUT_A_SECRET.search(name) else MASK

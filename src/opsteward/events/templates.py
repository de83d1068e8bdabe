"""The template of a message: what stays when the values in it are replaced by `<*>`.

Values are known by their form alone (addresses, ids, numbers with their units, dates, paths, URLs, quoted text,
`key=value`, names after words such as "user"), never by having been seen before: the same text gives the same
template in any process, in any order, years later. What says *what* happened stays: words, methods, levels, states,
HTTP statuses, exit codes, signals.

Two steps, each with a bounded memory of what it found before, as logs repeat themselves. First token by token, looked
up by the token's shape (all digits alike); then the row of tokens, for what spans several of them. Both memories only
save time: they change no result. All text is bounded before it is looked at, and every pattern is linear in it.
"""

from __future__ import annotations

import re

from opsteward.core.word_list import words
from opsteward.events.structured_text import text_of
from opsteward.events.text_shapes import PartsByShape, shape_of

MESSAGE_LIMIT = 4_096  # characters of a message that take part
MASK = "<*>"

_TOKENS_KEPT = 65_536  # shapes of tokens remembered
_LINES_KEPT = 32_768  # shapes of lines remembered, of those in which no digit counts
_ROWS_KEPT = 16_384  # rows of tokens remembered
_REMEMBERED_LENGTH = 1_000  # longer rows are not remembered
_RAW = "\x00"  # in a row: its digits count
_KEEP = str.maketrans("0123456789", "０１２３４５６７８９")  # hides digits that stay from all later patterns
_KEEP_CODE = _KEEP | str.maketrans("/", "／")
_UNKEEP = str.maketrans("０１２３４５６７８９／", "0123456789/")
_ALIKE = str.maketrans("123456789", "000000000")

_WEEKDAY = r"(?:mon|tue|wed|thu|fri|sat|sun)[a-z]{0,6}"
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}"

# ------------------------------------------------------------------ values inside one token

_HEX = r"[0-9A-Fa-f]"
_FORMS = re.compile(
    rf"""[a-z][a-z0-9+.-]{{1,20}}://[^\s"'<>()\[\],;]+                                    # URL
      |(?<![\w:])(?:{_HEX}{{1,4}}:){{7}}{_HEX}{{1,4}}(?:%\w+)?(?:/[0-9]{{1,3}})?(?!\w|:[\w:])  # IPv6
      |(?<![\w:])(?=[0-9A-Fa-f:.]{{0,39}}[0-9]|(?:{_HEX}{{1,4}}:+){{3}})(?:{_HEX}{{1,4}}(?::{_HEX}{{1,4}}){{0,6}})?
        ::(?:{_HEX}{{1,4}}(?::{_HEX}{{1,4}}){{0,6}})?(?:[:]?[0-9]{{1,3}}(?:\.[0-9]{{1,3}}){{3}})?
        (?:%\w+)?(?:/[0-9]{{1,3}})?(?!\w|:[\w:])
      |(?<![\w:.-])(?:{_HEX}{{2}}[:-]){{5,15}}{_HEX}{{2}}(?![\w:-])                       # MAC, BSSID, key prints
      |(?<![\w.])(?:{_HEX}{{4}}\.){{2}}{_HEX}{{4}}(?![\w.])                                # MAC as Cisco writes it
      |(?<!\w)\{{?{_HEX}{{8}}(?:-{_HEX}{{4}}){{3}}-{_HEX}{{12}}\}}?(?!\w)                  # UUID
      |(?<![\w:])arn:[a-z-]{{2,12}}:[^\s"'<>,;()\[\]]+                                        # a resource of AWS
      |(?<![\w.:+-])[a-z0-9][a-z0-9+.-]{{1,80}}:[a-z]{{1,6}}[0-9]{{2,3}}[a-z]{{0,2}}(?![\w:])       # package:amd64
      |(?<![\w.#+-])(?:0[xX]{_HEX}{{1,40}}|[0-9a-f]{{8,64}}|[0-9A-F]{{8,64}})(?![\w%-]|\.\w)  # hexadecimal
    """,
    re.VERBOSE,
)
_KEY_VALUE = re.compile(r"([A-Za-z_][\w.-]{0,60})(=)(?![=~>])([^\s,;&)\]}\"'`|]{0,300})")
# Fields whose value says what happened. Of all others it says who, where or how much.
_TELLING = re.compile(
    r"""(?:.*[_.-])?(?:status|state|level|lvl|severity|method|action|event|operation|op|result|reason|error|err|errno
      |code|signal|exit|phase|mode|verdict|outcome|proto|protocol|msg|message|type|category|kind|class)""",
    re.VERBOSE | re.IGNORECASE,
).fullmatch
# Of those, the ones whose numbers are codes.
_TELLING_NUMBER = re.compile(
    r"(?:.*[_.-])?(?:status|state|level|lvl|severity|result|reason|error|err|errno|code|signal|exit|proto|protocol)",
    re.IGNORECASE,
).fullmatch
# A code with its name, such as 203/EXEC, TCP_DENIED/403, ORA-00060.
_CODE = re.compile(r"[0-9]{1,5}/[A-Z_]{2,40}|[A-Z][A-Z_]{1,40}/[0-5][0-9]{2}").fullmatch
_NAMED_CODE = re.compile(r"[A-Z][A-Z_]{1,40}[-_]?[0-9]{1,5}").fullmatch
# A part of a token, with a drive before it, and a port, a clock's minutes or an index in brackets after it.
_PART = re.compile(
    r"(?:[A-Za-z]:(?=\\))?[A-Za-z0-9_./\\@$%&#+~!?*-]+(?:\([0-9]+\)|(?::[0-9]+Z?\b){1,3})?|[^\x00-\x7f]+"
)
_HAS_DIGIT = re.compile(r"[0-9]").search
_HAS_KEPT = re.compile(r"[０-９]").search
_LEADER = re.compile(r"(?<=[A-Za-z])\.{3,}(?=[0-9])")  # dots between a name and its value
_DIGIT_STAYS = re.compile(rf"[0-9０-９{_RAW}]").search
_IS_NAME = re.compile(
    r"""[\w-]\.(?:com|net|org|edu|gov|mil|info|biz|io|dev|cloud|example|test|local|localdomain|internal|intern|lan
      |home|corp|arpa|log|conf|cfg|ya?ml|json|xml|ini|txt|csv|db|sqlite|sock|socket|pid|lock|tmp|bak|gz|zip|tar|jar
      |war|so|dll|exe|pyc?|rb|js|ts|php|html?|service|timer|mount|scope|slice|target|pem|crt|key)\Z""",
    re.IGNORECASE | re.VERBOSE,
).search
_ERROR_ENDINGS = ("Exception", "Error", "Throwable", "Fault", "Failure", "Warning")
_SHAPES_OF_WORDS = frozenset(
    word.translate(_ALIKE)
    for word in words("""ipv4 ipv6 utf8 utf-8 utf16 utf-16 latin1 iso-8859-1 base64 md5 sha1 sha256 sha384 sha512 sha-1
    sha-256 x86 x86_64 x64 x509 amd64 arm64 aarch64 http1 http2 h2 http3 oauth1 oauth2 s3 ec2 k8s i18n l10n p2p b2b
    ext4 log4j win32 win64 int8 int16 int32 int64 float32 float64 uint8 uint32 uint64 sqlite3 layer4 layer7 tls1 ssl3
    python3 rc4 aes256 aes128 ed25519 level3 bind9 apache2 socks4 socks5""")
)
_DIGITS_TELL = re.compile(
    r"(?:.*\W)?(?:status|code|http(?:/[0-9.]{1,3})?|errno|err|signal|exit(?:ed)?|statuscode|errorcode|status_code"
    r"|returned|responded|answered|replied)\W{0,3}|\||completed",
    re.IGNORECASE,
).fullmatch
_DISKS = frozenset(f"{kind}{letter}" for kind in ("sd", "vd", "hd", "xvd") for letter in "abcdefghij") - {"hdd"}
#: Words that are values: their form is all that is known of them.
_BOOLEANS = frozenset({"true", "false", "True", "False", "TRUE", "FALSE"}) | _DISKS
_LONGEST_WORD = 64  # letters

# ------------------------------------------------------------------ values of more than one token

# Numbers that are part of what happened. (In access logs the status follows the quoted request.)
_KEPT = re.compile(
    r"""(?:(?<![a-z])
          (?:status(?:[ _]?code)?|http(?:/(?:[0-9.０-９]{1,3}|<\*>))?|errno|err|code|signal|returned
            |(?:responded|answered|replied)(?:[ ]with)?
            |exit(?:ed)?(?:[ ]with)?(?:[ ](?:code|status))?)
          [ :=\[(]{1,3}|(?<=")[ ])[0-9]{1,5}(?![0-9.]|[ ]?(?:ms|s|bytes|rows|KB|MB)\b)
      |\bcompleted[ ][1-5][0-9]{2}(?=[ ][A-Z])|\|[ ][1-5][0-9]{2}(?=[ ]\|)
      |(?<=<\*>[ ])[1-5][0-9]{2}(?=[ ]\+?[0-9]{1,12}[ ]\S{1,200}[ ]\S{1,200}[ ][A-Za-z-]{4}[ ])
      |\b(?-i:GET|HEAD|POST|PUT|DELETE|OPTIONS|PATCH)[ ]<\*>[ ][1-5][0-9]{2}\b""",
    re.VERBOSE | re.IGNORECASE,
)
_METHODS = "GET|HEAD|POST|PUT|DELETE|CONNECT|OPTIONS|TRACE|PATCH|PROPFIND"
_METHOD_WORDS = frozenset(_METHODS.split("|"))
# What a field says, in quotes: `msg="..."`, and `"msg": "..."` in a text that is no JSON as a whole.
_SAID = re.compile(
    r"""(?<![\w"'.-])([A-Za-z_][\w.-]{0,60}=)"((?:[^"\\]|\\.){0,400})"(?![A-Za-z0-9])
      |("[A-Za-z_][\w.-]{0,60}"[ ]?:[ ]?)"((?:[^"\\]|\\.){0,400})"(?![A-Za-z0-9])""",
    re.VERBOSE,
)
# A field's name in a JSON text and a request's method stay, so they are matched first and given back.
_QUOTED = re.compile(
    rf"""("[A-Za-z_][\w.@-]{{0,60}}"[ ]?:)
      |(?<![A-Za-z0-9])(?:"(?:({_METHODS})[ ])?[^"]{{0,400}}"|'[^']{{0,400}}'(?!\w)|`[^`']{{0,400}}[`']
         |‘[^’]{{0,400}}’|“[^”]{{0,400}}”|«[^»]{{0,400}}»)
        (?![A-Za-z0-9])""",
    re.VERBOSE,
)
# A state in quotes: result 'exit-code'.
_BEFORE_STATE = re.compile(
    r".*\b(?:status|state|result|reason|action|mode|phase|signal)[ :=]{1,3}\Z", re.IGNORECASE
).match
_STATE = re.compile(r".[A-Za-z][A-Za-z _-]{1,40}.").fullmatch
_HAS_QUOTE = re.compile("[\"'`‘“«]").search
_DATE = re.compile(
    rf"""\b(?:{_WEEKDAY},?[ ])?(?:{_MONTH}[ ]<\*>|<\*>[ ]{_MONTH}\b)(?:[ ,]{{1,2}}<\*>){{0,3}}(?:[ ][A-Z]{{3,4}}\b)?
      |\b(?:{_WEEKDAY}),?[ ](?=<\*>)""",
    re.VERBOSE | re.IGNORECASE,
)
_NOT_A_NAME = (
    r"(?:unknown|invalid|illegal|not|name|names|is|was|has|had|and|or|in|on|at|to|from|for|by|with|of|the|a|an|can|can't"
    r"|cannot|could|does|did|doesn't|failed|denied|error|errors|interface|agent|mode|space|process|request|requests"
    r"|session|sessions|lookup|database|table|group|groups|limit|already|authentication|login|password|connection|id"
    r"|account|accounts|service|services|key|certificate|side|port|address|header|returned|closed|disconnected|logged"
    r"|manager|managers|installation|index|file|files|cache|version|source|update|updates|repository|info|loaded"
    r"|exists?|may|must|should|will|timed|timeout|reset|refused|aborted|sent|unreachable|down|up|code|status|list|map)"
)
_WHO = re.compile(
    rf"""(\b(?:for|by|of|as|to|invalid|illegal|unknown|no[ ]such)[ ](?:(?:invalid|illegal|unknown)[ ])?
          (?:user|account|login|host|client|node|server|peer)[ ])(?!{_NOT_A_NAME}\b)[^\s,;:()\[\]]{{1,100}}
      |(\b(?:user|username|account|host|hostname)(?:[ ]|:[ ]?))(?!{_NOT_A_NAME}\b)[^\s,;:()\[\]<]{{1,100}}
      |(\b(?:password|publickey|keyboard-interactive(?:/pam)?|log(?:in|on)s?|logged[ ]in|auth[a-z]{{0,20}}
          |failed|sessions?|failures?|attempts?)[ ](?:for|by|as)[ ](?:user[ ])?)
          (?!{_NOT_A_NAME}\b)[^\s,;:]{{1,100}}(?=[ ](?:from|by|at|on|via|\[|\(|<\*>)|[.,;]?$)
      |(\b(?:server|node|backend|peer|member|replica|worker|instance|pod|container|deployment|broker|queue|topic|volume
          |bucket|cluster|job)[ ])(?!{_NOT_A_NAME}\b)[A-Za-z][\w-]{{0,60}}
          (?=[ ](?:is|was|has|not|unreachable|down|up|marked|reset|lost|left|joined|failed|stopped|timed|became|exited
          |started|restarted|evicted|terminated|killed|crashed|died|deleted|created|finished|completed|ready|running)\b)
      |(\bpackage[ ])(?!{_NOT_A_NAME}\b)[A-Za-z][\w+.-]{{0,80}}?(?=[.,;:]?(?:[ ]|$))
      |(\b(?:install(?:ed|ing)?|unpack(?:ed|ing)?|remov(?:ed?|ing)|upgrad(?:ed?|ing)|downgrad(?:ed?|ing)|setting[ ]up
          |configur(?:ed?|ing)|triggers[ ]for|module|plugin|extension)[ ])(?!{_NOT_A_NAME}\b)[A-Za-z][\w+.-]{{0,80}}
          (?=[ ]\(<\*>|[ ]<\*>|:<\*>)
      |(?<![\w:.])(?:<\*>|[a-z0-9][a-z0-9+.-]{{1,80}}):(?:all|any|noarch)(?=[ ]<)
      |(^<\*>[ ](?:-|<\*>)[ ])\S{{1,100}}(?=[ ]\[<\*>\][ ]")
      |(\b(?:resolve|ping|contact|reach|lookup[ ]of)[ ])(?!{_NOT_A_NAME}\b)[\w.-]{{1,60}}(?=:|[.]?$)
      |(\(to[ ])[\w.-]{{1,40}}\)[ ][\w.-]{{1,40}}(?=[ ]on\b)
      |(\b(?:from|to|by|host|on|peer)[ ])[A-Za-z][\w-]{{0,60}}(?=[ ]?(?:\[<\*>\]|\(<\*>\)|[ ]port[ ]<\*>|:<\*>))
      |(\buser[ ])\([A-Za-z_][\w.-]{{0,31}}\)
      |(^|[ ])\([A-Za-z_][\w.-]{{0,31}}\)(?=[ ][A-Z]{{3,12}}\b)""",
    re.VERBOSE | re.IGNORECASE,
)
_NO_VALUE = re.compile(r"(=)[ ]?(?:(?=[\s,;)\]}]|$)|(?:null|none|nil)\b)", re.IGNORECASE)
_AFTER_EQUALS = re.compile(r"(\b[A-Za-z_][\w.-]{0,60}[ ]?=[ ])([A-Za-z][\w.-]{0,60})(?=[ ,;)\]}]|$)")
_AMOUNT = re.compile(
    r"<?<\*> (?:[Bb]ytes?|[KMGTkmgt]i?[Bb]|B|secs?|seconds?|ms|msecs?|milliseconds?|mins?|minutes?|hours?|hrs?|days?|%)"
    r"(?![A-Za-z0-9])"
)
_SYSLOG_HEAD = re.compile(r"^<\*> [A-Za-z][\w.-]{0,60}(?= [\w./-]{1,60}(?:\[<\*>\])?:)")
# Several values in a row are one: lists differ in length, addresses come with and without a name.
_RUN = re.compile(r"<\*>(?:[\s,/|+:x-]*(?:\([\s<*>,]*\)|\[\]|\[<\*>\]|<\*>))+")
_HAS_WORD = re.compile(r"[^\W\d_]{2}|[０-９]").search  # a kept status says something too
_NUMBERS = re.compile(r"[0-9]+")
_ALL_NUMBERS = re.compile(r"[0-9]{1,5}\W{0,3}").fullmatch

#: A quantity or a time, as one token.
_MEASURED = re.compile(
    r"[+-]?[0-9]{1,20}\.[0-9]{1,20}|[+-]?[0-9]{1,20}(?:\.[0-9]{1,9})?(?:%|[mun]?s|min|h|d|[kmgt]i?b?|b)"
    r"|[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}Z?)?|[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T:].{0,40})?|1[0-9]{9}(?:[0-9]{3})?",
    re.IGNORECASE,
).fullmatch
_DATE_IN_TEXT = re.compile(
    rf"""\b(?:{_WEEKDAY},?[ ])?(?:{_MONTH}[ ][0-9]{{1,2}}|(?<![0-9])[0-9]{{1,2}}[ /-]{_MONTH})\b
        (?:[ ,:/-]{{1,2}}[0-9]{{4}}\b)?
        (?:[ T:]{{1,2}}[0-9]{{1,2}}:[0-9]{{2}}(?::[0-9]{{2}}(?:[.,][0-9]{{1,9}})?)?)?
        (?:[ ][A-Z]{{3,4}}\b)?(?:[ ][0-9]{{4}}\b)?""",
    re.VERBOSE | re.IGNORECASE,
)
_AMOUNT_IN_TEXT = re.compile(
    r"<?(?<![0-9.])[0-9]{1,20}(?:\.[0-9]{1,9})? "
    r"(?:[Bb]ytes?|[KMGTkmgt]i?[Bb](?:/s|ps)?|B|[munµ]?s|secs?|seconds?|msecs?|mins?|minutes?|h|hrs?|hours?|days?|°?[CF]|[kMG]?Hz"
    r"|[km]?[WVA]|rpm|fps|per ?cent|percent|%)(?![A-Za-z0-9])"
)


class _Memory(dict[str, str]):
    """Token (or its shape) -> what it becomes. Forgets everything when it is full."""

    def __init__(self, *, digits_count: bool) -> None:
        super().__init__()
        self._digits_count = digits_count

    def __missing__(self, token: str) -> str:
        if self._digits_count and not _ALL_NUMBERS(token):
            shape = token.translate(_ALIKE)
            found = _by_shape[shape]
            if not _DIGIT_STAYS(found) and "0x" not in shape and "0X" not in shape:
                return found  # whatever its digits are
        found = _mask_token(token, digits_count=self._digits_count)
        if len(token) <= _REMEMBERED_LENGTH:
            if len(self) >= _TOKENS_KEPT:
                self.clear()
            self[token] = found
        return found


_by_shape = _Memory(digits_count=False)
_by_token = _Memory(digits_count=True)
_rows: dict[str, str] = {}
_lines: dict[bytes, str] = {}  # by shape; empty where digits count


def mask(message: str) -> str:
    """The template of a message: one line, values replaced by `<*>`."""
    text = message if len(message) <= MESSAGE_LIMIT and message[:1] != "{" else text_of(message)[:MESSAGE_LIMIT]
    shape = shape_of(text)
    known = _lines.get(shape)
    if known:
        return known
    row = _RAW if known is not None else " ".join(map(_by_shape.__getitem__, text.translate(_ALIKE).split()))
    digits_tell = _RAW in row
    if digits_tell:
        _keep_line(shape, "")
        row = " ".join(map(_by_token.__getitem__, text.split()))
    found = _rows.get(row)
    if found is None:
        found = _mask_row(row)
        if not _HAS_WORD(found):
            # Nothing but values: then its letters ("ERR_1204") are all there is to go by.
            return _NUMBERS.sub(MASK, " ".join(text.split()))
        found = found.translate(_UNKEEP)
        if len(row) <= _REMEMBERED_LENGTH:
            if len(_rows) >= _ROWS_KEPT:
                _rows.clear()
            _rows[row] = found
    if not digits_tell:
        _keep_line(shape, found)
    return found


def _keep_line(shape: bytes, found: str) -> None:
    if len(shape) <= _REMEMBERED_LENGTH:
        if len(_lines) >= _LINES_KEPT:
            _lines.clear()
        _lines[shape] = found


def variables(message: str) -> list[str]:
    """The names and numbers that `mask` takes out: which one it was. Measurements and times are none of them."""
    return _variables(" ".join(text_of(message)[:MESSAGE_LIMIT].split()))


def _found_variables(text: str) -> list[str]:
    found: list[str] = []

    def take(match: re.Match[str]) -> str:
        kept = next((group for group in match.groups() if group), "") if match.re is not _FORMS else ""
        if match.re is _QUOTED and match.group(1):
            return match.group()  # the name of a field
        value = match.group()[len(kept) :] if match.re is _WHO else match.group()
        found.append(value.strip("\"'`"))
        return f"{kept} "

    text = _KEPT.sub(lambda m: m.group().translate(_KEEP), text)
    if _HAS_DIGIT(text):
        text = _AMOUNT_IN_TEXT.sub(" ", _DATE_IN_TEXT.sub(" ", text))
    if _HAS_QUOTE(text):
        text = _QUOTED.sub(take, text)
    text = _WHO.sub(take, text)

    def take_value(match: re.Match[str]) -> str:
        if not match.group(3) or _TELLING(match.group(1)):
            return match.group()
        found.append(match.group(3))
        return " "

    text = _FORMS.sub(take, text)
    if "=" in text:
        text = _KEY_VALUE.sub(take_value, text)
    parts = (match.group().rstrip(".!?") for match in _PART.finditer(text))
    found += [part for part in parts if part and not part.isalpha() and _is_value(part)]
    return [part for part in found if not _MEASURED(part)]


#: Digits tell whether it is hexadecimal ("0x"), and whether it is an instant in seconds since 1970.
_variables = PartsByShape(_found_variables, re.compile(rb"0[xX]|[0-9]{10}"))


def _mask_token(token: str, *, digits_count: bool) -> str:
    """What becomes of one token. Without `digits_count` all its digits are 0, and one after which digits count is
    marked, so that its row is looked at again with them."""
    if token.isalpha():
        tells = not digits_count and (token in _METHOD_WORDS or _DIGITS_TELL(token))
        return _RAW + token if tells else _masked_word(token)
    if digits_count and _ALL_NUMBERS(token):
        return token  # whether it stays is seen in its row
    tells = not digits_count and (_DIGITS_TELL(token) or '"' in token)
    found = _FORMS.sub(MASK, _LEADER.sub("... ", token) if "..." in token else token)
    if "=" in found:
        found = _KEY_VALUE.sub(_mask_value, found)
    raw = tells or (not digits_count and _HAS_KEPT(found))
    found = _PART.sub(_mask_part, found)
    return _RAW + found if raw or (not digits_count and _HAS_DIGIT(found)) else found


def _masked_word(token: str) -> str:
    return MASK if token in _BOOLEANS or len(token) > _LONGEST_WORD else token


def _mask_value(match: re.Match[str]) -> str:
    name, _, value = match.groups()
    if not value or (_TELLING(name) and (not _HAS_DIGIT(value) or (_TELLING_NUMBER(name) and _is_code(value)))):
        return match.group().translate(_KEEP_CODE if _CODE(value) else _KEEP)
    return f"{name.translate(_KEEP)}={MASK}"


def _is_code(value: str) -> bool:
    return bool(_ALL_NUMBERS(value) or _CODE(value) or _NAMED_CODE(value))


def _mask_part(match: re.Match[str]) -> str:
    part = match.group()
    if part == "*" or part.isalpha():
        return _masked_word(part)
    core = part.rstrip(".!?*")
    if part[:5] in ("HTTP/", "http/") and len(core) <= 8:
        return "HTTP/" + MASK
    if not core or not _is_value(core):
        return part
    return MASK + part[len(core) :]


def _is_value(core: str) -> bool:
    if _HAS_DIGIT(core):
        if "/" in core and _CODE(core):
            return False
        return core.lower().translate(_ALIKE) not in _SHAPES_OF_WORDS
    if core[0] in "/~":
        return len(core) > 1
    if "@" in core[1:-1] or core.count("/") > 1 or ("\\" in core and len(core) > 3) or _IS_NAME(core):
        return True
    # A dotted name is an instance (host, class, setting) unless it names the error itself.
    return core.count(".") > 1 and ".." not in core and not core.endswith(_ERROR_ENDINGS)


def _mask_row(row: str) -> str:
    """Mask the values that are more than one token, and join rows of values."""
    text = _KEPT.sub(lambda m: m.group().translate(_KEEP), row)
    if '"' in text:
        text = _SAID.sub(_mask_said, text)
    if _HAS_QUOTE(text):
        text = _QUOTED.sub(_mask_quoted, text)
    if _HAS_DIGIT(text):
        text = _PART.sub(_mask_part, text)
    text = _DATE.sub(f"{MASK} ", text)
    text = _SYSLOG_HEAD.sub(MASK, " ".join(text.split()))
    text = _WHO.sub(lambda m: "".join(group for group in m.groups() if group) + MASK, text)
    if "=" in text:
        text = _NO_VALUE.sub(rf"\1{MASK}", text)
        text = _AFTER_EQUALS.sub(lambda m: m.group() if _TELLING(m.group(1).rstrip(" =")) else m.group(1) + MASK, text)
    text = _AMOUNT.sub(MASK, text)
    return _RUN.sub(MASK, " ".join(text.split()))


def _mask_said(match: re.Match[str]) -> str:
    """The words of a field that says what happened, without their quotes: values in them are masked as elsewhere."""
    name, words, json_name, json_words = match.groups()
    name, words = name or json_name, words if name else json_words
    return f"{name}{words}" if _TELLING(name.strip('=": ')) else f"{name}{MASK}"


def _mask_quoted(match: re.Match[str]) -> str:
    field, method = match.groups()
    if field:
        return str(field)
    if _BEFORE_STATE(match.string, max(0, match.start() - 12), match.start()) and _STATE(match.group()):
        return match.group()[1:-1]
    return f'"{method} {MASK}"' if method else MASK

"""What makes two events the same: a key that is computed from the text alone.

No state and no learning: the same text gives the same key in any process, on any machine, in any order,
so that events can be grouped by many workers at once and again years later. Variable parts of a message
(numbers, ids, addresses, paths, quoted text, user names, times) are replaced by `<*>`; what is left is the
template. Where a stack trace has frames, the functions of the application in it say more than the words:
then the key is made of the error type and those frames, without line numbers.

HTTP statuses, exit codes and signals are kept: "status 404" and "status 503" are different troubles.

All text is bounded before it is looked at and every pattern is linear in it. Grouping into incidents, and
what to do about them, is not decided here.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass

MESSAGE_LIMIT = 4_096  # characters of a message that take part
STACK_LIMIT = 32_768  # characters of a stack trace that take part, half from each end
FRAME_LIMIT = 40  # distinct frames that take part
TEMPLATE_LIMIT = 1_000  # characters of a template that are given back
MASK = "<*>"

_WEEKDAY = r"(?:mon|tue|wed|thu|fri|sat|sun)[a-z]{0,6}"
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = rf"(?:{'|'.join(_MONTHS)})[a-z]{{0,6}}"

# Numbers that are part of what happened: statuses, exit codes, signals. (In access logs the status follows
# the quoted request.)
_KEPT = re.compile(
    r"""(?:(?<![a-z])
          (?:status(?:[ ]code)?|http(?:/[0-9.]{1,3})?|errno|signal|exit(?:ed)?(?:[ ]with)?(?:[ ](?:code|status))?)
          [ :=]{1,3}|(?<=")[ ])[0-9]{1,3}(?![0-9.])""",
    re.VERBOSE | re.IGNORECASE,
)
# A field's name in a JSON text stays, so it is matched first and given back.
_QUOTED = re.compile(
    r"""("[A-Za-z_][\w.@-]{0,60}"[ ]?:)
      |(?<![A-Za-z0-9])(?:"[^"]{0,400}"|'[^']{0,400}'|`[^`]{0,400}`)(?![A-Za-z0-9])""",
    re.VERBOSE,
)
_DATE = re.compile(
    rf"""\b(?:{_WEEKDAY},?[ ])?(?:{_MONTH}[ ][0-9]{{1,2}}|(?<![0-9])[0-9]{{1,2}}[ /-]{_MONTH})\b
        (?:[ ,:/-]{{1,2}}[0-9]{{4}}\b)?
        (?:[ T:]{{1,2}}[0-9]{{1,2}}:[0-9]{{2}}(?::[0-9]{{2}}(?:[.,][0-9]{{1,9}})?)?)?
        (?:[ ][A-Z]{{3,4}}\b)?(?:[ ][0-9]{{4}}\b)?""",
    re.VERBOSE | re.IGNORECASE,
)
_PERSON = re.compile(
    r"""(\b(?:for|invalid|illegal|unknown|by|of)[ ](?:invalid[ ])?user[ ])[^\s,;:]{1,100}
      |(\b(?:password|publickey|keyboard-interactive(?:/pam)?|log(?:in|on)s?|auth[a-z]{0,20}|sessions?|failures?)
        [ ]for[ ](?:user[ ])?)[^\s,;:]{1,100}(?=[ ](?:from|by|at|on|via|\[|\()|[.,;]?$)""",
    re.VERBOSE | re.IGNORECASE,
)
# Names of fields whose value says who or where, never what. An empty value counts as one.
_PARTY = re.compile(
    r"""(\b(?:user|username|login|account|r?host|hostname|ip|addr|address|client|src|dst|peer|email|session|token|id)=)
        [^\s,;]{1,200}|(=)(?=[\s,;]|$)""",
    re.VERBOSE | re.IGNORECASE,
)
_AMOUNT = re.compile(
    r"<?(?<![0-9.])[0-9]{1,20}(?:\.[0-9]{1,9})? "
    r"(?:[Bb]ytes?|[KMGTkmgt]i?[Bb]|secs?|seconds?|ms|msecs?|mins?|minutes?|hours?|days?|%)(?![A-Za-z0-9])"
)

# One token, with a drive before it, and a port, a clock's minutes or an index in brackets after it.
_TOKEN = re.compile(
    r"(?:[A-Za-z]:(?=\\))?[A-Za-z0-9_./\\@$%&#+~!?-]+(?:\([0-9]+\)|(?::[0-9]+Z?\b){1,3})?|[^\x00-\x7f]+"
)
_HAS_DIGIT = re.compile(r"[0-9]").search
_NUMBERS = re.compile(r"[0-9]+")
_HAS_WORD = re.compile(r"[^\W\d_]{2}|[０-９]").search  # a kept status says something too
_IS_HOST = re.compile(
    r"[\w-]\.(?:com|net|org|edu|gov|mil|info|biz|local|localdomain|internal|lan|arpa)\Z", re.IGNORECASE
).search
# Several variables in a row are one: lists differ in length, addresses come with and without a name.
_RUN = re.compile(r"<\*>(?:[\s,/|+-]*(?:\([\s<*>,]*\)|\[\]|<\*>))+")

#: A quantity or a time, as one token.
_MEASURED = re.compile(
    r"[+-]?[0-9]{1,20}\.[0-9]{1,20}|[+-]?[0-9]{1,20}(?:\.[0-9]{1,9})?(?:%|[mun]?s|min|h|d|[kmgt]i?b?|b)"
    r"|[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}Z?)?|[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T:].{0,40})?|1[0-9]{9}(?:[0-9]{3})?",
    re.IGNORECASE,
).fullmatch
_ERROR_ENDINGS = ("Exception", "Error", "Throwable", "Fault", "Failure", "Warning")
_WORDS_WITH_DIGITS = frozenset(
    """ipv4 ipv6 utf8 utf-8 utf16 utf-16 latin1 iso-8859-1 base64 md5 sha1 sha256 sha384 sha512 sha-1 sha-256
    x86 x86_64 x64 x509 amd64 arm64 aarch64 http1 http2 h2 http3 oauth1 oauth2 s3 ec2 k8s i18n l10n p2p b2b ext4
    log4j win32 win64 int8 int16 int32 int64 float32 float64 uint8 uint32 uint64 sqlite3""".split()  # noqa: SIM905
)

_KEEP = str.maketrans("0123456789", "０１２３４５６７８９")  # hides kept digits from the masking of tokens
_UNKEEP = str.maketrans("０１２３４５６７８９", "0123456789")

# The fields in which structured log lines carry their text, best first.
_TEXT_FIELDS = ("message", "msg", "error", "event", "log", "text", "detail", "description")

_FRAME = re.compile(
    r"""
    ^[ \t]*(?:
      File[ ]"(?P<py_file>[^"\n]{1,400})",[ ]line[ ][0-9]+,[ ]in[ ](?P<py_fn>[^\n]{1,200})
     |at[ ](?P<jvm_fn>[\w$.<>/@-]{1,300})
        \((?P<jvm_file>[\w$-]{1,100}\.(?:java|kt|scala|groovy)(?=:)|Native[ ]Method|Unknown[ ]Source)
     |at[ ](?P<net_fn>[\w.`<>\[\],+]{1,300})\([^()\n]{0,300}\)[ ]in[ ](?P<net_file>[^\n]{1,300}):line[ ][0-9]+
     |at[ ](?:(?P<js_fn>[^\s()\n]{1,200}(?:[ ]\[as[ ][^\]\n]{1,80}\])?)[ ]\()?
        (?P<js_file>[^\s()\n]{1,400}):[0-9]+:[0-9]+\)?
     |\#[0-9]+[ ](?P<php_file>[^\s(\n]{1,400})\([0-9]+\):[ ](?P<php_fn>[^(\n]{1,200})
     |(?:from[ ])?(?P<rb_file>[^\s:\n]{1,400}\.rb):[0-9]+:in[ ][`'](?P<rb_fn>[^'\n]{1,200})
     |(?P<go_fn>\S{1,300}?)\([^()\n]{0,300}\)\n\t(?P<go_file>[^\s:\n]{1,400}\.go):[0-9]+
    )
    """,
    re.VERBOSE | re.MULTILINE,
)
_LANGUAGES = ("py", "jvm", "net", "js", "php", "rb", "go")
_LIBRARY = re.compile(
    r"""site-packages|dist-packages|/lib/python\d|<frozen[ ]
      |node_modules|node:|internal/(?:process|modules|timers)
      |/gems/|/vendor/|/usr/local/go/|/pkg/mod/|/usr/lib(?:32|64)?/|/rustc/
      |^(?:java|javax|jakarta|jdk|sun|com\.sun|kotlin|kotlinx|scala|groovy)\.|^java\.base/
      |^(?:org\.(?:springframework|apache|hibernate|eclipse|junit|jboss)|io\.netty|io\.undertow|com\.zaxxer|reactor)\.
      |^(?:System|Microsoft)\.|^runtime\.|^net/http\.""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """`key`: 32 hexadecimal digits, the same for the same kind of event. `template`: the message with its
    variable parts masked, for people to read (at most `TEMPLATE_LIMIT` characters)."""

    key: str
    template: str


def fingerprint(
    *, source: str | None, error_type: str | None, message: str, stack_trace: str | None = None
) -> Fingerprint:
    """The kind of an event. Deterministic, stateless, takes text of any size and content; never raises."""
    template = mask(message)
    frames = _frames(stack_trace) if stack_trace else _frames(message) if "\n" in message else []
    kind = mask(error_type) if error_type else ""
    if frames:
        parts = ["frames", source or "", kind or mask(message.lstrip().partition("\n")[0]), *frames]
    else:
        parts = ["text", source or "", kind, template]
    text = json.dumps(parts)  # so that no two lists of parts make the same text; plain ASCII, whatever is in them
    return Fingerprint(hashlib.blake2b(text.encode(), digest_size=16).hexdigest(), template[:TEMPLATE_LIMIT])


def mask(message: str) -> str:
    """The template of a message: one line, variable parts replaced by `<*>`."""
    text = " ".join(_text_of(message)[:MESSAGE_LIMIT].split())
    template = _TOKEN.sub(_mask_token, _mask_spans(text))
    template = _RUN.sub(MASK, " ".join(template.split()))
    if not _HAS_WORD(template):
        # Nothing but variables: then its letters ("ERR_1204") are all there is to go by.
        template = _NUMBERS.sub(MASK, text)
    return template.translate(_UNKEEP)


def variables(message: str) -> list[str]:
    """The names and numbers that `mask` takes out: which one it was. Measurements and times are none of them."""
    text = " ".join(_text_of(message)[:MESSAGE_LIMIT].split())
    found: list[str] = []

    def take(match: re.Match[str]) -> str:
        if match.re is _QUOTED and match.group(1):
            return match.group()  # the name of a field
        found.append(match.group().strip("\"'`"))
        return " "

    lower = text.lower()
    if '"' in text or any(word in lower for word in ("status", "http", "errno", "signal", "exit")):
        text = _KEPT.sub(lambda m: m.group().translate(_KEEP), text)
    if any(month in lower for month in _MONTHS):
        text = _DATE.sub(" ", text)
    text = _AMOUNT.sub(" ", text)
    if '"' in text or "'" in text or "`" in text:
        text = _QUOTED.sub(take, text)
    if "user" in lower or " for " in lower:
        text = _PERSON.sub(take, text)
    if "=" in text:
        text = _PARTY.sub(take, text)
    cores = (match.group().rstrip(".!?") for match in _TOKEN.finditer(text))
    found += [core for core in cores if core and not core.isalpha() and _is_variable(core)]
    return [part for part in found if not _MEASURED(part)]


def _text_of(message: str) -> str:
    """The text inside a structured (JSON) log line, else the message as it is."""
    head = message[: 4 * MESSAGE_LIMIT].strip()
    if not (head.startswith("{") and head.endswith("}")):
        return head
    try:
        record = json.loads(head)
    except (ValueError, RecursionError):
        return head
    for name in _TEXT_FIELDS:
        value = record.get(name)
        if isinstance(value, str) and value.strip():
            return value
    return head


def _mask_spans(text: str) -> str:
    """Mask the variables that are more than one token. Each pattern runs only where a word of it occurs."""
    lower = text.lower()
    if '"' in text or any(word in lower for word in ("status", "http", "errno", "signal", "exit")):
        text = _KEPT.sub(lambda m: m.group().translate(_KEEP), text)
    if '"' in text or "'" in text or "`" in text:
        text = _QUOTED.sub(lambda m: m.group(1) or MASK, text)
    if any(month in lower for month in _MONTHS):
        text = _DATE.sub(f" {MASK} ", text)
    if "user" in lower or " for " in lower:
        text = _PERSON.sub(lambda m: (m.group(1) or m.group(2)) + MASK, text)
    if "=" in text:
        text = _PARTY.sub(lambda m: (m.group(1) or m.group(2)) + MASK, text)
    return _AMOUNT.sub(MASK, text)


def _mask_token(match: re.Match[str]) -> str:
    token = match.group()
    if token.isalpha():
        return token
    core = token.rstrip(".!?")
    if not core or not _is_variable(core):
        return token
    return MASK + token[len(core) :]


def _is_variable(core: str) -> bool:
    if _HAS_DIGIT(core):
        return core.lower() not in _WORDS_WITH_DIGITS
    if core[0] in "/~":
        return len(core) > 1
    if "@" in core[1:-1] or core.count("/") > 1 or ("\\" in core and len(core) > 3) or _IS_HOST(core):
        return True
    # A dotted name is an instance (host, class, setting) unless it names the error itself.
    return core.count(".") > 1 and ".." not in core and not core.endswith(_ERROR_ENDINGS)


def _frames(stack: str) -> list[str]:
    """Function and file of each frame, each once, in the order given; the application's own where it has any.

    Line numbers, folders (they carry release names) and generated numbers are left out, and a frame counts
    once, so that the depth of a recursion does not matter.
    """
    if len(stack) > STACK_LIMIT:
        stack = stack[: STACK_LIMIT // 2] + "\n" + stack[-STACK_LIMIT // 2 :]
    own: dict[str, None] = {}
    other: dict[str, None] = {}
    for match in _FRAME.finditer(stack):
        found = match.groupdict()
        language = next(name for name in _LANGUAGES if found[f"{name}_file"])
        path, function = found[f"{language}_file"], (found[f"{language}_fn"] or "").strip()
        file = re.split(r"[/\\]", path)[-1]
        frame = _NUMBERS.sub("#", f"{function}@{file}")
        library = _LIBRARY.search(path) or _LIBRARY.search(function)
        (other if library else own)[frame] = None
    return list(own or other)[:FRAME_LIMIT]

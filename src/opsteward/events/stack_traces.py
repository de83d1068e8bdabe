"""What a stack trace says: its errors, outermost to innermost as they stand, and the frames that tell where.

Reads traces of Python, Java and what runs on its machine, JavaScript, .NET, Go, Rust, PHP, Ruby, Elixir, Swift, Perl,
Tcl and of debuggers, also behind a log's prefix. Every error of a chain counts ("Caused by", `raise ... from`, `cause`,
inner exceptions, `Previous`). Line numbers, folders, and names that a build makes up (hashes of bundles, lambdas,
proxies, addresses) are left out. All text is bounded, every pattern is linear in it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from opsteward.events.templates import mask

STACK_LIMIT = 32_768  # characters that take part, half from each end
FRAME_LIMIT = 40  # distinct frames that take part
ERROR_LIMIT = 12  # errors of a chain that take part
LIBRARY_FRAMES = 3  # that take part where the application has no frame

#: What a line begins with is read once (`*+`): a line of nothing else would be looked at from each of its places.
_FRAME = re.compile(
    r"""
    ^(?:[ \t|+]|-(?!e:))*+(?:
      File[ ]"(?P<py_file>[^"\n]{1,400})",[ ]line[ ][0-9]+(?:,[ ]in[ ](?P<py_fn>[^\n]{1,200}))?
     |at[ ](?P<jvm_fn>[\w$.<>/@:-]{1,300})
        \((?P<jvm_file>[\w$-]{1,100}\.(?:java|kt|scala|groovy|clj)(?=[:)])|Native[ ]Method|Unknown[ ]Source)
     |at[ ](?P<net_fn>[\w.`<>\[\],+|$]{1,300})\([^()\n]{0,300}\)
        (?:[ ]in[ ](?P<net_file>[^\n]{1,300}):line[ ][0-9]+)?\s*$
     |at[ ](?:async[ ])?(?:(?P<js_fn>[^\s()\n]{1,200}(?:[ ][^\s()\n]{1,80})?(?:[ ]\[as[ ][^\]\n]{1,80}\])?)[ ]\()?
        (?P<js_file>[^\s()\n]{1,400}?):[0-9]+:[0-9]+\)?,?\s*\{?$
     |(?P<moz_fn>[^\s@()\n]{0,200})@(?P<moz_file>[^\s@()\n]{1,400}?):[0-9]+:[0-9]+$
     |\#[0-9]+[ ](?P<php_file>(?:[^\s(\n]|[ ](?!in[ ])){1,300})\([0-9]+\):[ ](?P<php_fn>[^(\n]{1,200})
     |\#[0-9]+[ ]+(?:0x[0-9a-f]{1,16}[ ]in[ ])?(?P<gdb_fn>[\w:~<>,*&\[\]{}()$@. -]{1,200}?)[ ]\([^\n]{0,400}?\)[ ]
        (?:at|from)[ ](?P<gdb_file>[^\s:\n]{1,300})
     |(?:from[ ])?(?P<rb_file>[^\s:\n]{1,400}\.(?:rb|erb|rake)|\(eval\)|-e|<internal:[^>\n]{1,80}>)
        :[0-9]+:in[ ][`'](?P<rb_fn>[^'\n]{1,200})
     |\([^()\n]{1,60}\)[ ](?P<ex_file>[^\s:\n]{1,200}\.exs?):[0-9]+:[ ](?P<ex_fn>[^\n]{1,200})
     |(?P<pl_fn>[\w:]{1,200})\([^\n]{0,300}\)[ ]called[ ]at[ ](?P<pl_file>[^\s\n]{1,300})[ ]line[ ][0-9]+
     |\((?:procedure|method)[ ]"(?P<tcl_fn>[^"\n]{1,200})"[ ]line[ ][0-9]+\)
    )
    |^(?P<go_fn>[^\s(][^\n]{0,300}?)\([^()\n]{0,300}\)\n\t(?P<go_file>[^\s:\n]{1,400}\.(?:go|s)):[0-9]+
    |^[ ]+[0-9]{1,4}:[ ]+(?:0x[0-9a-f]{1,16}[ ]-[ ])?(?P<rs_fn>[^\s\n][^\n]{0,300})
        (?:\n[ ]+at[ ](?P<rs_file>[^\n:]{1,300}):[0-9]+)?
    """,
    re.VERBOSE | re.MULTILINE,
)
_LANGUAGES = ("py", "jvm", "net", "js", "moz", "php", "gdb", "rb", "ex", "pl", "tcl", "go", "rs")
_LIBRARY = re.compile(
    r"""site-packages|dist-packages|/lib/python\d|^<frozen[ ]|^<internal:
      |node_modules|^node:|internal/(?:process|modules|timers)|[(]?internal/
      |/gems/|/lib/ruby/|/vendor/|/usr/local/go/|/usr/lib/go|/go/src/|/pkg/mod/|/usr/lib(?:32|64)?/|/rustc/|/share/perl
      |^(?:java|javax|jakarta|jdk|sun|com\.sun|kotlin|kotlinx|scala|groovy|clojure)\.|^(?:java|jdk)\.\w{1,40}/
      |^(?:org\.(?:springframework|apache|hibernate|eclipse|junit|jboss)|io\.netty|io\.undertow|com\.zaxxer|reactor)\.
      |^(?:System|Microsoft)\.|^(?:runtime|net/http|testing|reflect|sync)\.|^panic$
      |^(?:core|std|alloc|tokio|anyhow|rust_begin_unwind|__rust|_start|__libc|main$|<?(?:core|std|alloc)::)(?:::|$|_|\b)
      |^(?:__GI_|__cxa|__gnu_cxx|__pthread|raise$|abort$|_Unwind|\?\?$)
      |^\((?:stdlib|elixir|kernel|phoenix|plug|ecto|ex_unit)[ )]|\.\./sysdeps|libc\.so|libstdc""",
    re.VERBOSE,
).search

_ENDINGS = "Error|Exception|Warning|Violation|Interrupt|Failure|Fault|Throwable|Timeout|Exit|Iteration|Abort|Panic"
_ERROR = re.compile(
    rf"""^(?:[\s|+]|-(?!-->))*+(?:
       (?P<lead>(?:(?:Exception[ ]in[ ]thread[ ]"[^"\n]{{0,100}}"|Unhandled[ ]exception\.|PHP[ ]Fatal[ ]error:
          |Fatal[ ]error:
          |Uncaught(?:[ ]exception)?:?|Caused[ ]by:|Suppressed:|Next|\[cause\]:|\[errors\]:|Cause:|--->
          |\(Inner[ ]Exception[ ]\#[0-9]+\)|\*\*
          |Wrapped[ ]by:|Previous:|Original[ ]error:|[0-9]{{1,3}}\)|\[CIRCULAR[ ]REFERENCE:)[ ]*){{1,4}})?
       \(?(?P<type>[A-Za-z_][\w.$:\\]{{0,160}}(?:(?:{_ENDINGS})\b)(?:[ ]\[[A-Z_]{{1,40}}\])?)\)?
          (?P<text>(?::|,|[ ]\{{|[ ]in[ ]|[ ]).{{0,600}})?$
      |(?P<lead2>panic:|fatal[ ]error:|Caused[ ]by:|Suppressed:|\[cause\]:|--->|Next|\*\*|what\(\):|terminate[ ]called
          |Exception[ ]in[ ]thread[ ]"[^"\n]{{0,100}}"|error:|Error:|Program[ ](?:received|terminated)|Fatal[ ]error:
          |PHP[ ](?:Fatal|Parse)[ ]error:|thread[ ]'[^'\n]{{0,100}}'(?:[ ]\([0-9]+\))?[ ]panicked[ ]at)
          (?P<text2>.{{0,600}})$
      |(?P<rb>.{{1,300}}?:[0-9]+:in[ ][`'][^'\n]{{1,200}}':[ ]
          (?P<rb_text>.{{0,400}}?)[ ]\((?P<rb_type>[\w:]{{1,160}})\))$
    )""",
    re.VERBOSE,
)
_PY_ERROR = re.compile(r"^[|+ -]*(?P<type>[A-Za-z_][\w.]{0,160})(?::[ ](?P<text>.{0,600}))?$")
_MARKER = re.compile(
    r"Traceback \(most recent|The above exception was|During handling of|--- End of |\.\.\. \d+ (?:more|common)"
    r"|goroutine \d+|Stack trace:|stack backtrace:|note: |\[main\]|#\d+ \{main\}|exit status"
    r"|Node\.js v|    at |\^|Thread \d"
)
_SPACE_BEFORE = re.compile(r"^[\s|+-]*")
_DIGITS = re.compile(r"[0-9]+")

_MADE_UP = [
    (re.compile(pattern), put)
    for pattern, put in (
        (r"\?[^)\s]*$", ""),  # ?v=123 behind a bundle
        (r"[.-](?=[A-Za-z0-9_-]{6,40}\.(?:m?js|css|map))[A-Za-z0-9_-]*?[0-9A-F][A-Za-z0-9_-]*(?=\.(?:m?js|css))", ".#"),
        (r"[.-][A-Za-z_]{8}(?=\.m?js$)", ".#"),
        (r"\$\$Lambda[$/\w.]*", "$$Lambda"),
        (r"\$\$(?:EnhancerBy|FastClassBy|SpringCGLIB|KeyFactoryBy)\w*(?:\$\$\w+)*", ""),
        (r"\$(?:ByteBuddy|MockitoMock|HibernateProxy|auxiliary|Proxy)\$?\w*", "$Proxy"),
        (r"(?:Generated(?:Method|Constructor|Serialization)Accessor|\$Proxy|_\$\$_)\w*", "generated"),
        (r"\$anon(?:fun)?(?:\$\w+)*", "$anon"),
        (r"::h[0-9a-f]{16}$", ""),
        (r"\{closure(?:[:#][^}]*)?\}|\{\{closure\}\}(?:::\{\{closure\}\})*", "{closure}"),
        (r"0x[0-9a-f]+", "#"),
        (r"^(?:app|[a-z.]+@[\w.]+)/+(?=\w+\.)", ""),
    )
]


#: What each of these needs one of.
_MAY_BE_MADE_UP = re.compile(r"[$?/{]|0x|::|Generated|\.(?:m?js|css|map)").search


@dataclass(frozen=True, slots=True)
class StackTrace:
    """`errors`: type and template of each error of the chain, as they stand. `frames`: function and file of each, once;
    the application's own where it has any (`own`), else the nearest of libraries."""

    errors: tuple[tuple[str, str], ...]
    frames: tuple[str, ...]
    own: bool


def read_stack_trace(text: str) -> StackTrace:
    """Read a trace of any language; parts that can't be read are left out. Never raises."""
    if len(text) > STACK_LIMIT:
        text = text[: STACK_LIMIT // 2] + "\n" + text[-STACK_LIMIT // 2 :]
    text = _without_prefix(text.replace("\r\n", "\n"))
    frames, own = _frames(text)
    return StackTrace(tuple(_errors(text)), tuple(frames), own)


def _without_prefix(text: str) -> str:
    """The text without what a log puts before each line (time, level, service)."""
    lines = [line for line in text.split("\n") if line.strip()]
    if len(lines) < 2:
        return text
    shapes = [_DIGITS.sub("0", line[:300]) for line in lines]
    low, high = min(shapes), max(shapes)  # what these two begin with, all do
    common = low[
        : next((n for n, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), min(len(low), len(high)))
    ]
    end = max((match.end() for match in re.finditer(r": |\| |\] |> |\t| - ", common)), default=0)
    if not common[:end].strip() or common.lstrip().startswith(("at ", "File ", "from ", "#0", "0:")):
        return text
    cut = re.compile(
        "".join("[0-9]+" if part == "0" else re.escape(part) for part in re.split("(0)", common[:end]) if part)
    )
    return "\n".join(line[found.end() :] if (found := cut.match(line)) else line for line in text.split("\n"))


def _frames(text: str) -> tuple[list[str], bool]:
    own: dict[str, None] = {}
    other: dict[str, None] = {}
    for match in _FRAME.finditer(text):
        found = match.groupdict()
        language = next((name for name in _LANGUAGES if found.get(f"{name}_fn") or found.get(f"{name}_file")), "")
        path, function = found.get(f"{language}_file") or "", (found.get(f"{language}_fn") or "").strip()
        frame = frame_as_grouped(path, function)
        library = is_library(path, function) or _LIBRARY(match.group().strip())
        (other if library else own)[frame] = None
    return (list(own)[:FRAME_LIMIT], True) if own else (list(other)[:LIBRARY_FRAMES], False)


@lru_cache(maxsize=4_096)
def is_library(path: str, function: str) -> bool:
    """Whether a frame is of a library or of the language, by its names."""
    return bool(_LIBRARY(path) or _LIBRARY(function))


@lru_cache(maxsize=4_096)
def frame_as_grouped(path: str, function: str) -> str:
    """Function and file, without what a build or a place makes of them."""
    file = _as_written(_last_part(path))
    function = _as_written(function)
    if len(function) <= 2 and file.endswith(("js", ".css")):
        function = ""  # a minifier's name
    if "/" in function or "\\" in function:
        function = _last_part(function)
    return _DIGITS.sub("#", f"{function}@{file}")


def _last_part(path: str) -> str:
    return path[max(path.rfind("/"), path.rfind("\\")) + 1 :]


def _as_written(name: str) -> str:
    """Without what a build has made up."""
    if _MAY_BE_MADE_UP(name):  # most are not, and a dozen patterns take their time
        for pattern, put in _MADE_UP:
            name = pattern.sub(put, name)
    return name


def _errors(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    first: str | None = None
    after_python_frame = False
    pending = False
    for line in text.split("\n"):
        if not line.strip():
            continue
        indented = line[0] in " \t"
        if pending:  # Rust says what failed on the line after where
            found.append(("panic", _template(line)))
            pending = False
            continue
        error = _error_of(line) if not _FRAME.match(line) or _ERROR_IN_FRAME(line) else None
        if error is None and after_python_frame and not indented and not _MARKER.match(line):
            match = _PY_ERROR.match(line)
            error = (match["type"], _template(match["text"] or "")) if match else None
        if error == ("panicked", ""):
            pending = True
        elif error is not None:
            found.append(error)
        elif first is None and not indented and not _MARKER.search(line) and not _FRAME.match(line):
            first = line
        plain = _SPACE_BEFORE.sub("", line)
        after_python_frame = plain.startswith('File "') or (after_python_frame and (indented or line[0] == "|"))
        if len(found) >= ERROR_LIMIT:
            break
    return list(dict.fromkeys(found)) or ([("", _template(first))] if first else [])


_ERROR_IN_FRAME = re.compile(r".*:[0-9]+:in [`'][^'\n]{1,200}': ").match


def _error_of(line: str) -> tuple[str, str] | None:
    match = _ERROR.match(line[:1_000])
    if match is None:
        return None
    if match["rb"]:
        return match["rb_type"], _template(match["rb_text"])
    if match["type"]:
        text = re.sub(r" in \S+:\d+$", "", (match["text"] or "").strip(" :,{"))
        return error_as_grouped(match["type"], text)
    lead, text = match["lead2"], match["text2"]
    if lead.startswith("thread"):
        quoted = re.match(r" '(.*)', [^ ]+:\d+:\d+$", text)  # as Rust wrote it before 1.73
        return ("panic", _template(quoted[1])) if quoted else ("panicked", "")
    return lead.split(" thread ")[0].rstrip(":"), _template(re.sub(r" in \S+:\d+$", "", text.strip()))


def error_as_grouped(kind: str, text: str) -> tuple[str, str]:
    """Type and template of an error, as they are compared."""
    return _plain_type(kind), _template(text)


def _plain_type(name: str) -> str:
    return _DIGITS.sub("#", re.split(r"[$\\/]", name)[-1])


def _template(text: str) -> str:
    return mask(text[:600])[:300]

"""What the console says: which messages it has, which words a person reads and nobody marked, and its catalogues.

`python tools/catalogues` brings the catalogues up to date: a new message gets an entry without a translation, one that
is gone leaves. A test asks for the same, and for a translation of each.
"""

from __future__ import annotations

import ast
import html
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, nodes

from opsteward.console.catalogues import ENGLISH, LANGUAGES, Entry, catalogue_file, read_entries
from opsteward.core import errors

CONSOLE = Path(__file__).parents[2] / "src" / "opsteward" / "console"
#: Functions that mark a message, with the place of its words among their arguments; `pgettext` has its context first.
MARKS = {"_": (0,), "N_": (0,), "ngettext": (0, 1), "pgettext": (1,), "Look": (1,)}
#: For developers, in English only.
NOT_FOR_READERS = {
    "components.html", "components.py",
    # no words of these are on a page
    "assets.py", "catalogues.py", "stream.py", "uploads.py",
}  # fmt: skip
#: The same in every language: names, and examples of what is typed.
SAME_EVERYWHERE = {
    "Opsteward", "Opsteward (…)", "CSV", "LDIF", "XML", "vCard", "Python", "JavaScript", "Enter", "ada-mail",
    "nightly-backup", "default", "at line …, column …",
}  # fmt: skip
#: What is typed or written for machines: commands, conditions, addresses, data; and units of the International System.
_TYPED = re.compile(
    r"""(?:opsteward|curl|-H|default-src|0\ 2\ \*)\s | Sentry\.init | [a-z]+:// | arn: | shapes: | Kürzel | \{"
    | -\ Opsteward | [\w.]+(?:=~?|:)["&\[] | (?:…|%[.\d]*[a-zA-Z]|min|h|d|s|ms|MB|GB|UTC|[\s:%-])+$""",
    re.X,
)
_ATTRIBUTES = frozenset({"title", "aria-label", "placeholder", "alt", "label"})
_VERBATIM = frozenset({"pre", "code", "kbd", "style", "script"})
_PIECES = re.compile(
    r"(\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}|<!--.*?-->|<(?:[^<>{}]|\{\{.*?\}\}|\{%.*?%\}|\{(?![{%])|(?<![%}])\})*>)", re.S
)
_ATTRIBUTE = re.compile(r"""\s([\w-]+)=(?:"((?:[^"{]|\{\{.*?\}\}|\{%.*?%\}|\{)*)"|'([^']*)')""", re.S)
_JINJA = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.S)
_SCRIPT_MARK = re.compile(r'\bsaying\(\s*"((?:[^"\\]|\\.)*)"')
_SCRIPT_WORDS = re.compile(r'"((?:[^"\\]|\\.)*)"|`((?:[^`\\]|\\.)*)`')
_PARSER = Environment(autoescape=True)


@dataclass(frozen=True)
class Message:
    """Words that the console says, by their file."""

    file: str
    context: str
    english: tuple[str, ...]


@dataclass(frozen=True)
class Unmarked:
    """Words that seem to be for a person, and are not marked."""

    file: str
    line: int
    words: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.words!r}"


def messages() -> list[Message]:
    """Every message of the console, once."""
    found: dict[tuple[str, tuple[str, ...]], Message] = {}
    for path in _files():
        for one in _messages_of(path):
            found.setdefault((one.context, one.english), one)
    return list(found.values())


def unmarked() -> list[Unmarked]:
    """Every word that a person may read and that is not marked."""
    return [one for path in _files() if path.name not in NOT_FOR_READERS for one in _unmarked_of(path)]


def _files() -> list[Path]:
    found = [*CONSOLE.rglob("*.py"), *CONSOLE.glob("templates/*.html"), *CONSOLE.glob("static/*.js")]
    return sorted(found, key=lambda path: (path.suffix, str(path)))


def _messages_of(path: Path) -> Iterator[Message]:
    text, name = path.read_text(encoding="utf-8"), str(path.relative_to(CONSOLE))
    if path.name in NOT_FOR_READERS:
        return
    if path.suffix == ".js":
        yield from (Message(name, "script", (ast.literal_eval(f'"{found}"'),)) for found in _SCRIPT_MARK.findall(text))
    elif path.suffix == ".html":
        for call in _PARSER.parse(text).find_all(nodes.Call):
            if isinstance(call.node, nodes.Name):
                said = [one.value if isinstance(one, nodes.Const) else None for one in call.args]
                yield from _marked(name, call.node.name, said)
    else:
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                said = [one.value if isinstance(one, ast.Constant) else None for one in node.args]
                yield from _marked(name, node.func.id, said)


def _marked(file: str, function: str, said: list[object]) -> Iterator[Message]:
    words = tuple(said[place] for place in MARKS.get(function, ()) if place < len(said))
    if words and all(isinstance(one, str) for one in words):
        context = str(said[0]) if function == "pgettext" else ""
        yield Message(file, context, tuple(str(one) for one in words))


def _unmarked_of(path: Path) -> Iterator[Unmarked]:
    text, name = path.read_text(encoding="utf-8"), str(path.relative_to(CONSOLE))
    kind = {".py": _unmarked_python, ".html": _unmarked_html, ".js": _unmarked_script}[path.suffix]
    for line, words in kind(text):
        if words.strip() not in SAME_EVERYWHERE and not _TYPED.match(words.strip()):
            yield Unmarked(name, line, words.strip())


# -- templates ------------------------------------------------------------------------------------------------------


def _unmarked_html(text: str) -> Iterator[tuple[int, str]]:
    verbatim: list[str] = []
    line = 1
    for piece in _PIECES.split(text):
        if piece.startswith(("{{", "{%")):
            yield from ((line, words) for words in _unmarked_expression(piece, shown=piece.startswith("{{")))
        elif piece.startswith("<"):
            yield from ((line, words) for words in _unmarked_tag(piece))
            _follow(verbatim, piece)
        elif not piece.startswith("{#") and not verbatim and _has_letters(piece):
            yield line, piece
        line += piece.count("\n")


def _follow(verbatim: list[str], tag: str) -> None:
    """Which elements are open whose text is no language."""
    found = re.match(r"<(/?)([\w-]+)", tag)
    if found and found[2] in _VERBATIM and not tag.endswith("/>"):
        if not found[1]:
            verbatim.append(found[2])
        elif found[2] in verbatim:
            verbatim.remove(found[2])


def _unmarked_tag(tag: str) -> Iterator[str]:
    for name, doubly, singly in _ATTRIBUTE.findall(tag):
        value = doubly or singly
        if name not in _ATTRIBUTES:
            continue
        if _has_letters(_JINJA.sub("", value)):
            yield value
        for piece in _JINJA.findall(value):
            yield from _unmarked_expression(piece, shown=piece.startswith("{{"))


def _unmarked_expression(piece: str, *, shown: bool) -> Iterator[str]:
    """Of `{{ … }}` what it puts out, and of both what looks like language."""
    inner = piece[2:-2].strip("-+ ")
    statement = re.match(r"(if|elif|for|set|call)\b(.*)", inner, re.S) if not shown else None
    if not shown and statement is None:
        return
    if statement:
        inner = statement[2]
        if statement[1] == "for":
            inner = inner.partition(" in ")[2].replace(" recursive", "")
            inner = re.sub(r"\sif\s(?!.*\selse\s).*", "", inner)
        elif statement[1] == "set":
            inner = inner.partition("=")[2] or '""'
        elif statement[1] in ("if", "elif"):
            return
    for node in _PARSER.parse("{{ " + inner + " }}").body:
        for output in node.find_all(nodes.Output) if not isinstance(node, nodes.Output) else [node]:
            for one in output.nodes:
                yield from _unmarked_node(one, shown=shown)


def _unmarked_node(node: nodes.Node | None, *, shown: bool) -> Iterator[str]:
    """`shown`: its value is put out as it is, so that any word of it is read."""
    if isinstance(node, nodes.Const):
        words = node.value if isinstance(node.value, str) else ""
        if _has_letters(words) if shown else _is_language(words):
            yield words
        return
    for child, so in _read_parts(node, shown=shown):
        yield from _unmarked_node(child, shown=so)


def _read_parts(node: nodes.Node | None, *, shown: bool) -> Iterator[tuple[nodes.Node | None, bool]]:
    """The parts of an expression that may be read, and whether they are put out as they are."""
    if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name) and node.node.name in MARKS:
        yield from ((one, True) for one in node.args if not isinstance(one, nodes.Const))
        yield from ((one.value, True) for one in node.kwargs)
    elif isinstance(node, nodes.CondExpr):
        yield from ((one, shown) for one in (node.expr1, node.expr2))
    elif isinstance(node, nodes.Filter):
        yield node.node, shown
        yield from ((one, True) for one in node.args if node.name == "join")
    elif node is not None and not isinstance(node, nodes.Compare | nodes.Test):
        so = shown and isinstance(node, nodes.Or | nodes.Concat)
        yield from ((one, so) for one in node.iter_child_nodes())


# -- Python and scripts ---------------------------------------------------------------------------------------------

#: Calls whose words are not for the page: errors are the API's, in English, and logs are the operator's.
_NOT_SHOWN = frozenset({"Markup", "compile", "Response", "get_logger", "id", "id_of"})
_ERRORS = frozenset(vars(errors))


def _unmarked_python(text: str) -> Iterator[tuple[int, str]]:
    tree = ast.parse(text)
    spared = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # docstrings
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise | ast.Assert) or (isinstance(node, ast.Call) and _says_elsewhere(node)):
            spared |= {id(one) for one in ast.walk(node)}
        elif isinstance(node, ast.Subscript | ast.Compare | ast.AnnAssign):
            part = node.annotation if isinstance(node, ast.AnnAssign) else node
            spared |= {id(one) for one in ast.walk(part)}
    beside = {id(one) for node in ast.walk(tree) for one in _beside_marked(node)}
    for node in ast.walk(tree):
        if id(node) in spared:
            continue
        if isinstance(node, ast.JoinedStr):
            words = "".join(one.value if isinstance(one, ast.Constant) else "…" for one in node.values)
            spared |= {id(one) for one in node.values}
            if re.search(r"[^\W\d_]{2}", words.replace("…", "")) and (" " in words or _is_language(words)):
                yield node.lineno, words
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _is_read(node, beside):
            yield node.lineno, node.value


def _is_read(node: ast.Constant, beside: set[int]) -> bool:
    words = str(node.value)
    return _is_language(words) or (id(node) in beside and _has_letters(words) and not words.startswith("/"))


def _beside_marked(node: ast.AST) -> list[ast.expr]:
    """What stands beside marked words in a table or a choice; what a form says at its end, what a page is called."""
    if isinstance(node, ast.Dict):
        return node.values if any(_is_mark(one) for one in node.values) else []
    if isinstance(node, ast.IfExp):
        both = [node.body, node.orelse]
        return both if any(_is_mark(one) for one in both) else []
    return [node.value] if isinstance(node, ast.keyword) and node.arg in ("words", "title") else []


def _is_mark(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MARKS


def _says_elsewhere(call: ast.Call) -> bool:
    name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
    of = getattr(getattr(call.func, "value", None), "id", "")
    return name in MARKS or name in _NOT_SHOWN or name in _ERRORS or of in ("log", "Invalid", "re")


def _unmarked_script(text: str) -> Iterator[tuple[int, str]]:
    marked = {found.span(1) for found in _SCRIPT_MARK.finditer(text)}
    for found in _SCRIPT_WORDS.finditer(text):
        words = found[1] or re.sub(r"\$\{.*?\}", "…", found[2] or "")
        started = text.rfind("\n", 0, found.start()) + 1
        if found.span(1) not in marked and "//" not in text[started : found.start()] and _is_sentence(words):
            yield text.count("\n", 0, found.start()) + 1, words


def _is_sentence(words: str) -> bool:
    looks_so = re.search(r"[^\W\d_]{2,} [^\W\d_]+|^[A-Z][a-z]+…?$", words)
    return bool(looks_so) and not re.search(r"[\[\]=#;{}/]|^\.", words)


def _has_letters(words: str) -> bool:
    return bool(re.search(r"[^\W\d_]", html.unescape(words)))


def _is_language(words: str) -> bool:
    """Whether it looks like words for a person: several, or one that begins large."""
    words = words.strip()
    if not _has_letters(words) or re.fullmatch(r"[A-Z0-9_-]+|\S+[/:=]\S*|[a-z-]+=\S.*", words):
        return False
    return " " in words or bool(re.match(r"[A-Z][a-z]+$", words))


# -- catalogues -----------------------------------------------------------------------------------------------------

_HEADER = """# What the console says in {name}. English words are the ids; python tools/catalogues adds what is missing.
msgid ""
msgstr ""
"Language: {language}\\n"
"Content-Type: text/plain; charset=UTF-8\\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\\n"
"""


def written(language: str) -> str:
    """The catalogue of a language as it should stand: all messages and no other, with the translations it has."""
    path = catalogue_file(language)
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    header = (
        text.partition("\n\n")[0].rstrip() + "\n"
        if text
        else _HEADER.format(name=LANGUAGES[language], language=language)
    )
    known = {(one.context, one.english): one for one in read_entries(text) if one.english[0]}
    told = [header]
    for message in messages():
        empty = Entry(message.context, message.english, ("",) * len(message.english))
        told.append(f"#: {message.file}\n" + _as_text(known.get((message.context, message.english), empty)))
    return "\n".join(told)


def _as_text(entry: Entry) -> str:
    lines = [f"msgctxt {_quoted(entry.context)}"] if entry.context else []
    lines.append(f"msgid {_quoted(entry.english[0])}")
    if len(entry.english) > 1:
        lines.append(f"msgid_plural {_quoted(entry.english[1])}")
        lines += [f"msgstr[{place}] {_quoted(form)}" for place, form in enumerate(entry.forms)]
    else:
        lines.append(f"msgstr {_quoted(entry.forms[0])}")
    return "\n".join(lines) + "\n"


def _quoted(words: str) -> str:
    escaped = words.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'


def main() -> int:
    """Write the catalogues; says what is left to do."""
    for one in unmarked():
        print(f"not marked: {one}")
    for language in LANGUAGES:
        if language == ENGLISH:
            continue
        path = catalogue_file(language)
        text = written(language)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        entries = list(read_entries(text))
        print(
            f"{language}: {len(entries)} messages, {sum(not all(one.forms) for one in entries)} without a translation"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())

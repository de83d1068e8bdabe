"""YAML that people write, read safely and with the line of every value.

Gives a small tree of texts, lists and mappings; what the texts mean is for the reader to say (so an unquoted
08:00 stays "08:00"). Anchors, aliases, tags, several documents, duplicate keys, deep nesting and large files are
refused: none is needed in a policy file, and each has been used to make one look like what it is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from opsteward.core.errors import FieldProblem

SIZE_LIMIT = 256 * 1024  # bytes
DEPTH_LIMIT = 12
TEXT_LIMIT = 200  # characters of a value
CHOICE_LIMIT = 50  # values in a list


class YamlProblem(Exception):
    """The text can't be taken as YAML. `line` is 1-based."""

    def __init__(self, line: int, problem: str, remedy: str) -> None:
        super().__init__(f"line {line}: {problem}")
        self.line, self.problem, self.remedy = line, problem, remedy


@dataclass(frozen=True, slots=True)
class Text:
    line: int
    text: str  # "" for nothing


@dataclass(frozen=True, slots=True)
class Items:
    line: int
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Fields:
    line: int
    fields: dict[str, tuple[int, Node]]  # name -> line of the name, value


Node = Text | Items | Fields


def read(text: str) -> Node:
    """The tree of one YAML document. Raises `YamlProblem` for the first thing that is wrong with the file."""
    import yaml

    _check_text(text)
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        _check_events(yaml.parse(text, Loader=loader))
        root = yaml.compose(text, Loader=loader)
    except yaml.YAMLError as error:
        raise _problem_of(error, text) from None
    if root is None:
        return Text(1, "")
    return _node(root)


def _check_text(text: str) -> None:
    try:
        size = len(text.encode("utf-8"))
    except UnicodeEncodeError as error:
        line = text.count("\n", 0, error.start) + 1
        raise YamlProblem(line, "is not valid Unicode", "save the file as UTF-8") from None
    if size > SIZE_LIMIT:
        raise YamlProblem(1, f"the file has {size} bytes, the limit is {SIZE_LIMIT}", "split it or shorten it")


def _check_events(events: Iterator[Any]) -> None:
    """Refuse what is no plain data, before anything is built from it."""
    depth = documents = 0
    for event in events:
        kind = type(event).__name__
        line = event.start_mark.line + 1 if event.start_mark else 1
        documents += kind == "DocumentStartEvent"
        if documents > 1:
            raise YamlProblem(line, "a second document begins", "keep all in one, without '---' in between")
        if kind == "AliasEvent" or getattr(event, "anchor", None):
            raise YamlProblem(line, "anchors and aliases (& and *) are not taken", "write it out, or quote the text")
        if getattr(event, "tag", None):
            raise YamlProblem(line, f"the tag {event.tag[:60]!r} is not taken", "leave it out, or quote the text")
        depth += kind in ("SequenceStartEvent", "MappingStartEvent")
        depth -= kind in ("SequenceEndEvent", "MappingEndEvent")
        if depth > DEPTH_LIMIT:
            raise YamlProblem(line, f"is nested deeper than {DEPTH_LIMIT} levels", "flatten it")


def _problem_of(error: Any, text: str) -> YamlProblem:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    position = getattr(error, "position", None)
    line = 1
    if mark is not None:
        line = mark.line + 1
    elif isinstance(position, int):
        line = text.count("\n", 0, position) + 1
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "can't be read"
    return YamlProblem(line, f"is no YAML: {problem}", "check indentation, quotes and brackets around this line")


def _node(node: Any) -> Node:
    line = node.start_mark.line + 1
    if node.id == "scalar":
        nothing = node.tag == "tag:yaml.org,2002:null"
        return Text(line, "" if nothing else node.value)
    if node.id == "sequence":
        return Items(line, tuple(_node(item) for item in node.value))
    fields: dict[str, tuple[int, Node]] = {}
    for key, value in node.value:
        key_line = key.start_mark.line + 1
        if key.id != "scalar":
            raise YamlProblem(key_line, "a name must be a plain word", "write it as 'name: value'")
        if key.value in fields:
            first = fields[key.value][0]
            raise YamlProblem(key_line, f"{key.value[:60]!r} is given twice (first in line {first})", "keep one")
        fields[key.value] = (key_line, _node(value))
    return Fields(line, fields)


@dataclass(frozen=True, kw_only=True)
class LinedProblem(FieldProblem):
    """What is wrong in a file, and in which line (1-based)."""

    line: int

    def as_dict(self) -> dict[str, Any]:
        return {"line": self.line, **super().as_dict()}


class Checker:
    """Reads values out of the tree and collects problems, so that all can be told at once.

    Each method gives the value, or None (or nothing) after it told a problem. `where` is the field's path.
    """

    def __init__(self) -> None:
        self.problems: list[LinedProblem] = []

    def tell(self, line: int, field: str, problem: str, remedy: str) -> None:
        """Note a problem."""
        self.problems.append(LinedProblem(line=line, field=field, problem=problem, remedy=remedy))

    def fields(
        self, node: Node | None, where: str, known: Sequence[str], *, required: Sequence[str] = ()
    ) -> dict[str, Node] | None:
        """The known fields of a mapping that are there; those that are missing or unknown are told."""
        if not isinstance(node, Fields):
            line = node.line if node else 1
            self.tell(line, where, "must hold 'name: value' pairs", f"use {', '.join(known)}")
            return None
        for name, (line, _) in node.fields.items():
            if name not in known:
                self.tell(line, f"{where}.{name[:60]}", "is no field here", suggest(name, known))
        for name in required:
            if name not in node.fields:
                self.tell(node.line, f"{where}.{name}", "is missing", f"add '{name}: ...'")
        return {name: value for name, (_, value) in node.fields.items() if name in known}

    def text(self, node: Node | None, where: str, limit: int = TEXT_LIMIT) -> str | None:
        """A single value that is not empty."""
        if node is None:
            return None
        if not isinstance(node, Text):
            self.tell(node.line, where, "must be a single value", "write it after the colon")
            return None
        if not node.text:
            self.tell(node.line, where, "is empty", "give a value, or leave the line out")
            return None
        if len(node.text) > limit:
            self.tell(node.line, where, f"is longer than {limit} characters", "shorten it")
            return None
        return node.text

    def choices(self, node: Node, where: str) -> tuple[str, ...]:
        """One value or a list of them, each once."""
        nodes = node.items if isinstance(node, Items) else (node,)
        if not nodes or len(nodes) > CHOICE_LIMIT:
            self.tell(node.line, where, f"must have 1 to {CHOICE_LIMIT} values", "leave it out to match all")
            return ()
        texts = (self.text(each, where) for each in nodes)
        return tuple(dict.fromkeys(text for text in texts if text is not None))

    def check_known(self, node: Node | None, where: str, known: Sequence[str], *, globs: bool = False) -> None:
        """Tell of each value that is not known (with `globs`, texts with *, ? or [ may be anything)."""
        for each in node.items if isinstance(node, Items) else (node,):
            if not isinstance(each, Text) or each.text in ("", *known):
                continue
            if not (globs and any(char in each.text for char in "*?[")):
                self.tell(each.line, where, f"{each.text[:60]!r} is not known", suggest(each.text, known))


def suggest(word: str, known: Iterable[str]) -> str:
    """The nearest known word, or the known words where there are few."""
    words = sorted(str(each) for each in known)
    near = get_close_matches(word[:60], words, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"use one of: {', '.join(words[:20])}{', ...' if len(words) > 20 else ''}"

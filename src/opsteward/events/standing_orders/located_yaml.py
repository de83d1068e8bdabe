"""YAML that people write, read as plain texts, lists and mappings, with the place of every value.

What a text means is for the reader to say (an unquoted 08:00 stays "08:00"). Anchors, aliases, tags, several
documents, deep nesting and large files are refused before anything is built: none is needed in a policy file, and
each has been used to make one look like what it is not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from opsteward.core.errors import FieldProblem
from opsteward.core.format_words import yaml_problem

if TYPE_CHECKING:
    import yaml

MAX_BYTES = 256 * 1024
MAX_DEPTH = 12

Path = tuple[str | int, ...]
Plain = str | list["Plain"] | dict[str, "Plain"]


@dataclass(frozen=True, kw_only=True)
class FileProblem(FieldProblem):
    """What is wrong in a file, and where: line and column count from 1."""

    line: int
    column: int = 1

    def as_dict(self) -> dict[str, object]:
        return {"line": self.line, "column": self.column, **super().as_dict()}


class NotYaml(Exception):
    """The text as a whole can't be taken as YAML; `problem` says why."""

    def __init__(self, line: int, column: int, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.problem = FileProblem(line=line, column=column, field="file", problem=problem, remedy=remedy)


@dataclass
class LocatedYaml:
    """The `content` of a file, where each of its values and names stands (line and column), and what is wrong with
    its names."""

    content: Plain = ""
    values: dict[Path, tuple[int, int]] = field(default_factory=lambda: {(): (1, 1)})
    names: dict[Path, tuple[int, int]] = field(default_factory=dict)
    problems: list[tuple[Path, FileProblem]] = field(default_factory=list)

    def place(self, path: Path, *, of_name: bool = False) -> tuple[int, int]:
        """Where a value (or its name) stands; the nearest thing around it where it is not there."""
        if of_name and path in self.names:
            return self.names[path]
        return next(self.values[path[:size]] for size in range(len(path), -1, -1) if path[:size] in self.values)

    def add(self, node: yaml.Node, path: Path) -> Plain:
        """Note where a node of the library and all in it stand; what it holds."""
        import yaml

        self.values[path] = (node.start_mark.line + 1, node.start_mark.column + 1)
        if isinstance(node, yaml.SequenceNode):
            return [self.add(item, (*path, number)) for number, item in enumerate(node.value)]
        if not isinstance(node, yaml.MappingNode):
            return "" if node.tag == "tag:yaml.org,2002:null" else str(node.value)
        content: dict[str, Plain] = {}
        for key, value in node.value:
            line, column = key.start_mark.line + 1, key.start_mark.column + 1
            name = key.value if isinstance(key, yaml.ScalarNode) else ""
            of_key = (*path, name)
            if not isinstance(key, yaml.ScalarNode):
                problem, remedy = "a name must be a plain word", "write it as 'name: value'"
            elif name in content:
                problem, remedy = f"is given twice (first in line {self.names[of_key][0]})", "keep one"
            else:
                self.names[of_key] = (line, column)
                content[name] = self.add(value, of_key)
                continue
            where = of_key if name else path
            found = FileProblem(line=line, column=column, field=as_field(where), problem=problem, remedy=remedy)
            self.problems.append((where, found))
        return content


def as_field(path: Path) -> str:
    """A path as problems name it: orders.0.match.system for any of its values; the file itself for the root."""
    return ".".join(str(part)[:60] for at, part in enumerate(path) if at < 2 or isinstance(part, str)) or "file"


def read(text: str) -> LocatedYaml:
    """One YAML document. Raises `NotYaml` for the first thing that keeps the file from being read."""
    import yaml

    text = text.removeprefix("\ufeff")
    _check_text(text)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        _check_events(yaml.parse(text, Loader=loader))
        root = yaml.compose(text, Loader=loader)
    except yaml.YAMLError as error:
        raise _in_our_words(error, text) from None
    found = LocatedYaml()
    if root is not None:
        found.content = found.add(root, ())
    return found


def _check_text(text: str) -> None:
    try:
        size = len(text.encode("utf-8"))
    except UnicodeEncodeError as error:
        line = text.count("\n", 0, error.start) + 1
        raise NotYaml(line, 1, "is not valid Unicode", "save the file as UTF-8") from None
    if size > MAX_BYTES:
        raise NotYaml(1, 1, f"the file has {size} bytes, the limit is {MAX_BYTES}", "split it or shorten it")


def _check_events(events: Iterator[yaml.Event]) -> None:
    """Refuse what is no plain data, before anything is built from it."""
    import yaml

    depth = documents = 0
    for event in events:
        place = (event.start_mark.line + 1, event.start_mark.column + 1) if event.start_mark else (1, 1)
        documents += isinstance(event, yaml.DocumentStartEvent)
        if documents > 1:
            raise NotYaml(*place, "a second document begins", "keep all in one, without '---' in between")
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise NotYaml(*place, "anchors and aliases (& and *) are not taken", "write it out, or quote the text")
        if tag := getattr(event, "tag", None):
            raise NotYaml(*place, f"the tag {tag[:60]!r} is not taken", "leave it out, or quote the text")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise NotYaml(*place, f"is nested deeper than {MAX_DEPTH} levels", "flatten it")


def _in_our_words(error: yaml.YAMLError, text: str) -> NotYaml:
    mark, opened = getattr(error, "problem_mark", None), getattr(error, "context_mark", None)
    context = str(getattr(error, "context", None) or "")
    said = f"{getattr(error, 'problem', '')} {getattr(error, 'reason', '')} {context}"
    if opened and ("flow" in context or "end of stream" in said):
        mark = opened  # where a bracket or a quote begins, not where its end was missed
    position = mark.index if mark else getattr(error, "position", 0)
    line = mark.line + 1 if mark else text.count("\n", 0, position) + 1
    column = mark.column + 1 if mark else position - text.rfind("\n", 0, position)
    if text[position : position + 1] == "\t":
        return NotYaml(line, column, "is no YAML: a tab stands where spaces must", "indent with spaces only")
    problem, remedy = yaml_problem(said)
    return NotYaml(line, column, f"is no YAML: {problem}", remedy)

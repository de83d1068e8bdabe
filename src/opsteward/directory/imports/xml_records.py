"""Users as XML: exports of HR systems and answers of older interfaces, read as a tree and then like one of JSON.

A document with a type declaration is refused: entities could make a small file a large one, or read others.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from xml.parsers import expat

from opsteward.core.json_types import Json, JsonObject
from opsteward.directory.imports.people_lists import Ambiguous, people_in
from opsteward.directory.imports.records import Blocks, Note, Record, Unreadable
from opsteward.directory.imports.text_encoding import codec_of

#: Most characters of a document: it is held as a whole.
MAX_DOCUMENT = 64 * 1024 * 1024
_MAX_DEPTH = 64
#: Attributes that name the value of an element: `<field id="email">`.
_NAMING = ("name", "id", "key")
_NAMED = frozenset(("field", "attribute", "attr", "property", "param", "string", "value", "data", "column", "element"))


def xml_records(blocks: Blocks, encoding: str, note: Note) -> Iterator[Record]:
    """One record for each person of the document. Raises Unreadable for what is no XML, or has no list of people."""
    tree = _tree(codecs.iterdecode(blocks, *codec_of(encoding)))
    try:
        people = people_in(tree)
    except Ambiguous as problem:
        raise Unreadable(str(problem)) from None
    if people is None:
        raise Unreadable("holds no list of people: export one that has their usernames or addresses")
    for one in people.notes:
        note(one)
    for row, entry in enumerate(people.listed, start=1):
        yield Record(row, None, entry) if isinstance(entry, dict) else Record(row, None, None, "is no person")


class _Element:
    def __init__(self, attributes: dict[str, str]) -> None:
        self.attributes = attributes
        self.values: JsonObject = {}
        self.text: list[str] = []

    def value(self) -> Json:
        """A text where there is nothing but text, else an object."""
        text = "".join(self.text).strip()
        if not self.values and not self.attributes:
            return text or None
        if self.attributes.get("nil") == "true":
            return None
        found: JsonObject = {**self.attributes, **self.values}
        return {**found, "#text": text} if text else found

    def take(self, name: str, child: _Element) -> None:
        """A child by its name: repeated ones are a list, and ones that name their values are those values."""
        value: Json
        naming = next((child.attributes[one] for one in _NAMING if child.attributes.get(one)), "")
        if name.lower() in _NAMED and naming and not child.values:
            name, value = naming, "".join(child.text).strip() or None
        else:
            value = child.value()
        before = self.values.get(name)
        if name not in self.values:
            self.values[name] = value
        elif isinstance(before, list):
            before.append(value)
        else:
            self.values[name] = [before, value]


def _tree(text: Iterator[str]) -> JsonObject:
    root = _Element({})
    open_ones: list[tuple[str, _Element]] = [("", root)]

    def begin(name: str, attributes: dict[str, str]) -> None:
        if len(open_ones) > _MAX_DEPTH:
            raise Unreadable(f"is nested deeper than {_MAX_DEPTH}")
        plain = {key.rpartition(":")[2]: one for key, one in attributes.items() if not key.startswith("xmlns")}
        open_ones.append((name.rpartition(":")[2], _Element(plain)))

    def end(_: str) -> None:
        name, element = open_ones.pop()
        open_ones[-1][1].take(name, element)

    def add(data: str) -> None:
        open_ones[-1][1].text.append(data)

    def refuse(*_: object) -> None:
        raise Unreadable("has a document type declaration (DOCTYPE), which is not read: remove it")

    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = begin, end
    parser.CharacterDataHandler = add
    parser.StartDoctypeDeclHandler = refuse
    size = 0
    try:
        for part in text:
            size += len(part)
            if size > MAX_DOCUMENT:
                raise Unreadable(f"is longer than {MAX_DOCUMENT} characters: export it as CSV, or in parts")
            parser.Parse(part)
        parser.Parse("", True)
    except expat.ExpatError as error:
        raise Unreadable(f"is no XML: it can't be read at line {error.lineno}", line=error.lineno) from None
    return root.values

"""On a phone a table's rows are cards: so each cell carries the words of its column, and of the heads those remain that
sort.

Done to the HTML of a whole page, so that a table of a new page has them too. What is shown inside a cell is escaped, so
that every tag that is found is the template's own.
"""

from __future__ import annotations

import re
from itertools import cycle
from typing import NamedTuple

from opsteward.console.languages import _

_TABLE = re.compile(r"<table>(?:<caption.*?</caption>)?\s*<thead>(.*?)</thead>(.*?)</table>", re.S)
_HEAD_ROW = re.compile(r"<tr[^>]*>(.*?)</tr>", re.S)
_HEAD = re.compile(r"<th([^>]*)>(.*?)</th>", re.S)
_SPAN = re.compile(r'(row|col)span="(\d+)"')
_TAG = re.compile(r"<[^>]+>")
_ROW_OR_CELL = re.compile(r"<(tr|td)(?=[\s>])")
#: A head with these is there for screen readers only; its cells speak for themselves.
_HIDDEN = "hidden-words"


class _Column(NamedTuple):
    words: str
    rows: int  # of heads that it reaches down


def label_cells(html: str) -> str:
    """The page, with `data-label` on each cell whose column has words."""
    return _TABLE.sub(_labelled, html) if "<table>" in html else html


def _labelled(table: re.Match[str]) -> str:
    labels = _labels(table[1])
    if not labels:
        return table[0]
    here = cycle(labels)

    def cell(tag: re.Match[str]) -> str:
        nonlocal here
        if tag[1] == "tr":
            here = cycle(labels)
            return tag[0]
        words = next(here)
        return _with_label("<td", words) if words else tag[0]

    start = table.start(2) - table.start()
    head = table[0][:start].replace("<thead>", _with_label("<thead", _("Sort by")) + ">")
    return (head if "<a " in head else table[0][:start]) + _ROW_OR_CELL.sub(cell, table[0][start:])


def _with_label(tag: str, words: str) -> str:
    return " ".join((tag, f'data-label="{words}"'))


def _labels(head: str) -> list[str]:
    """The words of each column; below a head of several columns those of both."""
    first, *second = [_columns(row[1]) for row in _HEAD_ROW.finditer(head)] or [[]]
    below = iter(second[0] if second else [])
    labels = []
    for column in first:
        if column.rows > 1 or not second:
            labels.append(column.words)
        else:
            words = next(below, _Column("", 1)).words
            labels.append(_("%(group)s: %(column)s", group=column.words, column=words.lower()))
    return labels


def _columns(row: str) -> list[_Column]:
    found = []
    for attributes, inner in _HEAD.findall(row):
        spans = {kind: int(size) for kind, size in _SPAN.findall(attributes)}
        words = "" if _HIDDEN in inner else " ".join(_TAG.sub("", inner).replace('"', "&quot;").split())
        found += [_Column(words, spans.get("row", 1))] * spans.get("col", 1)
    return found

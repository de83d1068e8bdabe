"""Cells of tables carry the words of their columns, which a phone shows in the place of the heads."""

from __future__ import annotations

import re

from opsteward.console.table_labels import label_cells

TABLE = """<p>before</p><table><thead><tr><th scope="col"><span class="hidden-words">Pick</span></th>
<th scope="col"><a href="/x?sort=name">Name <svg class="icon"><use href="#up"/></svg></a></th>
<th scope="col">Who &amp; "when"</th>
</tr></thead><tbody><tr id="r-1"><td class="pick-cell"></td><td class="main-cell">a</td><td>&lt;td&gt; b</td></tr>
<tr><td></td><td>c</td><td><details><summary>d</summary></details></td></tr></tbody></table>
<table><tr><td>other</td></tr></table>"""
GROUPED = """<table><thead><tr><th scope="col" rowspan="2">Order</th><th scope="colgroup" colspan="2">In force</th>
<th scope="colgroup" colspan="2">These</th></tr>
<tr><th>Matched</th><th>Would run</th><th>Matched</th><th>Would run</th></tr></thead>
<tbody><tr><td>o</td><td>1</td><td>2</td><td>3</td><td>4</td></tr></tbody></table>"""


def test_each_cell_carries_the_words_of_its_column() -> None:
    labels = re.findall(r"<td(?: data-label=\"([^\"]*)\")?", label_cells(TABLE))
    assert labels == ["", "Name", "Who &amp; &quot;when&quot;", "", "Name", "Who &amp; &quot;when&quot;", ""]


def test_nothing_else_of_the_page_changes() -> None:
    assert re.sub(r" data-label=\"[^\"]*\"", "", label_cells(TABLE)) == TABLE
    assert label_cells("<p>no table</p>") == "<p>no table</p>"


def test_heads_that_sort_stay_by_their_words_and_others_do_not() -> None:
    assert '<thead data-label="Sort by">' in label_cells(TABLE)
    assert "<thead>" in label_cells(GROUPED)


def test_below_a_head_of_several_columns_stand_both_words() -> None:
    labels = re.findall(r"data-label=\"([^\"]*)\"", label_cells(GROUPED))
    assert labels == ["Order", "In force: matched", "In force: would run", "These: matched", "These: would run"]

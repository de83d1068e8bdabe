"""Forms that people write as YAML are the same as those that ship, and what is wrong in them is named by its line."""

from __future__ import annotations

import pytest

from opsteward.core.errors import Invalid
from opsteward.events.sources.catalogue import all_sources
from opsteward.events.sources.own_forms import shapes_of, text_of


@pytest.mark.parametrize("slug", sorted(all_sources()))
def test_the_forms_that_ship_can_be_written_and_read_again(slug: str) -> None:
    shapes = all_sources()[slug].shapes
    assert shapes_of(text_of(shapes)) == shapes


def test_a_list_alone_does_too_and_nothing_is_no_form() -> None:
    assert shapes_of("- title: a.b\n")[0].title == "a.b"
    assert shapes_of(" \n") == ()
    assert shapes_of("shapes: []") == ()
    assert text_of(()) == ""


@pytest.mark.parametrize(
    ("text", "line", "field"),
    [
        ("shapes:\n  - title: a\n  - titel: b\n", 3, "shapes.1.titel"),
        ("shapes:\n  - severity_map: red\n", 2, "shapes.0.severity_map"),
        ("shapes:\n  - title: a\n    title: b\n", 3, "shapes.0.title"),
        ("shapes:\n  - {title: [a]}\n", 2, "shapes.0.title"),
        ("shapes:\n\t- title: a\n", 2, "file"),
    ],
)
def test_what_is_wrong_is_named_by_its_line(text: str, line: int, field: str) -> None:
    with pytest.raises(Invalid) as caught:
        shapes_of(text)
    first = caught.value.problems[0].as_dict()
    assert (first["line"], first["field"]) == (line, field)
    assert first["remedy"]


@pytest.mark.parametrize("text", ["7", "shapes: 7", "forms: []", "a: &x [*x]", "shapes:\n" + "  - title: a\n" * 51])
def test_what_is_no_list_of_forms_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        shapes_of(text)

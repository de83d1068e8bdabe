"""Records on their way into the shadow: whatever text they hold, the database takes it, and as it was."""

from __future__ import annotations

import json

import pytest

from opsteward.contracts.records import Record
from opsteward.provisioning.sync.reading import _line
from opsteward.provisioning.sync.types import FieldMap, MappingDefinition

DEFINITION = MappingDefinition(
    source_resource="a", target_resource="b", key="k", fields=[FieldMap(target="k", source="k")]
)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("\\u0000", "\\u0000"),
        ("a\\u0000\x00", "a\\u0000\ufffd"),
        ("\\N", "\\N"),
        ("a\tb\nc\\", "a\tb\nc\\"),
        ([{"deep": "\x00"}, {"deep": "y"}], [{"deep": "\ufffd"}, {"deep": "y"}]),
    ],
)
def test_a_value_is_kept_as_it_was_but_for_nul(value: object, kept: object) -> None:
    line = _line(DEFINITION, "target", Record(native_id="1", values={"k": value}))  # type: ignore[dict-item]
    column = line.split("\t")[2].replace("\\\\", "\\")
    assert json.loads(column) == {"k": kept}

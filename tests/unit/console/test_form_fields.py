"""What a form's fields may hold."""

from __future__ import annotations

from typing import Any, cast

import pytest

from opsteward.console.page import Visit
from opsteward.core.errors import Invalid


def visit(**form: str) -> Visit:
    nothing = cast(Any, None)
    return Visit(services=nothing, identity=nothing, request=nothing, form=form)


def test_a_field_of_json_holds_an_object_or_nothing() -> None:
    assert visit(parameters=' {"a": [1, "x"]} ').json_object("parameters") == {"a": [1, "x"]}
    assert visit().json_object("parameters") == {}


@pytest.mark.parametrize(
    "given", ["[1]", "{", "1", '{"a": NaN}', '{"a": "\\u0000"}', '{"a": "\\ud800"}', '{"a": 1e999}', "[" * 90_000]
)
def test_json_that_the_database_can_not_keep_is_refused(given: str) -> None:
    with pytest.raises(Invalid) as refused:
        visit(parameters=given).json_object("parameters")
    assert refused.value.problems[0].field == "parameters"

"""What templates do with data that others wrote: nothing of it breaks a page."""

from __future__ import annotations

import pytest
from jinja2 import UndefinedError

from opsteward.console.rendering import _TEMPLATES


@pytest.mark.parametrize("stored", [{}, {"summary": None}, {"summary": ""}])
def test_a_key_that_stored_data_lacks_is_shown_as_nothing(stored: dict[str, object]) -> None:
    shown = _TEMPLATES.from_string("[{{ plan.summary }}{% if plan.objects %}!{% endif %}]").render(plan=stored)
    assert shown == "[]"


def test_a_name_that_a_page_did_not_give_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        _TEMPLATES.from_string("{{ never_given }}").render()

"""What templates do with data that others wrote: nothing of it breaks a page."""

from __future__ import annotations

import pytest
from jinja2 import UndefinedError

from opsteward.console.rendering import templates


@pytest.mark.parametrize("stored", [{}, {"summary": None}, {"summary": ""}])
def test_a_key_that_stored_data_lacks_is_shown_as_nothing(stored: dict[str, object]) -> None:
    shown = templates("en").from_string("[{{ plan.summary }}{% if plan.objects %}!{% endif %}]").render(plan=stored)
    assert shown == "[]"


def test_a_name_that_a_page_did_not_give_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        templates("en").from_string("{{ never_given }}").render()


def test_what_a_diagnosis_advises_is_text_and_an_earlier_one_without_it_is_shown() -> None:
    advice = {"title": "<b>Index</b>", "severity": "low", "evidence": {"advice": "Drop <i>it</i>"}, "fixes": []}
    diagnostics = [{"bot_type": "web"}, {"bot_type": "database", "advice": [advice], "unseen": ["needs <u>GRANT</u>"]}]
    page = "{% import '_parts.html' as parts with context %}{{ parts.diagnosed(diagnostics) }}"
    shown = templates("en").from_string(page).render(diagnostics=diagnostics)
    for words in ("&lt;b&gt;Index", "Drop &lt;i&gt;it", "needs &lt;u&gt;GRANT", "1 that could be better"):
        assert words in shown
    assert not templates("en").from_string(page).render(diagnostics=[]).strip()

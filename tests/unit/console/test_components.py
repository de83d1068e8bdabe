"""The page of the console's own parts is for development alone."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from opsteward.console.pages.components import components
from opsteward.console.rendering import render
from opsteward.core.errors import NotFound


def visit(*, development: bool) -> Any:
    return SimpleNamespace(services=SimpleNamespace(development=development))


async def test_it_is_shown_in_development_only() -> None:
    with pytest.raises(NotFound, match="for development"):
        await components(visit(development=False), cast(Any, None))
    page = await components(visit(development=True), cast(Any, None))
    html = render(page.template, title=page.title, **_FRAME, **page.values)
    assert html.count('class="chip tone-') > 60
    assert "colour-bad-back" in html


_FRAME: dict[str, Any] = {
    "me": None, "rooms": [], "pauses": [], "about": "", "position": "", "said": None, "csrf": "x", "path": "/",
    "here": "/",
}  # fmt: skip

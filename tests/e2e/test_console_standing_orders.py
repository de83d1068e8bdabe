"""Standing orders in the console: what is typed is tried on what was recorded, and earlier versions come back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from uuid import uuid4

import httpx
import pytest

from .conftest import Served
from .test_console_access import browser
from .test_console_pages import HOSTILE, said, submit


@pytest.fixture
def admin(served: Served) -> Iterator[httpx.Client]:
    """The first operator's browser session, over plain HTTP."""
    with browser(served) as one:
        yield one


@pytest.fixture
def kept_orders(served: Served) -> Iterator[None]:
    """Other tests find the orders that they put in force."""
    with served.api() as api:
        before = api.get("/api/v1/standing-orders").json()["text"]
        yield
        api.put("/api/v1/standing-orders", json={"text": before}).raise_for_status()


def orders(*texts: str) -> str:
    return "version: 1\norders:\n" + "".join(f"  - {text}\n" for text in texts)


def test_a_back_test_shows_what_typed_orders_would_have_decided(served: Served, admin: httpx.Client) -> None:
    source = f"till-{uuid4().hex[:6]}"
    for number in range(3):
        served.send(message=f"till {number} {HOSTILE}", source=source, error_type=f"Till{number}", severity="high")
    typed = orders(f"{{name: page-for-tills, match: {{source: {source}}}, action: escalate, approval: required}}")
    answer = submit(admin, "/standing-orders/back-test", text=typed, days="1")
    assert answer.status_code == 200, answer.text[-400:]
    page = unescape(answer.text)
    row = re.search(
        r'<tr class="differs"><td [^>]*class="main-cell"><span class="title">page-for-tills</span>.*?</tr>', page
    )
    assert row is not None
    assert re.findall(r">(\d+)</td>", row[0]) == ["0", "0", "0", "0", "3", "0", "1", "0"], (
        "an action is asked for once for an incident"
    )
    changed = re.search(r"(\d+) events would be decided otherwise", page)
    assert changed is not None and int(changed[1]) >= 3
    assert "escalate after approval (order page-for-tills)" in page
    assert '<svg class="back-test"' in page and "actions were asked for" in page
    assert typed.strip() in page, "what was typed is there still"
    assert "<script>window" not in answer.text
    assert "page-for-tills" not in admin.get("/standing-orders").text, "nothing was put in force"
    broken = submit(admin, "/standing-orders/back-test", text="version: 1\norders: [", days="7")
    assert broken.status_code == 422 and "Line 3" in broken.text
    assert submit(admin, "/standing-orders/back-test", text=typed, days="0").status_code == 422
    with browser(served, served.operator(f"v{uuid4().hex[:8]}", "viewer")) as viewer:
        assert submit(viewer, "/standing-orders/back-test", text=typed, days="1").status_code == 200


@pytest.mark.usefixtures("kept_orders")
def test_an_earlier_version_is_looked_at_compared_and_put_in_force_again(admin: httpx.Client) -> None:
    first = said(
        admin, submit(admin, "/standing-orders", text=orders("{name: one, match: {source: a}, action: log_only}"))
    )
    number = int(re.findall(r"Version (\d+) is in force", first)[0])
    said(admin, submit(admin, "/standing-orders", text=orders("{name: two, match: {source: a}, action: log_only}")))
    assert f"/standing-orders/versions/{number}" in admin.get("/standing-orders/versions").text
    newer = unescape(admin.get(f"/standing-orders/versions/{number + 1}").text)
    assert "<ins>+  - {name: two" in newer and "<del>-  - {name: one" in newer
    assert "{name: one" in unescape(admin.get(f"/standing-orders?from={number}").text)
    assert "in force, as version" in said(admin, submit(admin, f"/standing-orders/versions/{number}/restore"))
    assert "{name: one" in unescape(admin.get("/standing-orders").text)
    for path in ("/standing-orders/versions/x", "/standing-orders/versions/99999999", "/standing-orders?from=-1"):
        assert admin.get(path).status_code == 404
    assert admin.get("/standing-orders/versions/0").status_code == 200

"""Lists of every page over plain HTTP: each table is sorted by its heads, and says what to do where it is empty."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

import httpx
import pytest

from .conftest import Served
from .populated import every_page
from .test_console_access import browser
from .test_console_pages import PAGES

#: Tables whose order says something itself, by what their first head says: whom an agent delegates to, which step comes
#: after which, who is on call next, which version came after which, which order is asked first.
_ORDERED = {"Agent", "Step", "Who", "Version", "Order"}
_HEADS = re.compile(r"<table>\s*<thead.*?</thead>", re.S)


@pytest.fixture(scope="module")
def pages(served: Served, standing_orders: None) -> list[str]:
    """Every page, with something on it."""
    return every_page(served)


@pytest.fixture(scope="module")
def admin(served: Served) -> Iterator[httpx.Client]:
    """The first operator's browser session, over plain HTTP."""
    with browser(served) as one:
        yield one


def heads_of(page: str) -> list[list[tuple[str, str, str]]]:
    """Of each table its heads: words, how it is sorted by them now, and the address that sorts by them."""
    return [
        [
            (
                " ".join(re.sub(r"<[^>]+>", "", inner).split()),
                (re.findall(r'aria-sort="(\w+)"', attributes) or [""])[0],
                unescape((re.findall(r'<a href="([^"]+)"', inner) or [""])[0]),
            )
            for attributes, inner in re.findall(r"<th(?=[\s>])([^>]*)>(.*?)</th>", table[0], re.S)
        ]
        for table in _HEADS.finditer(page)
    ]


@pytest.mark.slow(reason="it presses each head of every page")
def test_every_table_is_sorted_by_its_heads_both_ways(admin: httpx.Client, pages: list[str]) -> None:
    tables, unsorted, followed = 0, [], set()
    for path in pages:
        if path.startswith(("/console/components", "/help/product/")):
            continue
        for heads in heads_of(admin.get(path).text):
            tables += 1
            if not any(to for _, _, to in heads):
                unsorted += [(path, words) for words, *_ in heads[:1] if words not in _ORDERED]
            followed |= {(words, to) for words, _, to in heads if to}
    assert tables > 20
    assert unsorted == []
    for words, to in followed:
        first = admin.get(to)
        assert first.status_code == 200, to
        here = [head for heads in heads_of(first.text) for head in heads if head[0] == words and head[1]]
        assert here, f"{to} is not sorted by {words}"
        back = admin.get(here[0][2])
        again = [head for heads in heads_of(back.text) for head in heads if head[0] == words and head[1]]
        if (words, back.url.path) != ("Severity", "/incidents"):  # by urgency: there is one way
            assert {here[0][1], again[0][1]} == {"ascending", "descending"}, to


def test_cells_of_every_table_carry_the_words_of_their_column(admin: httpx.Client, pages: list[str]) -> None:
    for path in pages:
        page = admin.get(path).text
        for table in re.findall(r"<table>.*?</table>", page, re.S):
            words = [words for words, *_ in heads_of(table)[0] if words]
            labels = {unescape(one) for one in re.findall(r'<td data-label="([^"]*)"', table)}
            hidden = [
                re.sub(r"<[^>]+>", "", one) for one in re.findall(r'<span class="hidden-words">.*?</span>', table)
            ]
            if "colspan" not in table:
                assert labels == {unescape(one) for one in words if one not in hidden}, path


@pytest.fixture(scope="module")
def newcomer(served: Served) -> Iterator[httpx.Client]:
    """A browser of the owner of a tenant that has nothing yet."""
    with served.api() as api:
        made = api.post("/api/v1/tenants", json={"name": "hollow", "operator": "hana"}).raise_for_status().json()
    with browser(served, made["token"]) as one:
        yield one


@pytest.mark.parametrize("path", PAGES)
def test_an_empty_page_says_what_to_do_next(newcomer: httpx.Client, path: str) -> None:
    answer = newcomer.get(path)
    assert answer.status_code in (200, 403)
    said = re.findall(r'^<div class="empty">.*?</div>', answer.text, re.M | re.S)
    if said and path != "/console/components":
        forms = answer.text.count("<summary") > 0
        assert forms or any("<code>" in one or 'class="button"' in one for one in said), said

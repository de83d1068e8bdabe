"""What a page shows and loads, by its text: error pages that answer 200, default pages, files, chunks of scripts."""

from __future__ import annotations

import time

import pytest

from opsteward.integrations.web.page_content import assets_of, default_shown, error_shown, imports_of, is_blank

ARTICLE = "<title>How to read a stack trace</title><h1>Reading stack traces</h1><p>" + "A long text. " * 400


@pytest.mark.parametrize(
    "page",
    [
        "<title>500 Internal Server Error</title><h1>Internal Server Error</h1>",
        "<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center></body>",
        "<h1>Server Error (500)</h1>",
        "<title>Shop</title><pre>Traceback (most recent call last):\n  File 'x.py'</pre>",
        "<br /><b>Fatal error</b>: <p>PHP Fatal error: Uncaught Error: Call to undefined function x()</p>",
        "<h1>Error establishing a database connection</h1>",
        "<title>Application error</title><h2>Application error: a client-side exception has occurred</h2>",
        "<h1>Whoops, looks like something went wrong.</h1>",
        "<title>503 Service Temporarily Unavailable</title>",
        "<h1>Whitelabel Error Page</h1><p>This application has no explicit mapping for /error</p>",
        "<p>no healthy upstream</p>",
        "<h1>We are closed for a moment</h1>",
    ],
)
def test_an_error_page_is_known_by_what_it_shows(page: str) -> None:
    assert error_shown(page)


@pytest.mark.parametrize(
    "page",
    [
        "<title>Shop</title><h1>Shop</h1><ul><li>Tea: 3.50</li></ul>",
        ARTICLE + "<pre>Traceback (most recent call last):</pre>",
        "<title>Error codes of our API</title><h1>Error codes</h1><p>500 is an internal server error.</p>",
        "<title>Status</title><h1>All systems work</h1><p>No incident. Last: internal server error on 1 May.</p>",
        "<script>throw new Error('Uncaught TypeError')</script><h1>Welcome</h1>",
        "<title>Forbidden Planet</title><h1>Forbidden Planet: a film of 1956</h1>",
    ],
)
def test_a_page_that_only_speaks_of_errors_is_none(page: str) -> None:
    assert error_shown(page) == ""


def test_a_page_that_nobody_has_configured_is_known() -> None:
    assert default_shown("<title>Welcome to nginx!</title><h1>Welcome to nginx!</h1>")
    assert default_shown("<html><body><h1>It works!</h1></body></html>")
    assert default_shown("<title>Index of /</title><h1>Index of /</h1>")
    assert not default_shown("<title>Shop</title><h1>Welcome to the shop</h1>")


def test_a_page_that_a_script_fills_is_not_blank() -> None:
    assert is_blank("") and is_blank("<html><body><!-- nothing --></body></html>")
    assert not is_blank('<div id="root"></div><script src="/app.js"></script>')
    assert not is_blank("<p>words</p>")


def test_the_files_of_a_page_are_found_with_what_they_are_needed_for() -> None:
    page = (
        "<base href='/shop/'><link rel=stylesheet href=a.css><link rel='canonical' href='/x'>"
        '<script src="https://cdn.example/b.js"></script><img src="data:image/png;base64,xx"><img src=/c.png>'
        '<script src="a.js?v=1&amp;w=2#top"></script><link rel="modulepreload" href="../d.mjs">'
    )
    found = {asset.url: asset.active for asset in assets_of(page, "https://host/one/two")}
    assert found == {
        "https://host/shop/a.css": True,
        "https://cdn.example/b.js": True,
        "https://host/c.png": False,
        "https://host/shop/a.js?v=1&w=2": True,
        "https://host/d.mjs": True,
    }


def test_chunks_that_a_script_loads_are_found() -> None:
    script = (
        'import{a as b}from"./vendor-1a2b.js";const x=()=>import("./page-9f.js");const s="./words.js";'
        'const __vite__mapDeps=(i,m=__vite__mapDeps,d=(m.f||(m.f=["assets/cart-7.js","assets/cart-7.css"])))=>i'
    )
    assert {chunk.url for chunk in imports_of(script, "https://host/assets/app.js")} == {
        "https://host/assets/vendor-1a2b.js",
        "https://host/assets/page-9f.js",
        "https://host/assets/cart-7.js",
        "https://host/assets/cart-7.css",
    }


@pytest.mark.parametrize(
    "piece",
    ["<script ", "<", "<h1", "<h1>", "<!--", "<link rel=x ", f"<img {'a' * 3990}", "__vite__mapDeps",
     "__vite__mapDeps[", "at a.", "<title"],
)  # fmt: skip
def test_a_hostile_page_takes_little_time(piece: str) -> None:
    page = piece * (400_000 // len(piece))
    began = time.process_time()
    error_shown(page), default_shown(page), is_blank(page), assets_of(page, "http://h/"), imports_of(page, "http://h/")
    assert time.process_time() - began < 1.0

"""The documentation as pages of the console: headings that can be linked to, links that stay ours, nothing live."""

from __future__ import annotations

import re
from pathlib import Path

from opsteward.console.table_labels import label_cells
from opsteward.console.written_pages import html_of

DOCS = Path(__file__).parents[3] / "docs"


def test_headings_tables_and_code_are_html_and_the_title_is_left_out() -> None:
    html = html_of(
        "# Title\n\n## What `is` where\n\n| page | does |\n| --- | :-: |\n| a | b |\n\n```\n<x>\n```\n", "guides"
    )
    assert "Title" not in html
    assert '<h2 id="what-is-where">What <code>is</code> where</h2>' in html
    assert "style=" not in html and "&lt;x&gt;" in html
    assert 'data-label="does"' in label_cells(html)


def test_links_lead_to_pages_of_the_console_or_of_the_web_or_are_words() -> None:
    def to(address: str) -> list[str]:
        return re.findall(r'href="([^"]*)"', html_of(f"[x]({address})", "guides"))

    assert to("../reference/permissions.md#owner") == ["/help/product/reference/permissions.md#owner"]
    assert to("people.md") == ["/help/product/guides/people.md"]
    assert to("#habits") == ["#habits"]
    assert to("https://example.com/a") == ["https://example.com/a"]
    for nowhere in (
        "javascript:alert(1)",
        "data:text/html,x",
        "//evil.example",
        "../../etc/passwd",
        "ftp://a/b",
        "a.py",
    ):
        assert to(nowhere) == []


def test_html_in_a_page_is_words() -> None:
    html = html_of("<script>x</script> <img src=x onerror=y>\n\n![a](b.png)\n", "guides")
    assert not re.search(r"<(script|img)", html)


def test_every_page_of_ours_links_only_to_what_is_there() -> None:
    for file in DOCS.glob("*/*.md"):
        for to in re.findall(r'href="/help/product/([^"#]+)', html_of(file.read_text(), file.parent.name)):
            assert (DOCS / to).is_file(), f"{file}: {to}"

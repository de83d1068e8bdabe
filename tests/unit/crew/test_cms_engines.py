"""Engines of content: on small sites with planted faults, and on pages that are none."""

from __future__ import annotations

import random
from typing import Any

import pytest
from pydantic import ValidationError
from work import done


def _page(path: str, content: str) -> dict[str, Any]:
    return {"path": path, "content": content}


def _broken(pages: list[dict[str, Any]], **more: Any) -> dict[tuple[str, str], str]:
    found = done("cms.broken_links", pages=pages, **more)
    return {(one["page"], one["link"]): one["kind"] for one in found["broken"]}


def test_links_that_lead_nowhere_are_told_by_their_kind() -> None:
    pages = [
        _page(
            "docs/index.md",
            "# Home\n[ok](guide.md) [ok](guide) [part](guide.md#first-steps) [gone](missing.md)\n"
            "[anchor](guide.md#nowhere) [case](Guide.md) [bad](http://[x)\n`[code](no.md)`\n"
            "[ref][r]\n\n[r]: other.md\n\n```\n[fenced](no.md)\n```\n[mail](mailto:a@b.example) [self](#home)\n",
        ),
        _page("docs/guide.md", "# First steps\n[up](../docs/index.md) [root](/docs/)\n"),
    ]
    assert _broken(pages) == {
        ("docs/index.md", "missing.md"): "no_page",
        ("docs/index.md", "guide.md#nowhere"): "no_anchor",
        ("docs/index.md", "Guide.md"): "wrong_case",
        ("docs/index.md", "http://[x"): "malformed",
        ("docs/index.md", "other.md"): "no_page",
    }


def test_a_site_of_html_knows_its_own_address_its_base_and_outside_states() -> None:
    pages = [
        _page(
            "/",
            '<html><a href="https://shop.example/about/">About</a> <a href="/abuot">?</a> <a href="/a?x=1#top">t</a>',
        ),
        _page(
            "/about/", '<p id="team"><a href="team">x</a> <a href="./">self</a> <a href="https://gone.example/">y</a>'
        ),
        _page("/a", '<a href="http://shop.example/about/">plain</a><img src="/logo.png"><a href="/about/#team">t</a>'),
        _page("/lonely", "<p>nobody links here"),
    ]
    sent = {"pages": pages, "base_url": "https://shop.example", "link_statuses": {"https://gone.example/": 404}}
    assert _broken(**sent, files=["/style.css"]) == {
        ("/", "/abuot"): "no_page",
        ("/about/", "team"): "no_page",
        ("/about/", "https://gone.example/"): "outside",
        ("/a", "http://shop.example/about/"): "insecure",
        ("/a", "/logo.png"): "no_file",
    }
    found = done("cms.broken_links", **sent)
    assert found["orphans"] == ["/lonely"]
    assert next(one["suggestion"] for one in found["broken"] if one["link"] == "/abuot") == "/about"


WORDS = [f"word{number}" for number in range(400)]


def _text(seed: int, size: int = 200) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=size))


def test_pages_of_nearly_the_same_text_are_grouped_whatever_menu_is_around_them() -> None:
    menu = "<nav>Home Products About Contact and a long common menu of this site</nav>"
    pages = [_page(f"/p{n}", f"<html>{menu}<p>{_text(n)}</p>") for n in range(8)]
    pages.append(_page("/copy", f"<html>{menu}<p>{_text(3)} and one more</p>"))
    pages.append(_page("/same", f"<html>{menu}<p>{_text(5)}</p>"))
    found = done("cms.duplicate_content", pages=pages)
    assert sorted(sorted(group["pages"]) for group in found["groups"]) == [["/copy", "/p3"], ["/p5", "/same"]]
    assert [group["identical"] for group in found["groups"] if "/same" in group["pages"]] == [True]
    assert found["boilerplate_blocks"] == 1


def test_shared_titles_are_named() -> None:
    pages = [_page(f"/{n}", f"<title>Same</title><h1>One {n}</h1>") for n in range(3)]
    assert [one["field"] for one in done("cms.duplicate_content", pages=pages)["shared"]] == ["title"]


EASY = "The cat sat on the mat. The dog ran to the cat. They played in the sun all day. " * 5
HARD = (
    "Notwithstanding the aforementioned considerations regarding organisational interoperability, the implementation "
    "of comprehensive administrative harmonisation necessitates extraordinarily sophisticated institutional "
    "coordination, which consequently complicates the operationalisation of heterogeneous governmental programmes. "
) * 3


def test_hard_pages_are_told_from_easy_ones_with_their_long_sentences() -> None:
    found = done(
        "cms.readability",
        pages=[_page("easy.txt", EASY), _page("hard.txt", HARD), _page("x.txt", "Hi.")],
        long_sentence=20,
    )
    hard, easy, short = found["pages"]
    assert (hard["page"], hard["level"], hard["language"]) == ("hard.txt", "very hard", "en")
    assert hard["long_sentences"]
    assert easy["level"] == "very easy"
    assert short["level"] == "too short"


def test_the_language_is_seen() -> None:
    german = "Der Hund ist nicht mit dem Mann auf die Straße gegangen, und das war auch für den Hund ein Glück. " * 4
    french = "Le chien est dans la rue avec les enfants et ce ne sont pas des chats qui courent pour une souris. " * 4
    found = done("cms.readability", pages=[_page("d.txt", german), _page("f.txt", french)])
    assert {one["page"]: one["language"] for one in found["pages"]} == {"d.txt": "de", "f.txt": "fr"}


def test_what_a_page_lacks_is_told_with_its_remedy() -> None:
    whole = (
        '<html lang="en"><head><title>All about teapots</title><meta name="viewport" content="w">'
        '<meta name="description" content="Which teapot is best for which tea, and how to care for it at home.">'
        "</head><body><h1>Teapots</h1><img src=a.png alt='A teapot'></body></html>"
    )
    bad = "<html><head><title>Untitled</title></head><body><h3>x</h3><img src=a.png></body></html>"
    found = done("cms.missing_metadata", pages=[_page("ok.html", whole), _page("bad.html", bad)], required=["author"])
    fields = {one["field"] for one in found["problems"] if one["page"] == "bad.html" and one["severity"] != "info"}
    assert fields == {"title", "description", "h1", "alt", "lang", "viewport", "author"}
    errors = {one["field"] for one in found["problems"] if one["page"] == "ok.html" and one["severity"] != "info"}
    assert errors == {"author"}


def test_front_matter_counts_as_metadata() -> None:
    said = "How to pour tea without a drop beside the cup, in four steps."
    page = f'---\ntitle: "How to pour"\ndescription: {said}\n---\n\nText.\n'
    found = done("cms.missing_metadata", pages=[_page("a.md", page)])
    assert [one["field"] for one in found["problems"] if one["severity"] != "info"] == []


@pytest.mark.parametrize("work", ["broken_links", "duplicate_content", "readability", "missing_metadata"])
@pytest.mark.parametrize(
    "content",
    ["", "\x00\x01", "<" * 5000, "[" * 5000, "<!--" * 2000, "[a](" * 3000, "---\n" * 2000, "<a href=" * 3000,
     "<a href='" * 3000 + ">", "<!-- " * 3000 + ">",
     "<div>" * 5000, "&#x110000;&#0;"],
)  # fmt: skip
def test_pages_that_are_none_do_no_harm(work: str, content: str) -> None:
    for path in ("x.html", "x.md", "x"):
        done(f"cms.{work}", pages=[_page(path, content)])


def test_too_much_text_at_once_is_refused() -> None:
    with pytest.raises(ValidationError, match="40 million characters"):
        done("cms.readability", pages=[_page(f"/{n}", "x" * 1_000_000) for n in range(41)])

"""What pages lack that search engines, previews and screen readers need."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from opsteward.crew.catalogue.cms import MetadataProblem, MetadataReport, MissingMetadata
from opsteward.crew.catalogue.declaring import DataUsed
from opsteward.crew.engines.cms.pages import Page, read_pages

_MAX_LISTED = 5000
_ORDER = {"error": 0, "warning": 1, "info": 2}
_LANGUAGE = re.compile(r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")
_FILE_NAME = re.compile(r"^[\w-]+\.(png|jpe?g|gif|webp|svg|avif)$", re.IGNORECASE)
Told = tuple[str, str, str, str]  # field, severity, problem, remedy


def run(parameters: MissingMetadata) -> MetadataReport:
    """Errors first."""
    pages = read_pages(parameters.pages)
    problems: list[MetadataProblem] = []
    for page in pages:
        for field, severity, problem, remedy in _told(page, parameters):
            problems.append(
                MetadataProblem.model_validate(
                    {"page": page.path, "field": field, "severity": severity, "problem": problem, "remedy": remedy}
                )
            )
    problems.sort(key=lambda one: (_ORDER[one.severity], one.field, one.page))
    fields = Counter(field for field, _ in {(one.field, one.page) for one in problems})
    bad = {one.page for one in problems if one.severity != "info"}
    said = ", ".join(f"{field} on {count}" for field, count in fields.most_common(4))
    return MetadataReport(
        summary=f"{len(pages) - len(bad)} of {len(pages)} pages are complete"
        + (f"; wanting: {said}." if said else "."),
        data_used=DataUsed(rows=len(pages), fields=["content"]),
        notes=[f"the first {_MAX_LISTED} problems are listed"] if len(problems) > _MAX_LISTED else [],
        problems=problems[:_MAX_LISTED],
        by_field=dict(fields),
        complete_pages=len(pages) - len(bad),
    )


def _told(page: Page, parameters: MissingMetadata) -> Iterator[Told]:
    yield from _title(page)
    yield from _description(page)
    yield from _headings(page)
    yield from _pictures(page)
    if page.format == "html":
        yield from _html_only(page)
    for name in parameters.required:
        if not page.metadata.get(name.lower()):
            where = "meta tag" if page.format == "html" else "front matter"
            yield name, "error", f"the {where} {name!r} is missing", f"add it to the {where}"


def _title(page: Page) -> Iterator[Told]:
    first = next((text for level, text in page.headings if level == 1), "")
    title = (page.title or ("" if page.format == "html" else first)).strip()
    if not title:
        yield (
            "title",
            "error",
            "there is no title",
            f"take the heading: {first[:60]}" if first else "say in 60 characters what it is",
        )
    elif len(title) > 70:
        yield "title", "warning", f"the title has {len(title)} characters: it is cut off in results", "use 60 at most"
    elif len(title) < 5 or title.lower() in ("untitled", "home", "document", "new page", "index", "page"):
        yield "title", "warning", f"the title {title!r} says nothing", "say what this page is about"


def _description(page: Page) -> Iterator[Told]:
    said = page.metadata.get("description", "").strip()
    if not said:
        yield "description", "warning", "there is no description", "sum the page up in 50 to 160 characters"
    elif len(said) > 180:
        yield "description", "info", f"the description has {len(said)} characters: it is cut off", "use 160 at most"
    elif len(said) < 40:
        yield (
            "description",
            "info",
            f"the description has {len(said)} characters only",
            "say more: 50 to 160 characters",
        )


def _headings(page: Page) -> Iterator[Told]:
    levels = [level for level, _ in page.headings]
    count = levels.count(1)
    if page.format == "text":
        return
    if not count and not (page.format == "markdown" and page.title):
        yield "h1", "warning", "there is no main heading", "make the title of the page an h1"
    elif count > 1:
        yield "h1", "info", f"there are {count} main headings", "keep one and make the others h2"
    before = 1
    for level, text in page.headings:
        if level > before + 1 and before:
            yield "headings", "info", f"h{level} {text[:60]!r} follows h{before}", f"make it h{before + 1}"
            break
        before = level
    if any(not text for _, text in page.headings):
        yield "headings", "warning", "a heading is empty", "fill it or take it out"


def _pictures(page: Page) -> Iterator[Told]:
    without = [one for one in page.pictures if one.alt is None or (page.format == "markdown" and not one.alt)]
    if without:
        said = f"{len(without)} of {len(page.pictures)} pictures have no alternative text (line {without[0].line})"
        yield (
            "alt", "error", said,
            'say what is to be seen; alt="" for decoration',
        )  # fmt: skip
    if named := [one for one in page.pictures if one.alt and _FILE_NAME.match(one.alt.strip())]:
        yield "alt", "warning", f"{named[0].alt!r} is a file name, no alternative text", "say what is to be seen"


def _html_only(page: Page) -> Iterator[Told]:
    if not page.language:
        yield "lang", "error", "the language is not said: screen readers guess", 'write <html lang="en">'
    elif not _LANGUAGE.match(page.language):
        yield "lang", "error", f"{page.language!r:.40} is no language", 'use a tag such as "en" or "de-CH"'
    if "viewport" not in page.metadata:
        yield "viewport", "warning", "there is no viewport: phones show it tiny", "add the meta tag viewport"
    if not page.canonical:
        yield "canonical", "info", "there is no canonical address", "add <link rel=canonical> where copies may exist"
    if any(word in page.metadata.get("robots", "").lower() for word in ("noindex", "none")):
        yield "robots", "info", "search engines are told to leave it out", "take noindex away if that is not meant"
    lacking = [name for name in ("og:title", "og:description", "og:image") if not page.metadata.get(name)]
    if lacking:
        yield "social", "info", f"previews lack {', '.join(lacking)}", "add these meta tags"

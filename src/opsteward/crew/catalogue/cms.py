"""Content: what is asked for, what comes back, and the task types."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, model_validator

from opsteward.crew.catalogue.declaring import EngineResult, Parameters, Row, task_type
from opsteward.crew.types import Complexity

MAX_PAGES = 5000
MAX_PAGE = 1_000_000  # characters
MAX_WHOLE = 40_000_000
Path = Annotated[str, Field(min_length=1, max_length=2000)]


class PageText(Row):
    """A page of a site or a file of a folder: its path from the top, and its HTML or Markdown."""

    path: Path
    content: Annotated[str, Field(max_length=MAX_PAGE)]
    format: Literal["html", "markdown", "text"] | None = None


class Pages(Parameters):
    """The pages to look at. Which format a page has is seen from its name and its text where it is not said."""

    pages: Annotated[list[PageText], Field(min_length=1, max_length=MAX_PAGES)]
    #: where the site is served: links to it are links to these pages
    base_url: Annotated[str, Field(max_length=2000, pattern=r"^https?://[^\s/]+")] | None = None

    @model_validator(mode="after")
    def _bounded(self) -> Pages:
        if sum(len(page.content) for page in self.pages) > MAX_WHOLE:
            raise ValueError(f"pages: more than {MAX_WHOLE // 1_000_000} million characters; send fewer at once")
        return self


class BrokenLinks(Pages):
    """Beside the pages: other files that exist, and the states of outside links where they are known."""

    files: Annotated[list[Path], Field(max_length=100_000)] = []
    #: outside address -> its HTTP status, as a check of links found it; 0 for no answer
    link_statuses: Annotated[dict[str, Annotated[int, Field(ge=0, le=599)]], Field(max_length=100_000)] = {}
    #: pages that are reached otherwise and are no orphans
    entry_pages: Annotated[list[Path], Field(max_length=1000)] = []


class BrokenLink(BaseModel):
    """A link that leads nowhere, or not where it says."""

    page: str
    link: str
    text: str
    line: int
    kind: Literal["no_page", "no_anchor", "no_file", "wrong_case", "outside", "malformed", "insecure"]
    problem: str
    #: the page or anchor that was most likely meant
    suggestion: str


class LinkReport(EngineResult):
    """The broken links by page, and pages that no link leads to."""

    broken: list[BrokenLink]
    by_kind: dict[str, int]
    orphans: list[str]
    links: int
    outside_unchecked: int


class DuplicateContent(Pages):
    """Pages that say nearly the same: from this share of common phrases on."""

    similarity: Annotated[float, Field(ge=0.3, le=1)] = 0.7
    #: words; shorter pages are not compared
    min_words: Annotated[int, Field(ge=5, le=10_000)] = 30


class DuplicateGroup(BaseModel):
    """Pages with nearly the same text; the first is the longest."""

    pages: list[str]
    similarity: float
    identical: bool


class SharedField(BaseModel):
    """A title or description that several pages have."""

    field: Literal["title", "description", "h1"]
    value: str
    pages: list[str]


class DuplicateReport(EngineResult):
    """Groups of alike pages, and shared titles and descriptions."""

    groups: list[DuplicateGroup]
    shared: list[SharedField]
    #: text that is on most pages (menus, footers) and was left out of the comparison
    boilerplate_blocks: int


class Readability(Pages):
    """How hard pages are to read."""

    language: Literal["en", "de", "fr", "es", "it", "nl"] | None = None
    #: words from which a sentence is long
    long_sentence: Annotated[int, Field(ge=10, le=200)] = 30
    #: below this ease (0 hard to 100 easy) a page is reported
    wanted_ease: Annotated[float, Field(ge=0, le=100)] = 40


class PageReadability(BaseModel):
    """One page. `ease` is Flesch's formula in the page's language, from 0 (very hard) to 100 (very easy)."""

    page: str
    language: str
    words: int
    sentences: int
    words_a_sentence: float
    ease: float | None
    formula: str
    level: Literal["very easy", "easy", "plain", "hard", "very hard", "too short"]
    long_sentences: list[str]
    advice: list[str]


class ReadabilityReport(EngineResult):
    """The hardest first."""

    pages: list[PageReadability]
    below_wanted: int


class MissingMetadata(Pages):
    """What search engines, previews and screen readers need."""

    #: further names of meta tags or front matter that each page has to have
    required: Annotated[list[Annotated[str, Field(max_length=100)]], Field(max_length=50)] = []


class MetadataProblem(BaseModel):
    """Something that a page lacks."""

    page: str
    field: str
    severity: Literal["error", "warning", "info"]
    problem: str
    remedy: str


class MetadataReport(EngineResult):
    """The problems, errors first, and how many pages have each."""

    problems: list[MetadataProblem]
    by_field: dict[str, int]
    complete_pages: int


TASK_TYPES = (
    task_type(
        "cms.broken_links",
        "Find links to pages, anchors and files that are not there, with what was likely meant, and orphan pages.",
        BrokenLinks,
    ),
    task_type(
        "cms.duplicate_content",
        "Find pages that say nearly the same, and titles and descriptions that several share.",
        DuplicateContent,
        complexity=Complexity.COMPLEX,
    ),
    task_type(
        "cms.readability",
        "Measure how hard pages are to read in their language, with the sentences to shorten.",
        Readability,
        complexity=Complexity.SIMPLE,
    ),
    task_type(
        "cms.missing_metadata",
        "Find missing or unusable titles, descriptions, headings, languages, alternative texts and front matter.",
        MissingMetadata,
        complexity=Complexity.SIMPLE,
    ),
)

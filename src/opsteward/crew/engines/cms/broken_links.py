"""Links that lead nowhere, with what was likely meant, and pages that no link leads to."""

from __future__ import annotations

import difflib
import posixpath
from collections import Counter
from collections.abc import Iterator
from urllib.parse import unquote, urljoin, urlsplit

from opsteward.crew.catalogue.cms import BrokenLink, BrokenLinks, LinkReport
from opsteward.crew.catalogue.declaring import DataUsed
from opsteward.crew.engines.cms.pages import Link, Page, read_pages

_OWN = "https://this-site.invalid"
_OTHER_SCHEMES = frozenset({"mailto", "tel", "sms", "data", "javascript", "ftp", "blob", "about", "geo", "callto"})
_INDEX = ("index.html", "index.htm", "index.md", "readme.md", "_index.md", "index.php")
_ENDINGS = (".html", ".htm", ".md", ".markdown", ".php")
_MAX_LISTED = 5000
_MAX_SUGGESTED = 300  # each compares with all names


def run(parameters: BrokenLinks) -> LinkReport:
    """Outside links are judged by `link_statuses` alone; nothing is fetched."""
    site = _Site(parameters)
    broken: list[BrokenLink] = []
    unchecked: set[str] = set()
    reached: set[str] = set()
    count = 0
    for page in site.pages:
        links = [*page.links, *(Link(one.source, one.alt or "", one.line) for one in page.pictures)]
        count += len(links)
        for number, link in enumerate(links):
            found = site.judge(page, link, is_picture=number >= len(page.links))
            if isinstance(found, BrokenLink):
                broken.append(found)
            elif found is None:
                continue
            elif found.startswith("outside "):
                unchecked.add(found)
            elif found != page.path:
                reached.add(found)
    entries = {site.key(path) for path in parameters.entry_pages} | {"", "/"}
    orphans = [page.path for page in site.pages if page.path not in reached and site.key(page.path) not in entries]
    order = {"no_page": 0, "no_file": 1, "outside": 2, "no_anchor": 3}
    broken.sort(key=lambda one: (order.get(one.kind, 9), one.page, one.line))
    kinds = Counter(one.kind for one in broken)
    notes = [f"{len(unchecked)} outside links were not checked: send link_statuses"] if unchecked else []
    if not parameters.files:
        notes.append("links to pictures and other files are not checked without `files`")
    if len(broken) > _MAX_LISTED:
        notes.append(f"the first {_MAX_LISTED} broken links are listed")
    said = ", ".join(f"{number} {kind.replace('_', ' ')}" for kind, number in kinds.most_common())
    return LinkReport(
        summary=f"{len(broken)} of {count} links on {len(site.pages)} pages are broken"
        + (f": {said}." if said else "."),
        data_used=DataUsed(rows=len(site.pages), fields=["path", "content"]),
        notes=notes,
        broken=broken[:_MAX_LISTED],
        by_kind=dict(kinds),
        orphans=orphans[:_MAX_LISTED],
        links=count,
        outside_unchecked=len(unchecked),
    )


class _Site:
    """All pages and files by the names they may be linked by."""

    def __init__(self, parameters: BrokenLinks) -> None:
        self.pages = read_pages(parameters.pages)
        base = parameters.base_url
        self._base = base.rstrip("/") if base else None
        self._host = urlsplit(base).netloc.lower() if base else None
        self._statuses = parameters.link_statuses
        self._files = {self.key(path) for path in parameters.files}
        self._knows_files = bool(parameters.files)
        self._by_key: dict[str, Page] = {}
        for page in self.pages:
            for name in self._names(self.key(page.path)):
                self._by_key.setdefault(name, page)
        self._lower = {name.lower(): name for name in [*self._by_key, *self._files]}
        self._suggested = 0

    def key(self, path: str) -> str:
        """A path from the top without slashes at its ends, whatever form it is sent in."""
        if "://" in path:
            path = urlsplit(path).path
        return posixpath.normpath("/" + unquote(path).lstrip("/")).strip("/")

    @staticmethod
    def _names(key: str) -> Iterator[str]:
        yield key
        folder, _, name = key.rpartition("/")
        if name.lower() in _INDEX:
            yield folder
        for ending in _ENDINGS:
            if key.lower().endswith(ending):
                bare = key[: -len(ending)]
                yield bare
                yield from (bare + other for other in _ENDINGS if other != ending)

    def judge(self, page: Page, link: Link, *, is_picture: bool) -> BrokenLink | str | None:
        """What is broken; else the page it leads to, "outside ..." for what nobody knows, None for nothing to check."""
        target = link.target.strip()
        if not target:
            return None if is_picture else _broken(page, link, "malformed", "the link is empty", "")
        try:
            parts = urlsplit(target)
            port_is_bad = parts.port is not None and not 0 < parts.port < 65536
        except ValueError:
            return _broken(page, link, "malformed", "this is no address", "")
        if port_is_bad or " " in target or "\\" in parts.path:
            return _broken(page, link, "malformed", "this is no address", target.replace(" ", "%20").replace("\\", "/"))
        if parts.scheme.lower() in _OTHER_SCHEMES or (parts.scheme and parts.scheme.lower() not in ("http", "https")):
            return None
        if (parts.scheme or target.startswith("//")) and parts.netloc.lower() != self._host:
            return self._outside(page, link, target)
        if parts.scheme == "http" and (self._base or "").startswith("https:"):
            return _broken(page, link, "insecure", "the site is served by https", "https" + target[4:])
        return self._inside(page, link, parts.path, parts.fragment, is_picture)

    def _outside(self, page: Page, link: Link, target: str) -> BrokenLink | str:
        status = self._statuses.get(target, self._statuses.get(target.partition("#")[0]))
        if status is None:
            return f"outside {target}"
        if status == 0 or status >= 400:
            said = f"answers {status}" if status else "does not answer"
            return _broken(page, link, "outside", said, "")
        return ""

    def _inside(self, page: Page, link: Link, path: str, fragment: str, is_picture: bool) -> BrokenLink | str | None:
        if not path:
            found: Page | None = page
            key = self.key(page.path)
        else:
            prefix = urlsplit(self._base).path if self._base and "://" in link.target else ""
            here = urljoin(f"{_OWN}/{self.key(page.path)}", page.base or "")
            whole = urlsplit(urljoin(here, path.removeprefix(prefix) or "/")).path
            if page.path.endswith("/") and not path.startswith("/") and not page.base:
                whole = urlsplit(urljoin(f"{_OWN}/{self.key(page.path)}/", path)).path
            key = self.key(whole)
            found = self._by_key.get(key)
        if found is None:
            return self._not_there(page, link, key, is_picture)
        if fragment and found.format != "text" and not self._has(found, fragment):
            near = difflib.get_close_matches(unquote(fragment), sorted(found.anchors)[:500], 1, 0.6)
            return _broken(page, link, "no_anchor", f"{found.path} has no {fragment!r}", f"#{near[0]}" if near else "")
        return found.path

    @staticmethod
    def _has(page: Page, fragment: str) -> bool:
        wanted = unquote(fragment)
        return wanted.lower() == "top" or wanted.startswith(":~:") or wanted in page.anchors or fragment in page.anchors

    def _not_there(self, page: Page, link: Link, key: str, is_picture: bool) -> BrokenLink | str | None:
        if key in self._files:
            return ""
        name = key.rpartition("/")[2]
        is_file = is_picture or ("." in name and not name.lower().endswith(_ENDINGS))
        if same := self._lower.get(key.lower()):
            return _broken(page, link, "wrong_case", "the name is written otherwise", f"/{same}")
        if is_file and not self._knows_files:
            return None
        return _broken(page, link, "no_file" if is_file else "no_page", f"there is no /{key}", self._near(key))

    def _near(self, key: str) -> str:
        """The page of the same name elsewhere, else the one written most alike."""
        self._suggested += 1
        if self._suggested > _MAX_SUGGESTED:
            return ""
        name = key.rpartition("/")[2].rpartition(".")[0] or key.rpartition("/")[2]
        for other in self.pages:
            there = self.key(other.path).rpartition("/")[2]
            if name and there.lower() in (name.lower(), *(name.lower() + ending for ending in _ENDINGS)):
                return f"/{self.key(other.path)}"
        near = difflib.get_close_matches(key, [self.key(other.path) for other in self.pages[:1000]], 1, 0.7)
        return f"/{near[0]}" if near else ""


def _broken(page: Page, link: Link, kind: str, problem: str, suggestion: str) -> BrokenLink:
    return BrokenLink.model_validate(
        {
            "page": page.path, "link": link.target[:500], "text": link.text, "line": link.line, "kind": kind,
            "problem": problem, "suggestion": suggestion,
        }
    )  # fmt: skip

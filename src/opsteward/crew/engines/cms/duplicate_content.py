"""Pages that say nearly the same: phrases of five words compared, menus and footers left out."""

from __future__ import annotations

import re
import zlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from opsteward.crew.catalogue.cms import DuplicateContent, DuplicateGroup, DuplicateReport, SharedField
from opsteward.crew.catalogue.declaring import DataUsed
from opsteward.crew.engines.arrays import Ints, np
from opsteward.crew.engines.cms.pages import Page, read_pages

_PHRASE = 5  # words
_HASHES, _BANDS = 96, 24  # four hashes a band: pairs from about a half alike on are compared
_BOILERPLATE = 0.3  # of the pages
_PRIME = (1 << 31) - 1
_MAX_PHRASES = 20_000  # of a page
_MAX_IN_BAND = 400
_SEED = 17
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class _Text:
    """A page's text without menus: words, a mark of all of them, and phrases where there are enough to compare."""

    words: int
    mark: int
    phrases: Ints | None


def run(parameters: DuplicateContent) -> DuplicateReport:
    """The largest groups first."""
    pages = read_pages(parameters.pages)
    menus = _menus(pages)
    notes: list[str] = []
    texts: list[_Text] = []
    for page in pages:
        words = _WORD.findall(" ".join(block for block in page.blocks if block not in menus).lower())
        phrases = _phrases(words) if len(words) >= parameters.min_words else None
        texts.append(_Text(len(words), zlib.crc32(" ".join(words).encode()), phrases))
    compared = {place: one.phrases for place, one in enumerate(texts) if one.phrases is not None}
    if len(compared) < len(pages):
        few = f"{len(pages) - len(compared)} pages with fewer than {parameters.min_words} words"
        notes.append(f"{few} were not compared")
    pairs = _alike(compared, parameters.similarity)
    groups = _groups(pages, texts, pairs)
    shared = _shared(pages)
    return DuplicateReport(
        summary=f"{sum(len(group.pages) for group in groups)} of {len(pages)} pages are in {len(groups)} groups of "
        f"nearly the same text; {len(shared)} titles, headings or descriptions are shared.",
        data_used=DataUsed(rows=len(pages), fields=["content"]),
        notes=notes,
        groups=groups,
        shared=shared,
        boilerplate_blocks=len(menus),
    )


def _menus(pages: Sequence[Page]) -> frozenset[str]:
    """Blocks on many pages; of few pages nothing can be told."""
    if len(pages) < 5:
        return frozenset()
    counts = Counter(block for page in pages for block in set(page.blocks))
    most = max(3, _BOILERPLATE * len(pages))
    return frozenset(block for block, count in counts.items() if count > most and len(block) < 400)


def _phrases(words: Sequence[str]) -> Ints:
    if len(words) < _PHRASE:
        return np.array([zlib.crc32(" ".join(words).encode())], dtype=np.int64)
    found = {
        zlib.crc32(" ".join(words[place : place + _PHRASE]).encode())
        for place in range(min(len(words) - _PHRASE + 1, _MAX_PHRASES))
    }
    return np.array(sorted(found), dtype=np.int64)


def _alike(phrases: dict[int, Ints], least: float) -> dict[tuple[int, int], float]:
    """Pairs from the share on: found by equal bands of small hashes, then measured."""
    dice = np.random.default_rng(_SEED)
    factors = dice.integers(1, _PRIME, _HASHES, dtype=np.int64)
    shifts = dice.integers(0, _PRIME, _HASHES, dtype=np.int64)
    bands: defaultdict[tuple[int, bytes], list[int]] = defaultdict(list)
    for place, known in phrases.items():
        small = (known % _PRIME)[:, None]
        marks = np.empty(_HASHES, dtype=np.int64)
        for part in range(0, _HASHES, 16):  # in pieces: a long page has many phrases
            marks[part : part + 16] = ((small * factors[part : part + 16] + shifts[part : part + 16]) % _PRIME).min(
                axis=0
            )
        for band, piece in enumerate(marks.reshape(_BANDS, -1)):
            bands[band, piece.tobytes()].append(place)
    found: dict[tuple[int, int], float] = {}
    for places in bands.values():
        kept = places[:_MAX_IN_BAND]
        for number, one in enumerate(kept):
            for other in kept[number + 1 :]:
                if (one, other) not in found:
                    found[one, other] = _share(phrases[one], phrases[other])
    return {pair: share for pair, share in found.items() if share >= least}


def _share(one: Ints, other: Ints) -> float:
    common = len(np.intersect1d(one, other, assume_unique=True))
    return common / (len(one) + len(other) - common)


def _groups(pages: Sequence[Page], texts: Sequence[_Text], pairs: dict[tuple[int, int], float]) -> list[DuplicateGroup]:
    """Pages that hang together."""
    leader = {place: place for pair in pairs for place in pair}

    def first(place: int) -> int:
        while leader[place] != place:
            leader[place] = leader[leader[place]]
            place = leader[place]
        return place

    for one, other in pairs:
        leader[first(one)] = first(other)
    members: defaultdict[int, list[int]] = defaultdict(list)
    for place in leader:
        members[first(place)].append(place)
    found = []
    for group in members.values():
        group.sort(key=lambda place: (-texts[place].words, pages[place].path))
        inside = [share for (one, _), share in pairs.items() if first(one) == first(group[0])]
        found.append(
            DuplicateGroup(pages=[pages[place].path for place in group], similarity=min(inside),
                           identical=len({(texts[place].words, texts[place].mark) for place in group}) == 1)
        )  # fmt: skip
    found.sort(key=lambda group: (-len(group.pages), -group.similarity, group.pages[0]))
    return found


def _shared(pages: Sequence[Page]) -> list[SharedField]:
    found: list[SharedField] = []
    for field in ("title", "description", "h1"):
        by_value: defaultdict[str, list[str]] = defaultdict(list)
        for page in pages:
            said = {
                "title": page.title or "",
                "description": page.metadata.get("description", ""),
                "h1": next((text for level, text in page.headings if level == 1), ""),
            }[field]
            if said.strip():
                by_value[" ".join(said.split())].append(page.path)
        found += [
            SharedField.model_validate({"field": field, "value": value[:300], "pages": paths[:200]})
            for value, paths in by_value.items()
            if len(paths) > 1
        ]
    found.sort(key=lambda one: -len(one.pages))
    return found

"""How hard pages are to read: Flesch's formula as fitted to each language, and the sentences to shorten."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Literal

from opsteward.crew.catalogue.cms import PageReadability, Readability, ReadabilityReport
from opsteward.crew.catalogue.declaring import DataUsed
from opsteward.crew.engines.cms.pages import Page, read_pages

Level = Literal["very easy", "easy", "plain", "hard", "very hard", "too short"]
_MIN_WORDS = 40
_LISTED = 5
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_SENTENCE = re.compile(r"(?<=[.!?…])[\"'»”)]?\s+(?=[\"'«„“(¿¡]?[A-ZÄÖÜÀ-ÞŒ0-9])")
_SHORT = re.compile(
    r"\b(?:e\.g|i\.e|etc|vs|Mr|Mrs|Ms|Dr|Prof|St|No|Nr|z\.B|d\.h|bzw|usw|ca|p\.ex|Sr|Sra|Inc|Ltd|Co|Fig|approx)\.",
    re.IGNORECASE,
)
#: Words that are in every text of the language, and in few of the others.
_COMMON = {
    "en": "the and of to in is that for it with as was on are this be by have you not",
    "de": "der die und das nicht ist ein eine den mit sich auf für von dem zu im auch werden wird",
    "fr": "le la les et des est une dans que pour pas qui sur du au avec sont vous ce par",
    "es": "el los las y de que en un una es por con para no se del al como más su",
    "it": "il di che e la per un è non sono con del della una le gli nel questo anche più",
    "nl": "de het een en van is dat op te voor niet met zijn aan er om ook als bij door",
}
_VOWELS = "aeiouyäöüàâæéèêëîïôœùûÿáíóúìò"
_GROUPS = re.compile(f"[{_VOWELS}]+")
#: Ease from words a sentence and syllables a word.
_FORMULAS: dict[str, tuple[str, Callable[[float, float], float]]] = {
    "en": ("Flesch", lambda length, syllables: 206.835 - 1.015 * length - 84.6 * syllables),
    "de": ("Flesch, Amstad", lambda length, syllables: 180 - length - 58.5 * syllables),
    "fr": ("Flesch, Kandel and Moles", lambda length, syllables: 207 - 1.015 * length - 73.6 * syllables),
    "es": ("Flesch, Fernández Huerta", lambda length, syllables: 206.84 - 1.02 * length - 60 * syllables),
    "it": ("Flesch, Vacca", lambda length, syllables: 217 - 1.3 * length - 60 * syllables),
    "nl": ("Flesch, Douma", lambda length, syllables: 206.84 - 0.93 * length - 77 * syllables),
}


def run(parameters: Readability) -> ReadabilityReport:
    """The hardest first; pages of too few words last."""
    pages = [_page(page, parameters) for page in read_pages(parameters.pages)]
    pages.sort(key=lambda one: (one.ease is None, one.ease or 0.0, one.page))
    told = [one for one in pages if one.ease is not None]
    below = [one for one in told if (one.ease or 0.0) < parameters.wanted_ease]
    notes = []
    if unknown := [one.page for one in pages if one.language == "unknown"]:
        notes.append(f"the language of {len(unknown)} pages is not known: they are measured by word length (LIX)")
    hardest = f" The hardest is {below[0].page} ({below[0].ease:.0f})." if below else ""
    return ReadabilityReport(
        summary=f"{len(below)} of {len(told)} pages are harder to read than wanted ({parameters.wanted_ease:g})."
        + hardest,
        data_used=DataUsed(rows=len(pages), fields=["content"]),
        notes=notes,
        pages=pages,
        below_wanted=len(below),
    )


def _page(page: Page, parameters: Readability) -> PageReadability:
    sentences = [part for block in page.blocks for part in _sentences(block)]
    words = [_WORD.findall(sentence) for sentence in sentences]
    # Menus, headings and items of lists are no sentences: they would make any page easy.
    kept = [place for place, one in enumerate(words) if len(one) >= 4 or sentences[place][-1:] in ".!?"]
    count = sum(len(words[place]) for place in kept)
    language = parameters.language or _language(page, [word.lower() for one in words for word in one])
    long = sorted(
        (place for place in kept if len(words[place]) > parameters.long_sentence), key=lambda place: -len(words[place])
    )
    length = count / len(kept) if kept else 0.0
    ease, formula = None, "none"
    if count >= _MIN_WORDS:
        flat = [word for place in kept for word in words[place]]
        if language in _FORMULAS:
            formula, formula_of = _FORMULAS[language]
            ease = formula_of(length, sum(map(_syllables, flat)) / count)
        else:  # Björnsson's LIX (20 easy to 60 hard) on the same scale
            formula = "LIX"
            ease = 100 - (length + 100 * sum(len(word) > 6 for word in flat) / count - 20) * 2.2
        ease = round(min(max(ease, 0.0), 100.0), 1)
    return PageReadability(
        page=page.path, language=language, words=count, sentences=len(kept), words_a_sentence=round(length, 1),
        ease=ease, formula=formula, level=_level(ease),
        long_sentences=[sentences[place][:400] for place in long[:_LISTED]],
        advice=_advice(page, length, ease, len(long)),
    )  # fmt: skip


def _sentences(block: str) -> list[str]:
    hidden = _SHORT.sub(lambda match: match[0].replace(".", "\0"), block)
    return [part.replace("\0", ".").strip() for part in _SENTENCE.split(hidden) if part.strip()]


def _language(page: Page, words: Sequence[str]) -> str:
    said = (page.language or "")[:2].lower()
    if said in _FORMULAS:
        return said
    sample = words[:5000]
    counts = {name: sum(word in common for word in sample) for name, common in _WORDS.items()}
    best = max(counts, key=lambda name: counts[name])
    return best if sample and counts[best] >= 0.08 * len(sample) else said or "unknown"


_WORDS = {name: frozenset(common.split()) for name, common in _COMMON.items()}


@lru_cache(maxsize=50_000)
def _syllables(word: str) -> int:
    """Groups of vowels; a silent e at the end is none, where it follows a consonant."""
    low = word.lower()
    count = len(_GROUPS.findall(low))
    if low.endswith("e") and not low.endswith("le") and count > 1 and low.isascii() and low[-2:-1] not in _VOWELS:
        count -= 1
    return max(1, count)


def _level(ease: float | None) -> Level:
    if ease is None:
        return "too short"
    return (
        "very easy" if ease >= 80 else "easy" if ease >= 60 else "plain" if ease >= 45 else "hard" if ease >= 30
        else "very hard"
    )  # fmt: skip


def _advice(page: Page, length: float, ease: float | None, long: int) -> list[str]:
    if ease is None:
        return []
    advice = []
    if length > 22:
        advice.append(f"shorten sentences: {length:.0f} words on average")
    if long:
        advice.append(f"split {long} long sentence{'s' if long > 1 else ''}")
    if ease < 45 and length <= 22:
        advice.append("use shorter words: the sentences are not what makes it hard")
    blocks = [len(block.split()) for block in page.blocks]
    if max(blocks, default=0) > 150:
        advice.append(f"divide the paragraph of {max(blocks)} words")
    if sum(blocks) > 600 and len(page.headings) < 2:
        advice.append("add headings: there is no place to rest the eye")
    return advice

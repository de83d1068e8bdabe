"""Passages for questions: by words, headings and meaning, over several corpora, of pages that may be read."""

from __future__ import annotations

from itertools import pairwise

import pytest

from opsteward.help.answering import confidence, quoted_of
from opsteward.help.chunking import CHUNK_CHARACTERS, Section, chunks_of
from opsteward.help.corpus import JoinedCorpora, MemoryCorpus
from opsteward.help.indexing import index_texts
from opsteward.help.postings import moved, read_postings
from opsteward.help.quoting import QUOTE_LIMIT, quote_of
from opsteward.help.search import Findings, search
from opsteward.help.words import terms

PAGES = {
    "restore": ("Restoring a backup", "Run pg_restore on the standby. Tell the person on call afterwards."),
    "coffee": ("Coffee machine", "Descale it every month with vinegar."),
    "pumps": ("Pumps", "The pumps stand in the cellar. Their max_pressure is 6 bar."),
    "leave": ("Holidays", "Everybody has thirty days of vacation a year, asked for in the portal."),
}


def corpus(names: list[str] | None = None) -> MemoryCorpus:
    chosen = names or list(PAGES)
    return MemoryCorpus(index_texts([(n, PAGES[n][0], [Section((PAGES[n][0],), "", PAGES[n][1])]) for n in chosen]))


@pytest.mark.parametrize(
    ("question", "page"),
    [
        ("how do we restore the database?", "restore"),
        ("where are the pumps?", "pumps"),
        ("what is the max pressure of a pump", "pumps"),
        ("how many days off do I get each year", "leave"),
        ("cleaning the espresso machine", "coffee"),
    ],
)
async def test_the_right_page_is_first(question: str, page: str) -> None:
    hits = (await search(corpus(), question)).hits
    assert hits[0].chunk.name == page


async def test_several_corpora_are_searched_as_one() -> None:
    together = JoinedCorpora([corpus(["coffee", "pumps"]), corpus(["restore", "leave"])])
    for name in PAGES:
        assert (await search(together, PAGES[name][1])).hits[0].chunk.name == name


async def test_a_page_that_may_not_be_read_is_not_found() -> None:
    readable = corpus()
    readable.tokens[readable.names.index("pumps")] = 0
    assert "pumps" not in [hit.chunk.name for hit in (await search(readable, "where are the pumps?")).hits]


async def test_what_nobody_wrote_down_is_not_known() -> None:
    assert confidence(await search(corpus(), "what is the capital of France?")) < 0.5
    assert confidence(Findings([])) < 0.5


async def test_an_answer_quotes_its_sources() -> None:
    question = "where do the pumps stand?"
    [first, *_] = quoted_of(question, await search(corpus(), question)).citations
    assert (first.title, first.quote) == ("Pumps", PAGES["pumps"][1])


def test_a_quote_is_what_holds_the_words() -> None:
    text = "Nothing to see here at all. " * 40 + "The vault key lies with Grace. " + "More of nothing. " * 40
    quote = quote_of("who has the vault key", text, {})
    assert "The vault key lies with Grace." in quote
    assert len(quote) <= QUOTE_LIMIT + 2


def test_a_quote_is_where_the_rare_words_stand() -> None:
    text = "The pump of the plant is run by the plant. " * 20 + "Grease the sprocket. " + "The plant has a pump. " * 20
    weights = {"pump": 0.2, "plant": 0.1, "sprocket": 5.0}
    assert "Grease the sprocket." in quote_of("pump of the plant: sprocket", text, weights)


def test_identifiers_are_found_whole_and_in_parts() -> None:
    assert terms("max_connections of PostgreSQL") == ["max_connections", "max", "connect", *terms("PostgreSQL")]
    assert terms("the user's HTTPServer") == ["user", "httpserver", "http", "server"]


def test_long_sections_are_cut_at_sentences_and_overlap() -> None:
    text = " ".join(f"This is sentence number {n}." for n in range(200))
    chunks = list(chunks_of([Section(("A",), "a", text)]))
    assert all(len(chunk.text) <= CHUNK_CHARACTERS for chunk in chunks)
    assert all(chunk.text.endswith(".") for chunk in chunks)
    for before, after in pairwise(chunks):
        assert after.text[:40] in before.text


def test_postings_of_a_later_batch_have_higher_numbers() -> None:
    packed = index_texts([("a", "A", [Section((), "", "one two")])]).postings
    later = dict(moved(packed, 7))
    assert read_postings(later["two"])["chunk"].tolist() == [7 << 10]
    assert read_postings(packed["two"])["chunk"].tolist() == [0]

"""What is remembered for the shape of a text is what would be found without it."""

from __future__ import annotations

import random
import re

import pytest

from opsteward.core.json_types import JsonObject
from opsteward.events import templates
from opsteward.events.classification import classify, rule_set
from opsteward.events.fingerprint import mask, variables
from opsteward.events.remembered_classification import classify_remembered, parts_where_digits_tell
from opsteward.events.structured_text import text_of
from opsteward.events.text_shapes import PartsByShape, Remembered

PIECES = (
    "Failed password for user7 from 10.0.3.77 port 4022 ssh2",
    "GET /orders/1234 HTTP/1.1 500 in 17 ms",
    '"GET /wp-login.php?c99=r57 HTTP/1.1" 404 1023',
    "disk /dev/sd1 is 97% full",
    "permission denied (errno 13)",
    "5.7.8 535 authentication failed",
    "sqlstate[23505]: duplicate key 4711",
    "..%2f..%2fetc/passwd",
    "%41%42 decoded",
    "0x1f and 1x1f at 1700000000",
    "took 1.5s of 20 ms at 12:30:45",
    "status=503 code=17 id=a7f3c2d1e0b94455",
    "HNAP1 probe, {{7*7}}",
    "2026-01-02T03:04:05Z fe80::1 00:11:22:33:44:55",
    "user bob (uid=0) logged in as root123",
    "can't reach db12.example.com: timed out after 30 seconds",
    "Http404Error: 0 errors found",
    "ＳＴＡＴＵＳ ５００ ٣ 9",
    "'quoted 12 text' and `other 3`",
    '{"message": "order 12 failed with status 500"}',
    "query[A] host9 from 10.1.2.3",
    "cron[812]: (root) cmd run 5",
    "id=1' u%6eion select password from users",
    "status 5 at ~1x1f~ lost",
)
CONTEXTS: tuple[JsonObject, ...] = (
    {},
    {"host": "h9"},
    {"status": 404},
    {"status_code": "503", "code": "23505"},
    {"code": 7},
    {"fields": ["a"]},
    {"fields": []},
)


def _lines(dice: random.Random, shapes: int) -> list[str]:
    """Each shape several times, with other digits; every tenth is changed elsewhere as well."""
    found = []
    for _ in range(shapes):
        line = dice.choice((" ", ", ", ": ", "  ", "\t")).join(dice.sample(PIECES, dice.randint(1, 3)))
        for _ in range(6):
            made = re.sub("[0-9]", lambda match: dice.choice(("0", "1", match[0], dice.choice("23456789"))), line)
            if dice.random() < 0.1:
                place = dice.randrange(len(made))
                made = made[:place] + dice.choice("/%:.=x0'\"[ ") + made[place + dice.randint(0, 1) :]
            found.append(made)
    dice.shuffle(found)
    return found


@pytest.mark.parametrize("seed", range(4))
def test_names_are_found_as_without_a_memory(seed: int) -> None:
    for line in _lines(random.Random(seed), 150):
        assert variables(line) == templates._found_variables(" ".join(text_of(line).split())), line


@pytest.mark.parametrize("seed", range(4))
def test_an_event_is_judged_as_without_a_memory(seed: int) -> None:
    dice = random.Random(seed)
    for line in _lines(dice, 100):
        context, severity = dice.choice(CONTEXTS), dice.choice((None, "high"))
        for kind in (None, "Http404Error"):
            given = {"error_type": kind, "message": line, "stack_trace": None, "context": context}
            found = classify_remembered(**given, severity=severity, alert=False)
            assert found == classify(**given, severity=severity, alert=False), given


@pytest.mark.parametrize("seed", range(4))
def test_a_token_is_masked_as_without_a_memory(seed: int) -> None:
    for line in _lines(random.Random(seed), 100):
        for token in line.split():
            assert templates._by_token[token] == templates._mask_token(token, digits_count=True), token


@pytest.mark.parametrize("seed", range(4))
def test_a_template_is_that_of_a_process_that_has_seen_nothing(seed: int) -> None:
    for line in _lines(random.Random(seed), 40):
        known = mask(line)
        kept = (templates._by_shape, templates._by_token, templates._rows, templates._lines)
        before = [dict(memory) for memory in kept]
        for memory in kept:
            memory.clear()
        assert mask(line) == known, line
        for memory, entries in zip(kept, before, strict=True):
            memory.update(entries)  # type: ignore[arg-type]


def test_where_a_pattern_names_a_digit_it_tells() -> None:
    assert parts_where_digits_tell(r"/(?:c99|hnap1)\b|\[\d{1,9}\] [<0-9a-z] (?:x){2,}") == ["c99", "hnap1"]
    assert parts_where_digits_tell(r"port [13]\d") == ["0"]
    for _, pattern, _ in rule_set().patterns:  # one that no text goes by its shape for would make a memory useless
        assert "0" not in parts_where_digits_tell(pattern.pattern), pattern.pattern


def test_what_is_no_part_of_the_text_is_found_anew_each_time() -> None:
    calls: list[str] = []

    def doubled(text: str) -> list[str]:
        calls.append(text)
        return [text * 2]

    find = PartsByShape(doubled, re.compile(b"never"))
    assert [find(f"n {n}") for n in range(5)] == [[f"n {n}" * 2] for n in range(5)]


def test_a_part_is_looked_up_once_its_shape_is_known() -> None:
    calls: list[str] = []

    def numbers(text: str) -> list[str]:
        calls.append(text)
        return [*re.findall("[0-9]+", text), "said"]

    find = PartsByShape(numbers, re.compile(b"never"))
    texts = [f"job {n} of {n + 7} on db{n % 3}" for n in range(100, 160)]
    assert [find(text) for text in texts] == [[*re.findall("[0-9]+", text), "said"] for text in texts]
    assert len(calls) < 10


def test_a_memory_forgets_when_it_is_full() -> None:
    memory: Remembered[int, int] = Remembered(3)
    for number in range(10):
        memory.keep(number, number)
    assert len(memory) <= 3

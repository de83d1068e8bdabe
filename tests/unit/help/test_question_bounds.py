"""What a question denies, leaves out and compares with."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.resources import files

import pytest
import yaml

from opsteward.help.live.glossary import in_english
from opsteward.help.live.question import Question

NOW = datetime(2026, 3, 18, 14, 30, tzinfo=UTC)  # a Wednesday


@pytest.mark.parametrize(
    ("text", "denial"),
    [
        ("which tokens were never used?", "never"),
        ("which systems aren't critical?", "aren't"),
        ("welche Aufgaben liefen ohne Fehler?", "without"),
        ("wer hat niemals etwas genehmigt?", "never"),
        ("welche Systeme haben keine Warnung?", "no"),
        ("which incidents has nobody picked up?", ""),  # an expression of its own
        ("which locks are no longer held?", ""),
        ("which tasks failed today but not before?", ""),
        ("which incidents are open?", ""),
    ],
)
def test_what_denies(text: str, denial: str) -> None:
    assert Question.of(text, NOW).denial == denial


@pytest.mark.parametrize(
    ("text", "exception"),
    [("which systems except billing are down?", "except billing"), ("all but the portal", "all but the"),
     ("welche Systeme außer billing sind rot?", "except billing"), ("anything besides db-1?", "besides db-1"),
     ("which tasks failed today but not before", ""), ("which systems are down?", "")],
)  # fmt: skip
def test_what_is_left_out(text: str, exception: str) -> None:
    assert Question.of(text, NOW).exception == exception


@pytest.mark.parametrize(
    ("text", "comparison"),
    [
        ("did more than 3 tasks fail?", "more than 3 tasks"),
        ("which models cost over 5 dollars?", "over 5 dollars"),
        ("availability below 99 % last week", "below 99 %"),
        ("which incidents took longer than 2 hours?", "longer than 2 hours"),
        ("haben mehr als zwei Aufgaben versagt?", "more than two tasks"),
        ("are more systems healthy than down?", "more systems healthy than down"),
        ("which incidents are open for more than 2 days?", ""),  # an age
        ("tokens made more than two weeks ago", ""),
        ("users older than 30 days", ""),
        ("tasks over the last 3 days", ""),
    ],
)
def test_what_is_compared_with(text: str, comparison: str) -> None:
    assert Question.of(text, NOW).comparison == comparison


@pytest.mark.parametrize("name", ["glossary", "wording", "subjects"])
def test_words_in_files_are_words(name: str) -> None:
    """YAML reads `no` and `on` as truths, and such a word ended a question with an error."""

    def words(held: object) -> list[object]:
        if isinstance(held, dict):
            return [one for key, value in held.items() for one in (key, *words(value))]
        return [one for part in held for one in words(part)] if isinstance(held, list) else [held]

    held = yaml.safe_load((files("opsteward.help.live") / f"{name}.yaml").read_text(encoding="utf-8"))
    assert [one for one in words(held) if isinstance(one, bool) or one is None] == []


def test_german_no_and_on_are_put_into_english() -> None:
    assert in_english("welche Systeme haben am Montag kein Problem?").split()[3:] == ["on", "monday", "no", "Problem?"]

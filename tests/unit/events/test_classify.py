"""The rule engine for events: what it says, that it says why, and that no text can hurt it."""

from __future__ import annotations

import time
from typing import Any

import pytest
from classification_cases import CASES
from hypothesis import given, settings
from hypothesis import strategies as st

from opsteward.contracts.check import Severity
from opsteward.core.errors import Invalid
from opsteward.events.classification import Category, classify, load_rules, severity_of
from opsteward.events.text_phrases import PhraseIndex, words_of


def test_the_documented_example_holds() -> None:
    found = classify(error_type="ValidationError", message="Invalid email format", context={"field": "email"})
    assert (found.category, found.severity, found.user_facing) == ("validation_error", "low", True)
    assert found.engine == "rules"
    assert 0 < found.confidence <= 1


@pytest.mark.parametrize(("error_type", "message", "category"), CASES)
def test_events_of_everyday_systems(error_type: str | None, message: str, category: str) -> None:
    found = classify(error_type=error_type, message=message)
    assert found.category == category, found
    assert found.user_facing == (category == "validation_error")


def test_the_result_names_a_rule_of_the_file_and_its_reason() -> None:
    found = classify(error_type=None, message="Out of memory: killed process 12")
    rule = next(rule for rule in load_rules("classification.yaml")["rules"] if rule["id"] == found.rule_id)
    assert found.reason == rule["why"]
    assert found.severity == rule["severity"] == Severity.HIGH


def test_rule_file_is_sound() -> None:
    rules = load_rules("classification.yaml")["rules"]
    ids = [rule["id"] for rule in rules]
    assert len(ids) == len(set(ids))
    conditions = {"phrases", "types", "patterns", "status", "sqlstate", "context"}
    for rule in rules:
        assert {"id", "category", "severity", "weight", "why"} <= rule.keys(), rule["id"]
        assert rule.keys() & conditions, rule["id"]
        assert rule.keys() <= conditions | {"id", "category", "severity", "weight", "why"}, rule["id"]
        assert 86 <= rule["weight"] < 100, rule["id"]


@pytest.mark.parametrize(
    ("context", "message", "category"),
    [
        ({"status_code": 503}, "request finished", Category.SYSTEM_ERROR),
        ({"status": "422"}, "request finished", Category.VALIDATION_ERROR),
        ({"http_status": 403}, "request finished", Category.SECURITY_ISSUE),
        ({"status": 204}, "request finished", Category.IGNORABLE),
        ({"sqlstate": "40P01"}, "statement ended", Category.SYSTEM_ERROR),
        ({"pgcode": "23505"}, "statement ended", Category.VALIDATION_ERROR),
        ({"sqlstate": "28P01"}, "statement ended", Category.SECURITY_ISSUE),
        ({"field": "postcode"}, "hm", Category.VALIDATION_ERROR),
        ({"status": {"nested": 1}, "code": ["x"], "sqlstate": None}, "all well", Category.IGNORABLE),
        ({"status": 10**5_000, "code": True}, "all well", Category.IGNORABLE),
    ],
)
def test_the_context_counts(context: dict[str, Any], message: str, category: Category) -> None:
    assert classify(error_type=None, message=message, context=context).category is category


def test_a_vague_error_is_known_by_its_stack_trace() -> None:
    stack = (
        "Traceback (most recent call last):\n"
        '  File "/srv/app/validation/login.py", line 3, in check_password\n'
        "    query()\n"
        "sqlalchemy.exc.OperationalError: (psycopg.OperationalError) connection refused\n"
    )
    assert classify(error_type="Boom", message="something", stack_trace=stack).category == "system_error"


def test_what_no_rule_knows_is_kept_in_view_only_if_it_is_an_error() -> None:
    plain = classify(error_type=None, message="the quick brown fox")
    assert (plain.category, plain.rule_id) == ("ignorable", "default.no_trouble")
    error = classify(error_type="Frobnicated", message="the quick brown fox")
    assert (error.category, error.rule_id) == ("system_error", "default.unknown_error")
    assert classify(error_type=None, message="the brown fox", severity="critical").category == "system_error"
    assert plain.confidence < 0.5 > error.confidence


def test_disagreement_lowers_confidence() -> None:
    alone = classify(error_type=None, message="deadlock detected")
    disputed = classify(error_type=None, message="deadlock detected after login failed for user bob")
    assert disputed.confidence < alone.confidence


@pytest.mark.parametrize(
    ("given_severity", "severity"),
    [
        ("critical", "high"),
        ("FATAL", "high"),
        (" emerg ", "high"),
        ("P1", "high"),
        ("sev2", "high"),
        (1, "high"),
        ("error", "medium"),
        ("Warning", "medium"),
        ("P3", "medium"),
        (3, "medium"),
        ("info", "low"),
        ("debug", "low"),
        ("5", "low"),
        ("notice", "low"),
        ("low", "low"),
        ("medium", "medium"),
        ("high", "high"),
    ],
)
def test_senders_severities_map_by_the_table(given_severity: str | int, severity: str) -> None:
    assert severity_of(given_severity) == severity
    assert classify(error_type=None, message="out of memory", severity=str(given_severity)).severity == severity


def test_an_unknown_severity_is_refused_with_the_known_ones() -> None:
    with pytest.raises(Invalid) as caught:
        classify(error_type=None, message="x", severity="purple")
    (problem,) = caught.value.problems
    assert problem.field == "severity"
    assert "low, medium, high" in problem.remedy


def test_scales_agree_where_they_use_the_same_word() -> None:
    seen: dict[str, str] = {}
    for scale in load_rules("severity.yaml")["scales"]:
        for severity, words in scale["maps"].items():
            for word in words:
                assert seen.setdefault(word, severity) == severity, word


@settings(deadline=None)
@given(st.one_of(st.none(), st.text()), st.text(), st.one_of(st.none(), st.text()))
def test_any_text_is_classified_the_same_way_each_time(
    error_type: str | None, message: str, stack_trace: str | None
) -> None:
    first = classify(error_type=error_type, message=message, stack_trace=stack_trace)
    assert first == classify(error_type=error_type, message=message, stack_trace=stack_trace)
    assert 0 <= first.confidence <= 1


@pytest.mark.parametrize(
    "unit", ["a", "(", '"', "'", "%25", "failed ", "../", "' or ", "error error ", "aB", "%", "{{", "\x00", "é"]
)
def test_a_megabyte_of_hostile_text_costs_little(unit: str) -> None:
    text = (unit * 1_000_000)[:1_000_000]
    classify(error_type="warm", message="up")
    started = time.process_time()
    classify(error_type=text, message=text, stack_trace=text, context={"status": text, "code": text})
    assert time.process_time() - started < 1.0  # it takes some milliseconds


# ---------------------------------------------------------------- phrases


@pytest.mark.parametrize(
    ("phrase", "text", "found"),
    [
        ("out of memory", "Out of memory", True),
        ("out of memory", "OutOfMemoryError: heap", True),
        ("out of memory", "out-of-memory", True),
        ("out of memory", "out of the memory", False),
        ("fail*", "it failed", True),
        ("fail*", "it fai", False),
        ("(log in|login) failed", "log in failed", True),
        ("login .. failed", "login of user bob failed", True),
        ("login .. failed", "login a b c d e f failed", False),
        ("was (not )?found", "was found", True),
        ("was (not )?found", "was not found", True),
        ("doesnt exist", "it doesn't exist", True),
        ("(a (very )?bad|wrong) day", "A very bad day", True),
        ("status 503", "status: 503", True),
        ("status 503", "status 10.0.0.503", False),
    ],
)
def test_phrases(phrase: str, text: str, found: bool) -> None:
    assert (PhraseIndex([(1, phrase)]).ranks(words_of(text)) == {1}) is found


@pytest.mark.parametrize("phrase", ["", "(a|b", "a b)", "(a)?", "..", "ab*", "A b", "a [b]"])
def test_phrases_that_cannot_be_read_are_refused(phrase: str) -> None:
    with pytest.raises(ValueError, match="phrase"):
        PhraseIndex([(1, phrase)])


@pytest.mark.parametrize("error_type", [f"T{seed:08x}" for seed in range(0, 2**32, 2**32 // 17)])
def test_what_its_sender_calls_bad_is_not_ignorable_for_its_words(error_type: str) -> None:
    judged = classify(error_type=error_type, message="Slow", severity="medium")
    assert (judged.category, judged.severity) != (Category.IGNORABLE, Severity.MEDIUM)


@pytest.mark.parametrize(
    "message",
    [
        "QueueIsLong\n150 orders wait", "Checkout slow", "invalid replica count", "OrdersMissing",
        "input lag of topic orders",
        "form submissions dropped", "empty cart rate above 40 %", "request field age", "Backup has not been made",
    ],
)  # fmt: skip
def test_an_alert_is_no_mistake_of_a_visitor_for_its_words(message: str) -> None:
    judged = classify(error_type=None, message=message, alert=True)
    assert judged.category not in (Category.IGNORABLE, Category.VALIDATION_ERROR) or judged.engine == "rules", judged

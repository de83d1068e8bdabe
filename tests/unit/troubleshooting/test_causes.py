"""Which findings are causes, which follow from them, and when no cause is clear."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from opsteward.core.json_types import JsonObject
from opsteward.troubleshooting.causes import (
    LIKELY,
    Surroundings,
    causes_of,
    hypotheses_of,
    in_words,
    is_symptom,
)
from opsteward.troubleshooting.diagnosis import mended
from opsteward.troubleshooting.models import Session
from opsteward.troubleshooting.types import Cause, DiagnosticReport, Issue

DATABASE, PROCESSES, WEB, OTHER = (UUID(int=number) for number in range(1, 5))
NAMES = {DATABASE: "database", PROCESSES: "processes", WEB: "web", OTHER: "other"}
NEEDS = {WEB: [DATABASE, PROCESSES]}


def issue(type_: str, system: UUID, rank: int, **more: Any) -> Issue:
    given: dict[str, Any] = {
        "id": f"{type_}-{system.int}",
        "type": type_,
        "severity": "high",
        "title": type_,
        "description": f"{type_} is seen",
        "detected_by": f"check.{type_}",
        "evidence": {},
        "component": "",
        "confidence": 0.95,
        "cause_rank": rank,
        "system_id": system,
        "system": NAMES[system],
        "system_type": "service",
        "fixes": [],
    }
    return Issue(**(given | more))


def by_type(causes: list[Cause]) -> dict[str, Cause]:
    return {cause.type: cause for cause in causes}


def test_a_symptom_follows_from_what_its_system_needs() -> None:
    found = [issue("http_error", WEB, 8), issue("lock_chain", DATABASE, 0), issue("tcp_unreachable", WEB, 6)]
    causes = causes_of(found, Surroundings(needs=NEEDS))
    assert causes[0].type == "lock_chain" and causes[0].probability > 0.9
    assert set(causes[0].explains) == {"http_error-3", "tcp_unreachable-3"}
    assert is_symptom(by_type(causes)["http_error"])
    assert is_symptom(by_type(causes)["tcp_unreachable"])


def test_two_faults_of_their_own_are_two_causes() -> None:
    found = [issue("certificate_expired", WEB, 1), issue("process_down", PROCESSES, 1), issue("http_error", WEB, 8)]
    causes = causes_of(found, Surroundings(needs=NEEDS))
    assert {cause.type for cause in causes if cause.probability >= LIKELY} == {"certificate_expired", "process_down"}
    assert "of its own" in in_words(found, causes)


def test_without_a_dependency_nothing_follows() -> None:
    found = [issue("http_error", WEB, 8), issue("process_down", OTHER, 1)]
    causes = by_type(causes_of(found, Surroundings(needs={})))
    assert causes["http_error"].follows_from is None
    assert not is_symptom(causes["http_error"])


def test_what_speaks_for_itself_is_never_a_symptom() -> None:
    found = [issue("api_contract_drift", WEB, 2), issue("process_down", PROCESSES, 1)]
    assert by_type(causes_of(found, Surroundings(needs=NEEDS)))["api_contract_drift"].follows_from is None


def test_what_came_long_after_is_hardly_the_cause() -> None:
    began = datetime(2026, 1, 1, tzinfo=UTC)
    found = [issue("http_slow", WEB, 9), issue("connection_leak", DATABASE, 1)]
    early = Surroundings(needs=NEEDS, unwell_since={WEB: began, DATABASE: began - timedelta(seconds=5)})
    late = Surroundings(needs=NEEDS, unwell_since={WEB: began, DATABASE: began + timedelta(minutes=20)})
    before, after = (by_type(causes_of(found, around))["http_slow"].probability for around in (early, late))
    assert before < after


def test_a_cause_two_steps_away_explains_too() -> None:
    needs = {OTHER: [WEB], WEB: [PROCESSES]}
    found = [
        issue("http_unreachable", OTHER, 8),
        issue("http_unreachable", WEB, 8),
        issue("process_hung", PROCESSES, 1),
    ]
    causes = causes_of(found, Surroundings(needs=needs))
    assert causes[0].type == "process_hung"
    assert all(is_symptom(cause) for cause in causes[1:])


def test_symptoms_alone_are_told_as_unclear() -> None:
    found = [issue("http_slow", WEB, 9)]
    causes = causes_of(found, Surroundings(needs=NEEDS))
    assert in_words(found, causes).startswith("no cause is clear; the likeliest is: http_slow (web,")
    assert in_words([], []) == "no cause found"


def test_a_circle_of_dependencies_ends() -> None:
    needs = {WEB: [OTHER], OTHER: [WEB]}
    found = [issue("http_error", WEB, 8), issue("http_error", OTHER, 8)]
    assert len(causes_of(found, Surroundings(needs=needs))) == 2


def test_each_hypothesis_says_how_it_is_known() -> None:
    found = [issue("http_error", WEB, 8, detected_by="web.http_status")]
    seen: list[JsonObject] = [
        {"system": "web", "check": "web.http_status", "title": "HTTP status", "status": "fail", "summary": "503",
         "evidence": {"url": "http://shop/health"}},
        {"system": "database", "check": "postgresql.locks", "title": "Lock chains", "status": "pass",
         "summary": "nobody waits", "evidence": {"query": "select ..."}},
        {"system": "processes", "check": "supervisor.processes", "title": "Processes", "status": "unknown",
         "summary": "no permission", "evidence": {}},
    ]  # fmt: skip
    report = DiagnosticReport(
        bot_name="web diagnoser", bot_type="web", issues_found=found, health_status="down", recommendations=[],
        duration=0.1, checks=seen, looked_at="2026-01-01T00:00:00Z",
    )  # fmt: skip
    around = Surroundings(needs=NEEDS, unseen={"other": "its credentials can't be read"})
    causes = causes_of(found, around)
    told = {hypothesis.status: hypothesis for hypothesis in hypotheses_of(found, causes, [report], around)}
    assert set(told) == {"supported", "refuted", "untested"}
    (claim,) = told["supported"].claims
    assert (claim.source, claim.query, claim.value) == ("web.http_status", "http://shop/health", "http_error is seen")
    assert claim.at == "2026-01-01T00:00:00Z"
    assert told["refuted"].claims[0].query == "select ..."


def test_what_a_fix_has_taken_away_is_kept_as_mended() -> None:
    expired, down = issue("certificate_expired", WEB, 1), issue("process_down", PROCESSES, 1)
    tried = [{"issue": expired.id, "status": "succeeded"}, {"issue": "another", "status": "failed"}]
    row = Session(tried=tried, issues=[expired.model_dump(mode="json"), down.model_dump(mode="json")])
    assert [(each.id, each.mended) for each in mended(row, [down])] == [(expired.id, True)]
    assert mended(row, [expired, down]) == []
    # another finding of the same part: the fix has only changed how it fails
    assert mended(row, [issue("tls_refused", WEB, 3)]) == []

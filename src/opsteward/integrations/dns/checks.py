"""Does the name have the records that it should, at every resolver, and soon enough."""

from __future__ import annotations

from typing import ClassVar

from opsteward.contracts.check import Check, CheckResult, CheckStatus, Domain
from opsteward.contracts.connector import SystemRef
from opsteward.contracts.thresholds import held_against, told
from opsteward.core.http_client import failure_kind
from opsteward.core.json_types import Json, JsonObject
from opsteward.integrations.dns.client import Answer, NoAnswer, as_written
from opsteward.integrations.dns.connector import DnsConnector


class DnsRecordsCheck(Check[DnsConnector]):
    """FAIL when no resolver answers, the name has no such record, its values are not the `expected` ones or resolvers
    differ; WARN when one of several resolvers is gone, or the answer is slow."""

    slug: ClassVar[str] = "dns.records"
    title: ClassVar[str] = "Records of the name"
    domain: ClassVar[Domain] = "network"
    health: ClassVar[bool] = True

    async def run(self, via: DnsConnector, target: SystemRef) -> CheckResult:
        found = await via.answers()
        config, what = via.config, f"{via.config.name} {via.config.record_type}"
        answers = [each for each in found if isinstance(each, Answer)]
        gone = [each for each in found if isinstance(each, NoAnswer)]
        said: list[Json] = [
            {"resolver": a.resolver, "seconds": round(a.seconds, 4), "status": a.status, "values": [*a.values]}
            for a in answers
        ]
        said += [{"resolver": n.resolver, "error": n.error.detail} for n in gone]
        evidence: JsonObject = {"name": config.name, "record_type": config.record_type, "resolvers": said}
        if not answers:
            if all(failure_kind(each.error) == "policy" for each in gone):
                raise gone[0].error  # we may not look there: that says nothing about the name
            detail = f"No resolver answers for {what}: {gone[0].error.detail}"
            return _failed("dns_unanswered", "No resolver answers", detail, what, evidence)
        seconds = max(each.seconds for each in answers)
        # those of this machine stand in for each other: only resolvers that were named have to agree
        expected = [as_written(value, config.record_type) for value in config.settings.expected]
        compared = answers if config.resolvers else answers[:1]
        if problem := _wrong(compared, expected, what):
            return _failed(problem[0], problem[1], problem[2], what, evidence, seconds)
        first = answers[0]
        values = {"answers": list(first.values), "ttl": first.ttl, "authoritative": first.authoritative}
        result = held_against(
            config.settings,
            subject="dns",
            where=what,
            said=", ".join(first.values[:4]),
            seconds=seconds,
            values=values,
            evidence=evidence,
        )
        if gone and result.status is CheckStatus.PASS:
            names = ", ".join(each.resolver for each in gone)
            detail = f"{len(gone)} of {len(found)} resolvers do not answer: {names}"
            return told(
                CheckStatus.WARN,
                "dns_resolver_gone",
                "A resolver does not answer",
                detail,
                component=what,
                evidence=evidence,
                seconds=seconds,
            )
        return result


def _wrong(answers: list[Answer], expected: list[str], what: str) -> tuple[str, str, str] | None:
    """The kind, title and detail of what is wrong with the answers."""
    for one in answers:
        if one.status != "NOERROR":
            return "dns_error", "The name does not resolve", f"{one.resolver} answers {one.status} for {what}"
        if not one.values:
            return "dns_no_record", "The name has no such record", f"{one.resolver} knows no record for {what}"
    wanted = sorted(expected)
    for one in answers:
        if wanted and sorted(one.values) != wanted:
            said = f"{one.resolver} answers {', '.join(one.values[:5])} for {what}, not {', '.join(wanted[:5])}"
            return "dns_unexpected", "The name does not resolve as expected", said
    different = [one for one in answers if one.values != answers[0].values]
    if different and not wanted:
        one, other = answers[0], different[0]
        said = (
            f"{one.resolver} answers {', '.join(one.values[:5])} for {what}, "
            f"{other.resolver} {', '.join(other.values[:5])}"
        )
        return "dns_resolvers_differ", "Resolvers do not agree", said
    return None


def _failed(
    kind: str, title: str, detail: str, what: str, evidence: JsonObject, seconds: float | None = None
) -> CheckResult:
    return told(CheckStatus.FAIL, kind, title, detail, component=what, evidence=evidence, seconds=seconds, cause_rank=1)

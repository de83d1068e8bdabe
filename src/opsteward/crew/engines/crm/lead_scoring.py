"""Scores of leads: weighted factors by default; learned from past leads where that orders them better."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opsteward.crew.catalogue.crm import (
    Factor,
    Lead,
    LeadScores,
    LeadScoring,
    PastLead,
    ScoredLead,
    ScoringCriteria,
)
from opsteward.crew.catalogue.declaring import DataUsed
from opsteward.crew.engines.arrays import np
from opsteward.crew.engines.learning.outcomes import MIN_OF_EACH, OutcomeModel, learnable, measure_of

_BLOCK = 1000  # leads
_GRADES = ((75, "A"), (55, "B"), (35, "C"))
_NEXT = {
    "A": "call within a day",
    "B": "personal message, then a call this week",
    "C": "nurturing campaign",
    "D": "no effort of people; newsletter",
}
_FREE_MAIL = frozenset(
    [
        "gmail.com",
        "googlemail.com",
        "yahoo.com",
        "hotmail.com",
        "outlook.com",
        "live.com",
        "aol.com",
        "icloud.com",
        "gmx.de",
        "gmx.net",
        "web.de",
        "mail.ru",
        "yandex.ru",
        "qq.com",
        "163.com",
        "proton.me",
        "protonmail.com",
        "t-online.de",
        "orange.fr",
        "free.fr",
    ]
)
#: Words of roles by how much they decide.
_ROLES = (
    (1.0, "owner founder ceo cto cfo cio coo cmo ciso chief president partner managing geschäftsführer vp vice"),
    (0.8, "director head leiter principal"),
    (0.6, "manager lead architect"),
    (0.4, "engineer developer analyst specialist consultant administrator admin"),
    (0.1, "student intern trainee praktikant assistant"),
)


@dataclass(frozen=True)
class _Rule:
    """How a field becomes points of 1 and a reason."""

    group: str
    field: str
    share: float  # of its group
    points: Callable[[Any, ScoringCriteria], tuple[float, str]]


def run(parameters: LeadScoring) -> LeadScores:
    """The best lead first."""
    leads = parameters.lead_data if isinstance(parameters.lead_data, list) else [parameters.lead_data]
    criteria, notes = parameters.scoring_criteria, list[str]()
    weights = _weights(criteria, notes)
    model, auc_weights = _learned(parameters.history, criteria, weights, notes)
    auc_learned = model.measure.auc if model else None
    use_model = model is not None and (auc_weights is None or model.measure.auc > auc_weights)
    if model is not None and not use_model:
        notes.append("what was learned orders past leads no better than the weights, which were kept")
    best: list[ScoredLead] = []
    used, missing, grades = set[str](), set[str](), Counter[str]()
    for start in range(0, len(leads), _BLOCK):  # the factors of all at once would fill the memory
        block = leads[start : start + _BLOCK]
        scored = [_by_weights(lead, number, criteria, weights) for number, lead in enumerate(block, start + 1)]
        if model is not None and use_model:
            scored = _by_model(model, block, scored)
        used.update(factor.factor for one in scored for factor in one.factors)
        missing.update(field for one in scored for field in one.missing)
        grades.update(one.grade for one in scored)
        best = sorted([*best, *scored], key=lambda one: -one.score)[: parameters.top]
    if unused := sorted({field for lead in leads for field in lead.others} - used):
        more = "" if use_model else "; history would show what they say"
        notes.append(f"not used: {', '.join(unused[:20])}{more}")
    if len(best) < len(leads):
        notes.append(f"the best {len(best)} of {len(leads)} are listed")
    method = "learned from history" if use_model else "by weights"
    return LeadScores(
        summary=f"{len(leads)} leads scored {method}; the best is {best[0].lead} with {best[0].score:.0f} "
        f"({best[0].grade}).",
        data_used=DataUsed(rows=len(leads) + len(parameters.history), fields=sorted(used)),
        missing=sorted(missing),
        notes=notes,
        method="learned" if use_model else "weights",
        weights=weights,
        auc_weights=auc_weights,
        auc_learned=auc_learned,
        by_grade=dict(sorted(grades.items())),
        leads=best,
    )


def _weights(criteria: ScoringCriteria, notes: list[str]) -> dict[str, float]:
    raw = {
        "engagement": criteria.engagement_weight,
        "demographic": criteria.demographic_weight,
        "behavior": criteria.behavior_weight,
    }
    whole = sum(raw.values())
    if abs(whole - 1) > 1e-9:
        notes.append(f"the weights add up to {whole:g}: each was divided by that")
    return {group: weight / whole for group, weight in raw.items()}


def _by_weights(lead: Lead, number: int, criteria: ScoringCriteria, weights: Mapping[str, float]) -> ScoredLead:
    """A field that is not there hands its weight to the others: silence is not a bad sign."""
    told: list[tuple[_Rule, float, str]] = []
    missing: list[str] = []
    for rule in _RULES:
        value = getattr(lead, rule.field)
        if value is None or value == "":
            missing.append(rule.field)
            continue
        told.append((rule, *rule.points(value, criteria)))
    there = {rule.group: 0.0 for rule, _, _ in told}
    for rule, _, _ in told:
        there[rule.group] += rule.share
    whole = sum(weights[group] for group in there) or 1.0
    factors = []
    for rule, points, reason in told:
        weight = weights[rule.group] / whole * rule.share / there[rule.group]
        value = getattr(lead, rule.field)
        factors.append(
            Factor(
                group=rule.group, factor=rule.field, value=value, points=round(points, 4), weight=round(weight, 4),
                contribution=round(100 * weight * points, 2), reason=reason,
            )
        )  # fmt: skip
    factors.sort(key=lambda factor: -factor.contribution)
    score = sum(100 * weights[rule.group] / whole * rule.share / there[rule.group] * pts for rule, pts, _ in told)
    covered = sum(weights[rule.group] * rule.share for rule, _, _ in told)
    return _scored(_name(lead, number), score, covered, None, factors, missing)


def _scored(
    name: str, score: float, confidence: float, probability: float | None, factors: list[Factor], missing: list[str]
) -> ScoredLead:
    grade = next((grade for least, grade in _GRADES if score >= least), "D")
    return ScoredLead(
        lead=name, score=round(score, 2), grade=grade, confidence=round(confidence, 4), probability=probability,
        factors=factors, missing=missing, next_step=_NEXT[grade] if factors else "find out more: nothing is known",
    )  # fmt: skip


def _learned(
    history: Sequence[PastLead], criteria: ScoringCriteria, weights: Mapping[str, float], notes: list[str]
) -> tuple[OutcomeModel | None, float | None]:
    """A model of past leads, and how well the weights alone order these."""
    if not history:
        return None, None
    outcomes = [one.converted for one in history]
    if min(sum(outcomes), len(outcomes) - sum(outcomes)) < MIN_OF_EACH:
        notes.append(
            f"history has {sum(outcomes)} converted leads and {len(outcomes) - sum(outcomes)} others: "
            f"{MIN_OF_EACH} of each are needed to learn"
        )
        return None, None
    history = learnable(history)
    outcomes = [one.converted for one in history]
    rows = [_fields(one) for one in history]
    fields = sorted({field for row in rows for field in row})
    model = OutcomeModel(rows, outcomes, fields)
    if not model.table.columns:
        notes.append("history's fields do not vary: nothing to learn from")
        return None, None
    scores = np.array([_by_weights(one, 0, criteria, weights).score for one in history])
    return model, measure_of(scores, np.array(outcomes, dtype=float)).auc


def _by_model(model: OutcomeModel, leads: Sequence[Lead], plain: Sequence[ScoredLead]) -> list[ScoredLead]:
    """The learned probability; a score of 50 is history's average."""
    rows = [_fields(lead) for lead in leads]
    chances, parts = model.probabilities(rows), model.contributions(rows)
    share, fields = model.importance(), set(model.table.fields)
    groups = {rule.field: rule.group for rule in _RULES}
    base = math.log(model.base_rate / (1 - model.base_rate))
    found = []
    for row, chance, sums, before in zip(rows, chances, parts, plain, strict=True):
        factors = [
            Factor(
                group=groups.get(field, "learned"), factor=field, value=row.get(field), points=None,
                weight=round(share[field], 4), contribution=round(part, 4),
                reason=f"the odds are {math.exp(max(-50, min(50, part))):.2f} times the average lead's by this",
            )
            for field, part in sorted(sums.items(), key=lambda pair: -abs(pair[1]))
            if row.get(field) is not None
        ]  # fmt: skip
        probability = min(max(float(chance), 1e-9), 1 - 1e-9)
        odds = math.log(probability / (1 - probability)) - base
        score = 100 / (1 + math.exp(-odds))
        missing = sorted(field for field in fields if row.get(field) is None)
        told = sum(share[field] for field in fields if row.get(field) is not None)
        found.append(_scored(before.lead, score, told, probability, factors, missing))
    return found


def _fields(lead: Lead) -> dict[str, Any]:
    """What can be learned from: neither name nor outcome."""
    row = lead.model_dump(exclude={"converted", "email", "company", "lead_id", "id"})
    domain = (lead.email or "").rpartition("@")[2].lower()
    if domain:
        row["company_email"] = domain not in _FREE_MAIL
    return row


def _name(lead: Lead, number: int) -> str:
    told = (lead.others.get("lead_id"), lead.others.get("id"), lead.email, lead.company)
    return str(next((one for one in told if one not in (None, "")), f"lead {number}"))[:200]


def _saturating(half: float, what: str) -> Callable[[Any, ScoringCriteria], tuple[float, str]]:
    """Half of the points at `half`, nearly all of them at four times that."""

    def points(value: Any, _: ScoringCriteria) -> tuple[float, str]:
        found = 1 - 0.5 ** (float(value) / half)
        return found, f"{value:g} {what}: half of the points at {half:g}"

    return points


def _engagement(value: float, _: ScoringCriteria) -> tuple[float, str]:
    return value / 100, f"engagement {value:g} of 100"


def _email(value: str, _: ScoringCriteria) -> tuple[float, str]:
    name, domain = value.strip().lower().rpartition("@")[::2]
    if not name or "." not in domain:
        return 0.0, "not an e-mail address"
    return (0.3, "an address of a free mail service") if domain in _FREE_MAIL else (1.0, "an address of a company")


def _company(value: str, _: ScoringCriteria) -> tuple[float, str]:
    return (1.0, "the company is known") if value.strip() else (0.0, "the company is not known")


def _role(value: str, criteria: ScoringCriteria) -> tuple[float, str]:
    words = set(value.lower().replace("-", " ").replace("/", " ").replace(",", " ").split())
    wanted = next((role for role in criteria.target_roles if set(role.lower().split()) <= words), None)
    if wanted:
        return 1.0, f"a wanted role: {wanted}"
    for points, roles in _ROLES:
        if hit := words & set(roles.split()):
            return (
                points,
                f"{sorted(hit)[0]}: decides {'much' if points >= 0.8 else 'some' if points >= 0.4 else 'little'}",
            )
    return 0.5, "a role that says neither"


def _industry(value: str, criteria: ScoringCriteria) -> tuple[float, str]:
    if not criteria.target_industries:
        return 0.5, "no target_industries to compare with"
    fits = value.strip().lower() in {one.strip().lower() for one in criteria.target_industries}
    return (1.0, "a target industry") if fits else (0.0, "not a target industry")


def _demo(value: bool, _: ScoringCriteria) -> tuple[float, str]:
    return (1.0, "asked for a demonstration") if value else (0.0, "no demonstration asked for")


def _recent(value: float, _: ScoringCriteria) -> tuple[float, str]:
    return 0.5 ** (value / 14), f"last active {value:g} days ago: halves every 14"


_RULES = (
    _Rule("engagement", "engagement_score", 0.6, _engagement),
    _Rule("engagement", "email_opens", 0.15, _saturating(5, "opened mails")),
    _Rule("engagement", "email_clicks", 0.25, _saturating(3, "clicks in mails")),
    _Rule("demographic", "role", 0.35, _role),
    _Rule("demographic", "industry", 0.15, _industry),
    _Rule("demographic", "company_size", 0.15, _saturating(200, "people in the company")),
    _Rule("demographic", "budget", 0.15, _saturating(20_000, "of budget")),
    _Rule("demographic", "email", 0.1, _email),
    _Rule("demographic", "company", 0.1, _company),
    _Rule("behavior", "website_visits", 0.25, _saturating(5, "visits of the site")),
    _Rule("behavior", "pages_viewed", 0.1, _saturating(15, "pages viewed")),
    _Rule("behavior", "content_downloads", 0.2, _saturating(2, "downloads")),
    _Rule("behavior", "demo_requested", 0.25, _demo),
    _Rule("behavior", "days_since_last_activity", 0.2, _recent),
)

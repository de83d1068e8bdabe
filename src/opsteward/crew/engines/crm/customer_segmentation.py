"""Customers in segments: a mixture model on their numbers, named by what sets each segment apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from opsteward.core.errors import Invalid
from opsteward.crew.catalogue.crm import Customer, CustomerSegmentation, Segment, Segments, Trait
from opsteward.crew.catalogue.declaring import DataUsed
from opsteward.crew.engines.arrays import Floats, Ints, np
from opsteward.crew.engines.learning.clusters import agreement, find_groups
from opsteward.crew.engines.learning.tables import is_missing, number_of

_MAX_FIELDS = 12
_MIN_VALUES = 5  # a field with fewer is a label, and would be a segment by itself
_LISTED = 1000  # customers of a segment
_TRAIT = 0.4  # of the spread of all; less is no trait
_HALVES = 3
_NOT_NUMBERS = frozenset({"customer_id", "id", "phone", "zip", "postcode", "postal_code"})
#: Fields where more is worse.
_RISKS = ("churn", "risk", "complaint", "ticket", "return", "overdue", "days_since", "recency", "inactiv")
_WORTH = ("ltv", "value", "revenue", "spend", "amount", "monetary", "mrr", "arr", "order")


def run(parameters: CustomerSegmentation) -> Segments:
    """Raises Invalid when no field can tell customers apart, or a field that was asked for is not there."""
    rows = [_fields(one) for one in parameters.customer_data]
    names = [_name(one, number) for number, one in enumerate(parameters.customer_data, 1)]
    notes: list[str] = []
    fields, missing = _used_fields(rows, parameters, notes)
    distinct = len({tuple(row.get(field) for field in fields) for row in rows})
    wanted = parameters.segment_count
    if not fields or distinct < 2:
        labels, made, reason = np.zeros(len(rows), dtype=np.int64), 1, "nothing tells these customers apart"
        plain, stability = np.zeros((len(rows), len(fields))), None
        if wanted and wanted > 1:
            reason = f"{wanted} segments were asked for, but " + reason
    else:
        plain = _numbers(rows, fields)
        shaped = _shaped(plain)
        labels, made, reason = _divided(shaped, distinct, wanted)
        stability = _stability(shaped, labels, made)
    if stability is not None and stability < 0.7:
        notes.append(f"halves of the customers are divided differently (agreement {stability:.2f}): use with care")
    if wanted and made != wanted:
        notes.append(reason)
    segments = _segments(plain, labels, fields, names)
    return Segments(
        summary=f"{len(rows)} customers in {len(segments)} segment{'s' if len(segments) > 1 else ''}: "
        + "; ".join(f"{one.name} ({one.size})" for one in segments[:6])
        + ".",
        data_used=DataUsed(rows=len(rows), fields=fields),
        missing=missing,
        notes=notes,
        segment_count=len(segments),
        count_reason=reason,
        stability=stability,
        segments=segments,
    )


def _divided(shaped: Floats, distinct: int, wanted: int | None) -> tuple[Ints, int, str]:
    if wanted is not None and wanted > distinct:
        reason = f"{wanted} segments were asked for, but there are only {distinct} different customers"
        return np.unique(shaped, axis=0, return_inverse=True)[1].astype(np.int64), distinct, reason
    if wanted is not None:
        labels = find_groups(shaped, wanted).assign(shaped)
        made = len(np.unique(labels))
        said = "as asked for" if made == wanted else f"{wanted} were asked for; {made} differ"
        return labels, made, said
    if len(shaped) < 16:
        return np.zeros(len(shaped), dtype=np.int64), 1, "fewer than 16 customers: too few to find segments in"
    mixture = find_groups(shaped, None)
    labels = mixture.assign(shaped)
    made = len(np.unique(labels))
    if made == 1:
        return labels, 1, "the customers are one continuum: no number of segments explains them better than one"
    return labels, made, f"{made} explain the customers best (integrated completed likelihood, 1 to 10 tried)"


def _stability(shaped: Floats, labels: Ints, made: int) -> float | None:
    """How alike the division is that halves of the customers lead to."""
    if made < 2 or len(shaped) < 40:
        return None
    dice, found = np.random.default_rng(3), []
    for _ in range(_HALVES):
        half = dice.permutation(len(shaped))[: len(shaped) // 2]
        found.append(agreement(labels, find_groups(shaped[half], made).assign(shaped)))
    return float(np.mean(found))


def _used_fields(
    rows: Sequence[Mapping[str, Any]], parameters: CustomerSegmentation, notes: list[str]
) -> tuple[list[str], list[str]]:
    """The numeric fields that tell customers apart, and those that were given for too few."""
    there = list(dict.fromkeys(field for row in rows for field in row))
    if parameters.fields:
        if unknown := [field for field in parameters.fields if field not in there]:
            raise Invalid.field("fields", f"no customer has {unknown[0]!r}", f"there are {', '.join(there[:20])}")
        there = list(dict.fromkeys(parameters.fields))
    used, missing = [], []
    for field in there:
        told = [row[field] for row in rows if not is_missing(row.get(field)) and not isinstance(row[field], bool)]
        numbers = [found for value in told if (found := number_of(value)) is not None]
        if field.lower() in _NOT_NUMBERS or len(numbers) < 0.9 * max(1, len(told)):
            continue
        values = len(set(numbers))
        if len(numbers) < 0.5 * len(rows):
            missing.append(f"{field}: given for {len(numbers)} of {len(rows)} customers")
        elif values >= min(_MIN_VALUES, len(rows)) or (values > 1 and field in parameters.fields):
            used.append(field)
    if len(used) > _MAX_FIELDS:
        notes.append(f"only the first {_MAX_FIELDS} numeric fields count; name others in `fields`")
    if not used:
        missing.append("numeric fields that differ between customers, such as ltv, engagement_score, churn_risk")
    return used[:_MAX_FIELDS], missing


def _numbers(rows: Sequence[Mapping[str, Any]], fields: Sequence[str]) -> Floats:
    plain = np.array([[_or_nan(row.get(field)) for field in fields] for row in rows])
    middle = np.nanmedian(plain, axis=0)
    return np.where(np.isnan(plain), middle, plain)


def _or_nan(value: Any) -> float:
    found = number_of(value)
    return float("nan") if found is None else found


def _shaped(plain: Floats) -> Floats:
    """Standardised; amounts with a long tail by their logarithm."""
    made = plain.copy()
    for place, column in enumerate(plain.T):
        spread = column.std() or 1.0
        skew = float((((column - column.mean()) / spread) ** 3).mean())
        if skew > 1.5 and column.min() >= 0:
            logs = np.log1p(column / (np.median(column[column > 0]) or 1.0))
            log_skew = float((((logs - logs.mean()) / (logs.std() or 1.0)) ** 3).mean())
            if abs(log_skew) < skew:
                made[:, place] = logs
    return np.asarray((made - made.mean(axis=0)) / np.maximum(made.std(axis=0), 1e-9))


def _segments(plain: Floats, labels: Ints, fields: Sequence[str], names: Sequence[str]) -> list[Segment]:
    overall, spread = plain.mean(axis=0), np.maximum(plain.std(axis=0), 1e-12)
    found, taken = [], set[str]()
    order = sorted(np.unique(labels), key=lambda label: -int((labels == label).sum()))
    for label in order:
        members = np.flatnonzero(labels == label)
        means = plain[members].mean(axis=0) if len(fields) else np.zeros(0)
        traits = [
            Trait(
                field=field, mean=float(mean), overall_mean=float(base), difference=round(float(apart), 3),
                words=f"{'high' if apart > 0 else 'low'} {_words(field)}",
            )
            for field, mean, base, apart in zip(fields, means, overall, (means - overall) / spread, strict=True)
        ]  # fmt: skip
        traits.sort(key=lambda trait: -abs(trait.difference))
        middle = members[int((((plain[members] - means) / spread) ** 2).sum(axis=1).argmin())]
        found.append(
            Segment(
                name=_title(traits, taken), size=len(members), share=len(members) / len(names), traits=traits,
                typical=names[middle], customers=[names[member] for member in members[:_LISTED]],
                suggestion=_suggestion(traits),
            )
        )  # fmt: skip
    return found


def _title(traits: Sequence[Trait], taken: set[str]) -> str:
    told = [trait.words for trait in traits if abs(trait.difference) >= _TRAIT]
    for count in range(min(2, len(told)), len(told) + 1):
        title = ", ".join(told[:count])
        if title and title not in taken:
            break
    else:
        title = ", ".join(told[:2])
    title = title or "average"
    base, number = title, 2
    while title in taken:
        title, number = f"{base} ({number})", number + 1
    taken.add(title)
    return title[:1].upper() + title[1:]


def _suggestion(traits: Sequence[Trait]) -> str:
    risk = next((t.difference for t in traits if any(word in t.field.lower() for word in _RISKS)), 0.0)
    worth = next((t.difference for t in traits if any(word in t.field.lower() for word in _WORTH)), 0.0)
    if risk > _TRAIT:
        return "keep them: a personal call first" if worth > 0 else "win back by automatic offers; watch the cost"
    if worth > _TRAIT:
        return "care for them: early access, references, a named contact"
    if worth < -_TRAIT:
        return "grow them: onboarding and a next product"
    return "keep as they are; test one offer"


def _words(field: str) -> str:
    return field.replace("_", " ")


def _fields(customer: Customer) -> dict[str, Any]:
    return dict(customer.others)


def _name(customer: Customer, number: int) -> str:
    return str(customer.customer_id) if customer.customer_id is not None else f"customer {number}"

"""Which field of one system fills which of another: by name, by form and values, and by records that are the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from opsteward.crew.catalogue.declaring import DataUsed
from opsteward.crew.catalogue.integrations import FieldMapping, MappingProposal, ProposedField, TargetField
from opsteward.crew.engines.arrays import Floats, np
from opsteward.crew.engines.integrations.agreement import Agreement
from opsteward.crew.engines.integrations.formats import form_of, type_of
from opsteward.crew.engines.integrations.matching import best_pairs
from opsteward.crew.engines.integrations.names import likeness

_MAX_FIELDS = 300
_SAMPLE = 2000  # records
_MIN_MATCHED = 3  # records, from which their values count
#: What forms of values may be told by each declared type.
_TYPES = {
    "text": {"text"}, "number": {"integer", "number", "integer text", "number text"},
    "boolean": {"boolean", "boolean text"},
    "date": {"date", "other date"}, "time": {"time"}, "email": {"email"}, "phone": {"phone"}, "url": {"url"},
    "uuid": {"uuid"},
}  # fmt: skip
_NEAR = {
    frozenset({"integer", "integer text"}), frozenset({"number", "number text"}), frozenset({"integer", "number"}),
    frozenset({"date", "other date"}), frozenset({"date", "time"}), frozenset({"boolean", "boolean text"}),
    frozenset({"integer text", "number text"}), frozenset({"phone", "integer text"}), frozenset({"integer", "boolean"}),
}  # fmt: skip


@dataclass
class _Column:
    """A field with its values, one for each record (None where it has none)."""

    name: str
    values: list[str | None] = field(default_factory=list)
    forms: Counter[str] = field(default_factory=Counter)
    declared: TargetField | None = None
    #: filled from `values`
    known: frozenset[str] = frozenset()

    @property
    def told(self) -> int:
        return sum(value is not None for value in self.values)

    @property
    def is_key(self) -> bool:
        """Whether each record has another value."""
        return self.told >= 2 and len(self.known) == self.told == len(self.values)


def run(parameters: FieldMapping) -> MappingProposal:
    """The surest first."""
    notes: list[str] = []
    source = _columns(parameters.source[:_SAMPLE], ())
    target = _columns(parameters.target[:_SAMPLE], parameters.target_fields)
    if max(len(parameters.source), len(parameters.target)) > _SAMPLE:
        notes.append(f"the first {_SAMPLE} records of each side were looked at")
    key, rows = _key(source, target)
    agreement = Agreement([one.values for one in source], [one.values for one in target], rows) if rows else None
    scores = np.zeros((len(source), len(target)))
    reasons: dict[tuple[int, int], tuple[str, list[str]]] = {}
    for one, left in enumerate(source):
        for other, right in enumerate(target):
            score, transform, evidence = _score(left, right, agreement, (one, other))
            scores[one, other] = score
            reasons[one, other] = (transform, evidence)
    proposed = _proposed(source, target, scores, reasons, parameters.least)
    _joined_names(source, target, rows, proposed)
    proposed.sort(key=lambda one: (-one.confidence, one.target))
    used = {name for one in proposed for name in one.source}
    filled = {one.target for one in proposed}
    required = [one.name for one in target if one.declared and one.declared.required and one.name not in filled]
    found_key = next((one for one in proposed if key and one.target == key[1] and one.source == [key[0]]), None)
    missing = []
    if not parameters.target:
        missing.append("records of the target: values would say more than names")
    elif not rows:
        missing.append("records that are on both sides, with a field that names them: they would settle it")
    return MappingProposal(
        summary=f"{len(proposed)} of {len(target)} target fields can be filled"
        + (f", known by {found_key.source[0]} = {found_key.target} on {len(rows)} records" if found_key else "")
        + (f"; nothing for the required {', '.join(required)}" if required else "")
        + ".",
        data_used=DataUsed(rows=len(parameters.source) + len(parameters.target), fields=[one.name for one in source]),
        missing=missing,
        notes=notes,
        mapping=proposed,
        key=found_key,
        unmapped_source=[one.name for one in source if one.name not in used],
        unmapped_target=[one.name for one in target if one.name not in filled],
        missing_required=required,
        matched_records=len(rows),
    )


def _columns(records: Sequence[Mapping[str, Any]], declared: Sequence[TargetField]) -> list[_Column]:
    found: dict[str, _Column] = {one.name: _Column(one.name, declared=one) for one in declared}
    for number, record in enumerate(records):
        for name, value in _flat(record, ""):
            if name not in found and len(found) >= _MAX_FIELDS:
                continue
            column = found.setdefault(name, _Column(name))
            column.values += [None] * (number - len(column.values))
            text = _text(value)
            if len(column.values) == number:
                column.values.append(text)
            if text is not None:
                kind = type_of(value)
                column.forms[form_of(text) if kind == "string" else kind] += 1
    for column in found.values():
        column.values += [None] * (len(records) - len(column.values))
        column.known = frozenset(value.strip().lower() for value in column.values if value is not None)
    return list(found.values())


def _flat(record: Mapping[str, Any], prefix: str) -> list[tuple[str, Any]]:
    """Fields of inner objects by their path; of a list of plain values the first."""
    found: list[tuple[str, Any]] = []
    for name, value in record.items():
        path = f"{prefix}{name}"
        if isinstance(value, dict):
            found += _flat(value, f"{path}.")
        elif isinstance(value, list):
            if value and not isinstance(value[0], dict | list):
                found.append((path, value[0]))
        else:
            found.append((path, value))
    return found


def _text(value: Any) -> str | None:
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)[:300]


def _key(source: Sequence[_Column], target: Sequence[_Column]) -> tuple[tuple[str, str] | None, list[tuple[int, int]]]:
    """The pair of fields by which most records of one side are found on the other, and these pairs of records."""
    best: tuple[float, _Column, _Column] | None = None
    for left in source:
        if not left.is_key:
            continue
        for right in target:
            if not right.is_key:
                continue
            common = len(left.known & right.known)
            # Running numbers of both sides agree by accident.
            small = all(value.isdigit() and len(value) < 4 for value in left.known)
            if common < _MIN_MATCHED or (small and likeness(left.name, right.name) < 0.8):
                continue
            score = common / min(len(left.known), len(right.known)) + 0.2 * likeness(left.name, right.name)
            if best is None or score > best[0]:
                best = score, left, right
    if best is None or best[0] < 0.3:
        return None, []
    _, left, right = best
    places = {value.strip().lower(): number for number, value in enumerate(right.values) if value is not None}
    rows = [
        (number, places[value.strip().lower()])
        for number, value in enumerate(left.values)
        if value is not None and value.strip().lower() in places
    ]
    return (left.name, right.name), rows


def _score(
    left: _Column, right: _Column, agreement: Agreement | None, place: tuple[int, int]
) -> tuple[float, str, list[str]]:
    """Confidence, transform and evidence of one pair."""
    name = likeness(left.name, right.name)
    form = _forms(left, right)
    evidence = [f"names {name:.0%} alike"] if name >= 0.5 else []
    transform = _conversion(left, right)
    if agreement is not None and agreement.both[place] >= _MIN_MATCHED:
        share, transform = agreement.best(*place, transform)
        # That all have one value is agreement by accident.
        telling = min(1.0, agreement.distinct[place[1]] / 4)
        if share >= 0.5:
            said = f"the same on {share:.0%} of {agreement.both[place]:.0f} records of both sides"
            evidence.append(said if transform == "copy" else f"{said}, by {transform}")
        weight = 0.85 * telling
        alone = (0.8 * name + 0.2 * form) * (1 if share >= 0.2 else 0.5)
        return weight * share + (1 - weight) * alone, transform, evidence
    if left.known and right.known:
        common = len(left.known & right.known) / min(len(left.known), len(right.known))
        if common >= 0.3:
            evidence.append(f"{common:.0%} of the values in common")
        if form < 0.2:
            return 0.35 * name, transform, evidence
        return min(0.97, 0.7 * name + 0.15 * form + 0.25 * common * min(1.0, len(right.known) / 5)), transform, evidence
    if form >= 0.9 and right.declared is not None and right.declared.type not in (None, "text"):
        evidence.append(f"values are {right.declared.type}")
    return (0.4 * name if form < 0.2 else min(0.95, 0.8 * name + 0.15 * form)), transform, evidence


def _forms(left: _Column, right: _Column) -> float:
    """How well the forms of the values fit; half where one side has none."""
    if right.declared is not None and right.declared.type is not None:
        wanted = _TYPES[right.declared.type]
        count = left.forms.total()
        if not count:
            return 0.5
        fits = sum(number for form, number in left.forms.items() if form in wanted)
        near = sum(n for form, n in left.forms.items() if any(frozenset({form, one}) in _NEAR for one in wanted))
        return 0.6 if right.declared.type == "text" and not fits else max(fits, 0.8 * near) / count
    if not left.forms or not right.forms:
        return 0.5
    (one, _), (other, _) = left.forms.most_common(1)[0], right.forms.most_common(1)[0]
    if one == other:
        return 0.7 if one == "text" else 1.0
    return 0.8 if frozenset({one, other}) in _NEAR else 0.1


def _conversion(left: _Column, right: _Column) -> str:
    if not left.forms:
        return "copy"
    one = left.forms.most_common(1)[0][0]
    other: str
    if right.declared is not None and right.declared.type is not None:
        other = right.declared.type
    else:
        other = right.forms.most_common(1)[0][0] if right.forms else one
    if one == other or other in ("text", "email", "phone", "url", "uuid"):
        return "text" if one in ("integer", "number", "boolean") and other == "text" else "copy"
    if other in ("date", "other date"):
        return "date"
    if other == "boolean":
        return "boolean"
    if other in ("number", "integer"):
        return "number" if one.endswith("text") else "copy"
    return "text" if other.endswith("text") and one in ("integer", "number", "boolean") else "copy"


def _proposed(
    source: Sequence[_Column],
    target: Sequence[_Column],
    scores: Floats,
    reasons: Mapping[tuple[int, int], tuple[str, list[str]]],
    least: float,
) -> list[ProposedField]:
    """Each field once, so that all of it together is the likeliest."""
    found = []
    for one, other in best_pairs(scores):
        score = float(scores[one, other])
        if score < least:
            continue
        # Another that would do nearly as well makes it less sure.
        rivals = np.delete(scores[:, other], one)
        rival = float(rivals.max()) if len(rivals) else 0.0
        sure = score * (1 if rival < 0.8 * score else 0.85)
        if sure < least:
            continue
        transform, evidence = reasons[one, other]
        found.append(
            ProposedField.model_validate(
                {"target": target[other].name, "source": [source[one].name], "transform": transform,
                 "confidence": round(sure, 3), "evidence": evidence}
            )
        )  # fmt: skip
    return found


def _joined_names(
    source: Sequence[_Column],
    target: Sequence[_Column],
    rows: Sequence[tuple[int, int]],
    proposed: list[ProposedField],
) -> None:
    """Names that one side has in one field and the other in two; changes `proposed`."""
    sides = ({one.name: one for one in source}, {one.name: one for one in target})
    first, last, full = ([_called(side, kind) for side in sides] for kind in ("first name", "last name", "full name"))
    mapped = {one.target: one for one in proposed}
    if full[1] and first[0] and last[0] and (full[1] not in mapped or mapped[full[1]].confidence < 0.9):
        wanted, parts = sides[1][full[1]], (sides[0][first[0]], sides[0][last[0]])
        pairs = [(parts[0].values[a], parts[1].values[a], wanted.values[b]) for a, b in rows]
        hits = sum(f"{x} {y}".lower() == (z or "").lower() for x, y, z in pairs if x and y)
        share = hits / len(pairs) if pairs else 0.8
        if share >= 0.5:
            proposed[:] = [one for one in proposed if one.target != full[1]]
            said = f"joined they are the same on {share:.0%} of records" if pairs else "by their names"
            proposed.append(ProposedField(target=full[1], source=[first[0], last[0]], transform="join",
                                          confidence=round(0.97 * share, 3), evidence=[said]))  # fmt: skip
    if full[0] and not first[0] and not last[0]:
        for wanted_name, transform in ((first[1], "split_first"), (last[1], "split_last")):
            if wanted_name and wanted_name not in {one.target for one in proposed}:
                proposed.append(
                    ProposedField.model_validate(
                        {"target": wanted_name, "source": [full[0]], "transform": transform, "confidence": 0.75,
                         "evidence": ["a part of the whole name"]}
                    )
                )  # fmt: skip


def _called(columns: Mapping[str, _Column], kind: str) -> str:
    best = max(columns, key=lambda name: likeness(name, kind.replace(" ", "_")), default="")
    return best if best and likeness(best, kind.replace(" ", "_")) >= 0.9 else ""

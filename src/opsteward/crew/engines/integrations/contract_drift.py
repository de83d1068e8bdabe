"""How payloads differ from what they were: each path with its types, forms, values and how often it is there."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from opsteward.crew.catalogue.declaring import DataUsed
from opsteward.crew.catalogue.integrations import ContractDrift, Drift, DriftReport
from opsteward.crew.engines.integrations.formats import form_of, type_of
from opsteward.crew.engines.integrations.names import likeness

Severity = Literal["breaking", "warning", "info"]
_MAX_PATHS = 5000
_MAX_VALUES = 60
_HUGE = 1e18
_MAX_ITEMS = 200  # of a list
_ORDER = {"breaking": 0, "warning": 1, "info": 2}
_UNITS = {60: "minutes and seconds", 100: "cents or percent", 1000: "thousandths, such as milliseconds",
          3600: "hours and seconds", 86_400: "days and seconds", 1_000_000: "millionths", 1024: "kibi"}  # fmt: skip


@dataclass
class _Field:
    """What was seen at one path; `chances` is how often it could have been there."""

    parent: str = ""
    seen: int = 0
    chances: int = 0
    types: Counter[str] = field(default_factory=Counter)
    forms: Counter[str] = field(default_factory=Counter)
    values: Counter[str] = field(default_factory=Counter)
    numbers: list[float] = field(default_factory=list)
    example: str = ""

    @property
    def share(self) -> float:
        """Of its chances."""
        return self.seen / self.chances if self.chances else 0.0

    @property
    def real_types(self) -> set[str]:
        """Without null; a whole number is a number."""
        found = set(self.types) - {"null"}
        return found - {"integer"} if "number" in found else found


def run(parameters: ContractDrift) -> DriftReport:
    """Breaking changes first."""
    before, after = _fields(parameters.before), _fields(parameters.after)
    changes: list[Drift] = []
    for path in sorted((before.keys() | after.keys()) - {""}):
        was, now = before.get(path), after.get(path)
        if was is not None and now is not None:
            changes += _changes(path, was, now)
        elif was is not None:
            changes += _removed(path, was, after)
        elif now is not None and now.parent in before:
            changes.append(_added(path, now))
    changes = _renames(changes, before, after)
    unsure = [one for one in changes if one.confidence < parameters.confidence]
    kept = [one for one in changes if one.confidence >= parameters.confidence]
    kept.sort(key=lambda one: (_ORDER[one.severity], one.path))
    breaking = sum(one.severity == "breaking" for one in kept)
    notes = []
    if unsure:
        names = ", ".join(f"{one.path} ({one.kind}, {one.confidence:.0%})" for one in unsure[:10])
        notes.append(f"seen, but not sure enough: {names}")
    if len(before) >= _MAX_PATHS or len(after) >= _MAX_PATHS:
        notes.append(f"only the first {_MAX_PATHS} paths were compared")
    first = f"; first: {kept[0].path} ({kept[0].kind}, {kept[0].before} to {kept[0].after})" if kept else ""
    return DriftReport(
        summary=f"{breaking} breaking and {len(kept) - breaking} other changes{first}.",
        data_used=DataUsed(rows=len(parameters.before) + len(parameters.after), fields=sorted(before)[1:100]),
        missing=[]
        if min(len(parameters.before), len(parameters.after)) >= 30
        else ["more payloads: 30 of each say surely"],
        notes=notes,
        compatible=not breaking,
        changes=kept,
        fields_before=len(before) - 1,
        fields_after=len(after) - 1,
    )


def _fields(payloads: Sequence[Any]) -> dict[str, _Field]:
    found: dict[str, _Field] = {"": _Field()}
    for payload in payloads:
        _note(found[""], payload)
        waiting: list[tuple[str, Any]] = [("", payload)]
        while waiting:
            path, value = waiting.pop()
            if isinstance(value, dict):
                inner = [(f"{path}.{name}" if path else name, one) for name, one in value.items()]
            elif isinstance(value, list):
                inner = [(f"{path}[]", one) for one in value[:_MAX_ITEMS]]
            else:
                continue
            for place, one in inner:
                if place in found or len(found) < _MAX_PATHS:
                    _note(found.setdefault(place, _Field(path)), one)
                    waiting.append((place, one))
    for path, one in found.items():
        # Its parent's objects had a chance to have it.
        one.chances = one.seen if path.endswith("[]") else found[one.parent].types["object"]
    return found


def _note(one: _Field, value: Any) -> None:
    one.seen += 1
    kind = type_of(value)
    one.types[kind] += 1
    if kind in ("object", "array", "null"):
        return
    if kind == "string":
        one.forms[form_of(value)] += 1
    if kind in ("integer", "number") and len(one.numbers) < 5000 and abs(value) < _HUGE:
        one.numbers.append(float(value))
    text = json.dumps(value)[:100] if kind == "string" else repr(value)[:100] if abs(value) < _HUGE else "a huge number"
    if text in one.values or len(one.values) <= _MAX_VALUES:
        one.values[text] += 1
    if not one.example:
        one.example = text


def _changes(path: str, was: _Field, now: _Field) -> list[Drift]:
    found = [*_type_changes(path, was, now), *_presence_changes(path, was, now)]
    if not any(one.kind == "type" for one in found):
        found += [*_form_changes(path, was, now), *_value_changes(path, was, now)]
    return found


def _type_changes(path: str, was: _Field, now: _Field) -> list[Drift]:
    found = []
    old, new = was.real_types, now.real_types
    told_old, told_new = (one.seen - one.types["null"] for one in (was, now))
    if old and new and not new <= old and not (new == {"integer"} and old == {"number"}):
        added = new - old
        wider = added == {"number"} and "integer" in old
        severity: Severity = "warning" if wider else "breaking"
        # A type that came with a share of s in n values before would have been missed by (1 - s) ** n.
        share = sum(now.types[kind] for kind in added) / max(1, told_new)
        sure = 1 - (1 - share) ** told_old if share < 1 else 1.0
        found.append(_drift(path, "type", severity, _words(old), _words(new), sure, now))
    if "null" in now.types and "null" not in was.types and was.seen:
        share = now.types["null"] / now.seen
        sure = 1 - (1 - share) ** was.seen
        severity = "breaking" if told_new else "warning"
        found.append(_drift(path, "nullable", severity, "never null", f"null in {share:.0%}", sure, now))
    return found


def _presence_changes(path: str, was: _Field, now: _Field) -> list[Drift]:
    if path.endswith("[]"):
        return []
    if was.share == 1 and now.share < 1:
        sure = 1 - now.share**was.chances
        return [_drift(path, "optional", "breaking", "always there", f"in {now.share:.0%}", sure, now)]
    if was.share < 1 and now.share == 1:
        sure = 1 - was.share**now.chances
        return [_drift(path, "always", "info", f"in {was.share:.0%}", "always there", sure, now)]
    return []


def _form_changes(path: str, was: _Field, now: _Field) -> list[Drift]:
    old_count, new_count = was.forms.total() - was.forms["empty"], now.forms.total() - now.forms["empty"]
    if not old_count or not new_count:
        return []
    form, count = was.forms.most_common(1)[0]
    if form in ("text", "empty") or count < 0.99 * old_count:
        return []
    kept = now.forms[form] / new_count
    if form == "number text":
        kept += now.forms["integer text"] / new_count
    if kept > 0.95:
        return []
    became = next(name for name, _ in now.forms.most_common() if name not in (form, "empty"))
    sure = 1 - max(kept, 0.5) ** min(old_count, new_count)
    return [_drift(path, "format", "breaking" if kept < 0.5 else "warning", form, became, sure, now)]


def _value_changes(path: str, was: _Field, now: _Field) -> list[Drift]:
    found = []
    text = set(was.types) - {"null"} == {"string"}
    total = was.values.total()
    is_list = text and len(was.values) <= 20 and total >= 3 * len(was.values) + 10
    if is_list and (fresh := [value for value in now.values if value not in was.values]):
        share = sum(now.values[value] for value in fresh) / max(1, now.values.total())
        sure = 1 - (1 - share) ** total
        old = ", ".join(sorted(was.values)[:6])
        found.append(_drift(path, "enum", "warning", old, ", ".join(sorted(fresh)[:6]), sure, now))
    if len(was.numbers) >= 10 and len(now.numbers) >= 10:
        found += _units(path, was, now)
    return found


def _units(path: str, was: _Field, now: _Field) -> list[Drift]:
    """Numbers that are all sixty, a hundred, a thousand ... times what they were."""
    old, new = sorted(abs(n) for n in was.numbers if n), sorted(abs(n) for n in now.numbers if n)
    if len(old) < 10 or len(new) < 10:
        return []
    ratio = new[len(new) // 2] / old[len(old) // 2]
    spread = math.log(max(old[int(len(old) * 0.9)] / old[int(len(old) * 0.1)], 1.0))
    size = abs(math.log(ratio))
    if size < math.log(20) or size < spread:
        return []
    times = ratio if ratio > 1 else 1 / ratio
    near = min(_UNITS, key=lambda unit: abs(math.log(times / unit)))
    apart = abs(math.log(times / near))
    if apart > math.log(3):
        return [
            _drift(
                path, "range", "warning", f"about {old[len(old) // 2]:g}", f"about {new[len(new) // 2]:g}", 0.95, now
            )
        ]
    said = f"about {new[len(new) // 2]:g}: {'' if ratio > 1 else '1/'}{near:g} times ({_UNITS[near]}?)"
    return [_drift(path, "unit", "breaking", f"about {old[len(old) // 2]:g}", said, 0.97, now)]


def _removed(path: str, was: _Field, after: dict[str, _Field]) -> list[Drift]:
    holder = after.get(was.parent)
    if path.endswith("[]") or holder is None or "object" not in holder.types:
        return []  # a list that is empty now; or it is told of what it was in
    # How likely it is only not among so many: by its lower share before.
    chance = max(1, was.chances)
    low = max(was.share - 1.64 * math.sqrt(was.share * (1 - was.share) / chance), 0.5 / chance)
    sure = 1 - (1 - min(low, 1 - 0.5 / chance)) ** holder.types["object"]
    severity: Severity = "breaking" if was.share > 0.5 else "warning"
    return [_drift(path, "removed", severity, f"{_words(was.real_types)} in {was.share:.0%}", "not there", sure, was)]


def _added(path: str, now: _Field) -> Drift:
    return _drift(path, "added", "info", "not there", f"{_words(now.real_types)} in {now.share:.0%}", 1.0, now)


def _renames(changes: list[Drift], before: dict[str, _Field], after: dict[str, _Field]) -> list[Drift]:
    """What went and came at one place with alike names and the same kind of values."""
    gone = [one for one in changes if one.kind == "removed"]
    come = [one for one in changes if one.kind == "added"]
    pairs = []
    for old in gone:
        for new in come:
            was, now = before[old.path], after[new.path]
            if was.parent != now.parent or was.real_types != now.real_types:
                continue
            name = likeness(old.path.rpartition(".")[2], new.path.rpartition(".")[2])
            forms = _main_form(was) == _main_form(now)
            common = len(was.values.keys() & now.values.keys()) / max(1, min(len(was.values), len(now.values)))
            score = 0.6 * name + 0.3 * common + (0.1 if forms else 0.0)
            if score >= 0.5:
                pairs.append((score, old, new))
    taken: set[str] = set()
    result = list(changes)
    for _, old, new in sorted(pairs, key=lambda pair: -pair[0]):
        if old.path in taken or new.path in taken:
            continue
        taken |= {old.path, new.path}
        result = [one for one in result if one not in (old, new)]
        result.append(old.model_copy(update={"kind": "renamed", "severity": "breaking", "after": f"likely {new.path}"}))
    return result


def _main_form(one: _Field) -> str:
    return one.forms.most_common(1)[0][0] if one.forms else ""


def _words(types: set[str]) -> str:
    return " or ".join(sorted(types)) or "null"


def _drift(path: str, kind: str, severity: Severity, before: str, after: str, sure: float, example: _Field) -> Drift:
    return Drift.model_validate(
        {
            "path": path, "kind": kind, "severity": severity, "before": before, "after": after,
            "confidence": round(min(max(sure, 0.0), 1.0), 4), "example": example.example,
        }
    )  # fmt: skip

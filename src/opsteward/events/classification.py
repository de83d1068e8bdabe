"""What kind of event it is, how bad, and how sure that is: a few rules, and a statistical model for all else.

The rules (`rules/classification.yaml`) are those that are right nearly always; they are data that a person can read
and change. Where none fires, or two disagree, the words are weighed (`judge_model`). Either way it is said what
decided. Sender's severities are mapped by `rules/severity.yaml`. What is done about an event is decided in
`decision_table`.

Every text is safe: at most `MESSAGE_LIMIT` characters of the message and the unindented lines at both ends of
the stack trace are looked at, and all patterns are bounded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import NotRequired, TypedDict, cast
from urllib.parse import unquote

from opsteward.contracts.check import Severity
from opsteward.core.errors import Invalid
from opsteward.core.json_types import Json
from opsteward.core.word_list import words
from opsteward.events.judge_model import Judgement, shipped_model, words_of_event
from opsteward.events.orders_to_judges import beside_orders
from opsteward.events.text_phrases import PhraseIndex, words_of

MESSAGE_LIMIT = 8_192  # characters of a message that are looked at
STACK_LIMIT = 2_048  # characters of each end of a stack trace whose unindented lines are looked at
_RULES = Path(__file__).with_name("rules")


class Category(StrEnum):
    VALIDATION_ERROR = "validation_error"
    SYSTEM_ERROR = "system_error"
    SECURITY_ISSUE = "security_issue"
    IGNORABLE = "ignorable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    """`confidence` 0-1; `rule_id` names the rule or the model that decided, `reason` says why to people."""

    category: Category
    severity: Severity
    confidence: float
    rule_id: str
    reason: str
    engine: str = "rules"

    @property
    def user_facing(self) -> bool:
        """Whether the one who caused it can mend it by sending something else."""
        return self.category is Category.VALIDATION_ERROR


@dataclass(frozen=True, slots=True)
class _Rule:
    id: str
    category: Category
    severity: Severity
    weight: int
    why: str


_CLEARLY = 5  # points between the best rule and the best of another category
_TOO_UNSURE = 0.5  # a probability of the model
_STRANGE = 0.5  # share of words that the model knows
_DISPUTED = 0.7  # at most, where rules disagree
_SURE = 0.85  # before little is made of what its sender calls an error
_NEVER = 2.0  # no probability is as high
#: What a part of so many words clearly says, the rest of a text does not unsay: senders choose what they add.
_PART_WORDS, _PART_SURE = 8, 0.9
_PART_BESIDE_ORDER = 0.7  # the same, where an order to the judge stands beside it
_TROUBLES = (Category.SECURITY_ISSUE, Category.SYSTEM_ERROR)
_GRAVE = frozenset(words("critical crit fatal emerg emergency alert panic severe corrupted corruption crash crashed"))

_UNKNOWN = _Rule(
    "default.unknown_error",
    Category.SYSTEM_ERROR,
    Severity.MEDIUM,
    20,
    "Nothing is known of this error; it is kept in view until somebody says what it is.",
)
_PLAIN = _Rule(
    "default.no_trouble", Category.IGNORABLE, Severity.LOW, 20, "Nothing is known of it, and it tells of no trouble."
)


def classify(
    *,
    error_type: str | None,
    message: str,
    stack_trace: str | None = None,
    context: Mapping[str, Json] | None = None,
    severity: str | None = None,
    alert: bool = False,
) -> Classification:
    """Category, severity and confidence of one event. Pure and deterministic.

    `alert`: another system watches this state and found it worth telling, so it takes more than a few words to make
    little of it.

    `severity` is the sender's own word or number, on any scale of `rules/severity.yaml`; it overrides the
    judged one. Raises `Invalid` (field `severity`) for one that no scale knows.
    """
    given = severity_of(severity) if severity not in (None, "") else None
    rules = rule_set()
    text = message[:MESSAGE_LIMIT]
    fired = rules.fire(error_type or _leading_type(text), text, context or {})
    lines = _unindented(stack_trace) if stack_trace else ""
    if lines and not fired:
        fired = rules.fire(_last_type(lines), lines, {})
    if any(rule.category is Category.SECURITY_ISSUE for rule in fired):  # soothing words unsay no attack
        fired = [rule for rule in fired if rule.category is not Category.IGNORABLE]
    rival = next((rule.weight for rule in fired if rule.category is not fired[0].category), 0)
    whole = f"{text}\n{lines}" if lines else text
    said: list[str] = []
    if fired and fired[0].weight - rival >= _CLEARLY:
        winner, confidence = fired[0], _sure_of_rule(fired[0])
    else:
        insisted = alert or given in (Severity.MEDIUM, Severity.HIGH)
        sure_of = {Category.IGNORABLE: _NEVER if insisted else _SURE if error_type or stack_trace else _TOO_UNSURE}
        sure_of[Category.VALIDATION_ERROR] = _NEVER if alert else _SURE if insisted else _TOO_UNSURE
        trouble = bool(error_type or stack_trace or insisted)
        said = words_of_event(error_type, whole)
        winner, confidence = _judged(said, sure_of)
        if winner is _UNKNOWN and not trouble:
            winner = _PLAIN
        if fired:  # rules that disagree
            confidence = min(confidence, _DISPUTED)
    if winner.category is Category.IGNORABLE or winner.id == f"model.{Category.VALIDATION_ERROR}":
        said = said or words_of_event(error_type, whole)
        winner, confidence = _loudest_part(said) or _beside_orders(whole, said) or (winner, confidence)
    return Classification(
        category=winner.category,
        severity=given or winner.severity,
        confidence=round(confidence, 2),
        rule_id=winner.id,
        reason=winner.why,
        engine="model" if winner.id.startswith("model.") else "rules",
    )


def _sure_of_rule(rule: _Rule) -> float:
    """How often a rule that stands alone is right: half as often wrong as its weight says, found on our examples."""
    return (100 + rule.weight) / 200


def _judged(words: Sequence[str], sure_of: Mapping[Category, float]) -> tuple[_Rule, float]:
    """What the model says of the words, as a rule would, or `_UNKNOWN`. `sure_of`: the probability that a category
    needs before it is believed; those that make little of an event need more where its sender calls it bad: the sender
    knows more.
    """
    judgement = shipped_model().judge(words)
    category, sure = Category(judgement.category), judgement.probabilities[judgement.category]
    if sure < sure_of.get(category, _TOO_UNSURE) or judgement.known < _STRANGE:
        return _UNKNOWN, 0.2
    return _rule_of_model(judgement, words), sure


def _beside_orders(text: str, said: Sequence[str]) -> tuple[_Rule, float] | None:
    """The trouble that a text tells of beside an order to its judge; None where there is no order, or no trouble."""
    found: list[tuple[_Rule, float]] = []
    for part in beside_orders(text, said):
        words = words_of_event(None, part)
        fired = rule_set().fire(_leading_type(part), part, {})
        found += ((rule, _sure_of_rule(rule)) for rule in fired)
        found += [_judged(words, {}), _loudest_part(words, sure_enough=_PART_BESIDE_ORDER) or (_UNKNOWN, 0.0)]
    troubles = [one for one in found if one[0].category in _TROUBLES and one[0] is not _UNKNOWN]
    return max(troubles, key=lambda one: one[1], default=None)


def _loudest_part(words: Sequence[str], sure_enough: float = _PART_SURE) -> tuple[_Rule, float] | None:
    """What the model surely calls trouble in some part of a longer text; None where there is no such part."""
    if len(words) <= _PART_WORDS:
        return None
    half = _PART_WORDS // 2
    judged = [shipped_model().judge(words[start : start + 2 * half]) for start in range(0, len(words) - half, half)]
    surest = max(judged, key=_trouble_in)
    sure = _trouble_in(surest)
    return (_rule_of_model(surest, words), sure) if sure >= sure_enough else None


def _trouble_in(judgement: Judgement) -> float:
    """How sure it is that this is an attack or an error of a system; 0 where it is neither."""
    if judgement.category not in _TROUBLES or judgement.known < _STRANGE:
        return 0.0
    return judgement.probabilities[judgement.category]


def _rule_of_model(judgement: Judgement, words: Sequence[str]) -> _Rule:
    """A judgement, as a rule would say it."""
    category, sure = Category(judgement.category), judgement.probabilities[judgement.category]
    said = ", ".join(f'"{word}"' for word in judgement.words)
    severity = Severity.LOW if category in (Category.IGNORABLE, Category.VALIDATION_ERROR) else Severity.MEDIUM
    if category is Category.SYSTEM_ERROR and not _GRAVE.isdisjoint(words):
        severity = Severity.HIGH
    why = f"The words {said} speak for it."
    return _Rule(f"model.{category.value}", category, severity, round(sure * 100), why)


def severity_of(value: str | int) -> Severity:
    """Our severity for a sender's word or number. Raises `Invalid` naming field `severity`."""
    found = _severity_table().get(str(value).strip().lower()[:40])
    if found is None:
        raise Invalid.field(
            "severity",
            f"{str(value)[:40]!r} is on no known scale",
            f"use one of: {', '.join(Severity)} (or a vendor's word: {', '.join(list(_severity_table())[3:12])}, ...)",
        )
    return found


# ---------------------------------------------------------------- the rules, compiled


_SQLSTATE = re.compile(r"sqlstate[\[( :=\"']{1,4}([0-9a-z]{5})\b")
_ENDINGS = ("Error", "Exception", "Warning", "Violation", "Interrupt", "Failure", "Fault")
_TYPE = re.compile(rf"\b[A-Za-z_]\w{{0,80}}(?:{'|'.join(_ENDINGS)})\b")
_STATUS_KEYS = ("status", "status_code", "http_status", "statusCode", "response_code")
_SQLSTATE_KEYS = ("sqlstate", "pgcode", "sql_state", "code")


class _Pattern(TypedDict):
    hint: list[str]
    regex: str


class _RuleText(TypedDict):
    id: str
    category: str
    severity: str
    weight: int
    why: str
    phrases: NotRequired[list[str]]
    types: NotRequired[list[str]]
    patterns: NotRequired[list[_Pattern]]
    status: NotRequired[list[str | int]]
    sqlstate: NotRequired[list[str | int]]
    context: NotRequired[list[str]]


class _RuleFile(TypedDict):
    rules: list[_RuleText]


class _Scale(TypedDict):
    name: str
    maps: dict[str, list[str | int]]


class _SeverityFile(TypedDict):
    scales: list[_Scale]


class RuleSet:
    """The rules of the file, compiled once. `fire` gives those that fire, best first."""

    def __init__(self, document: _RuleFile) -> None:
        self.rules: list[_Rule] = []
        #: What a text has one of where the pattern is worth trying; the pattern; the rank of its rule.
        self.patterns: list[tuple[tuple[str, ...], re.Pattern[str], int]] = []
        self._by_status: dict[str, set[int]] = {}
        self._by_sqlstate: dict[str, set[int]] = {}
        self._by_context: dict[str, set[int]] = {}
        phrases: list[tuple[int, str]] = []
        types: list[tuple[int, str]] = []
        ordered = sorted(document["rules"], key=lambda rule: -int(rule["weight"]))  # stable: file order decides
        for rank, raw in enumerate(ordered):
            self.rules.append(
                _Rule(raw["id"], Category(raw["category"]), Severity(raw["severity"]), raw["weight"], raw["why"])
            )
            phrases += ((rank, phrase) for phrase in raw.get("phrases", ()))
            types += ((rank, phrase) for phrase in raw.get("types", ()))
            for item in raw.get("patterns", ()):
                self.patterns.append((tuple(item["hint"]), re.compile(item["regex"]), rank))
            tables = (
                (raw.get("status", []), self._by_status),
                (raw.get("sqlstate", []), self._by_sqlstate),
                (raw.get("context", []), self._by_context),
            )
            for values, table in tables:
                for value in values:
                    table.setdefault(str(value).lower(), set()).add(rank)
        self._phrases = PhraseIndex(phrases)
        self._types = PhraseIndex(types)
        #: The numbers that a phrase names, and the fields of a context that are looked at.
        self.numbers = self._phrases.numbers | self._types.numbers
        self.fields = frozenset({*_STATUS_KEYS, *_SQLSTATE_KEYS, *self._by_context})

    def facts(self, context: Mapping[str, Json]) -> tuple[object, ...]:
        """What is looked at of a context."""
        return (
            *_values(context, _STATUS_KEYS),
            None,
            *_values(context, _SQLSTATE_KEYS),
            None,
            *(key for key in self._by_context if context.get(key)),
        )

    def fire(self, error_type: str | None, text: str, context: Mapping[str, Json]) -> list[_Rule]:
        """The rules that an event fires, the best first."""
        ranks = self._phrases.ranks(words_of(f"{error_type[:200]} {text}" if error_type else text))
        if error_type:
            ranks |= self._types.ranks(words_of(error_type[:200]))
        lower = text.lower()
        if "%" in lower:
            lower = unquote(lower, errors="replace").lower()
        for hints, pattern, rank in self.patterns:
            for hint in hints:
                if hint in lower:
                    if pattern.search(lower):
                        ranks.add(rank)
                    break
        for status in _values(context, _STATUS_KEYS):
            ranks |= self._by_status.get(status, set()) | self._by_status.get(status[:1] + "xx", set())
        for state in _values(context, _SQLSTATE_KEYS) or (_SQLSTATE.findall(lower) if "sqlstate" in lower else ()):
            if len(state) == 5:
                ranks |= self._by_sqlstate.get(state, set()) | self._by_sqlstate.get(state[:2], set())
        for key in self._by_context.keys() & context.keys():
            if context[key]:
                ranks |= self._by_context[key]
        return [self.rules[rank] for rank in sorted(ranks)]


def _values(context: Mapping[str, Json], keys: tuple[str, ...]) -> list[str]:
    """The context's values under the given keys, as short lower-case text."""
    found = (context.get(key) for key in keys)
    return [
        str(value).lower()
        for value in found
        if (isinstance(value, str) and len(value) <= 8) or (isinstance(value, int) and 0 <= value < 10**8)
    ]


def _leading_type(text: str) -> str | None:
    """The error a message begins with ("django.db.IntegrityError: ...")."""
    head = text[:300]
    found = _TYPE.search(head) if any(ending in head for ending in _ENDINGS) else None
    return found.group() if found else None


def _last_type(lines: str) -> str | None:
    """The innermost error of a stack trace: the last one named at the start of a line."""
    for line in reversed(lines.splitlines()):
        found = _leading_type(line.partition(":")[0] if ":" in line else line)
        if found:
            return found
    return None


def _unindented(stack: str) -> str:
    """The lines of a stack trace that are no frames: the errors themselves and what they say."""
    ends = stack if len(stack) <= 2 * STACK_LIMIT else stack[:STACK_LIMIT] + "\n" + stack[-STACK_LIMIT:]
    kept = (line for line in ends.splitlines() if line and not line[0].isspace() and line[0] != "#")
    return "\n".join(kept)


def load_rules(name: str) -> object:
    """One of the rule files that ship with this package, read; who reads it knows its shape."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C parser is ten times as fast where it is built
    found: object = yaml.load(_RULES.joinpath(name).read_text(encoding="utf-8"), Loader=loader)  # noqa: S506 - both are safe
    return found


@cache
def rule_set() -> RuleSet:
    """The rules that ship with this package."""
    return RuleSet(cast(_RuleFile, load_rules("classification.yaml")))


@cache
def _severity_table() -> Mapping[str, Severity]:
    """Word or number -> our severity, ours first."""
    table: dict[str, Severity] = {severity.value: severity for severity in Severity}
    for scale in cast(_SeverityFile, load_rules("severity.yaml"))["scales"]:
        for name, values in scale["maps"].items():
            for value in values:
                table.setdefault(str(value).lower(), Severity(name))
    return table

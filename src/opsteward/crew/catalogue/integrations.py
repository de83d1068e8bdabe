"""Integrations: what is asked for, what comes back, and the task types."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, model_validator

from opsteward.crew.catalogue.declaring import EngineResult, Name, Parameters, task_type
from opsteward.crew.types import Complexity

MAX_PAYLOADS = 20_000
MAX_DEPTH = 30
MAX_NODES = 1_000_000
Payload = dict[Annotated[str, Field(max_length=500)], Any]


def count_nodes(values: Any) -> int:
    """Of JSON; raises ValueError for what is too deep or too much to look at."""
    waiting: list[tuple[Any, int]] = [(values, 0)]
    count = 0
    while waiting:
        value, depth = waiting.pop()
        count += 1
        if depth > MAX_DEPTH:
            raise ValueError(f"more than {MAX_DEPTH} levels deep")
        if count > MAX_NODES:
            raise ValueError(f"more than {MAX_NODES} values; send fewer")
        if isinstance(value, dict):
            waiting.extend((inner, depth + 1) for inner in value.values())
        elif isinstance(value, list):
            waiting.extend((inner, depth + 1) for inner in value)
    return count


class ContractDrift(Parameters):
    """Payloads of one kind, as they were and as they are now."""

    before: Annotated[list[Payload], Field(min_length=1, max_length=MAX_PAYLOADS)]
    after: Annotated[list[Payload], Field(min_length=1, max_length=MAX_PAYLOADS)]
    #: how sure a change has to be; with few payloads a field that is rarely sent may only not have come
    confidence: Annotated[float, Field(ge=0.5, le=0.9999)] = 0.95

    @model_validator(mode="after")
    def _bounded(self) -> ContractDrift:
        count_nodes([self.before, self.after])
        return self


class Drift(BaseModel):
    """One difference. `breaking` ends readers that relied on how it was, `warning` may, `info` does not."""

    path: str
    kind: Literal[
        "removed", "renamed", "added", "type", "nullable", "optional", "always", "format", "enum", "unit", "range"
    ]
    severity: Literal["breaking", "warning", "info"]
    before: str
    after: str
    confidence: float
    example: str


class DriftReport(EngineResult):
    """The differences, breaking ones first."""

    compatible: bool
    changes: list[Drift]
    fields_before: int
    fields_after: int


class TargetField(Parameters):
    """A field of the other side."""

    name: Name
    type: Literal["text", "number", "boolean", "date", "time", "email", "phone", "url", "uuid"] | None = None
    required: bool = False


class FieldMapping(Parameters):
    """Records of both sides, or records of one and the fields of the other."""

    source: Annotated[list[Payload], Field(min_length=1, max_length=MAX_PAYLOADS)]
    target: Annotated[list[Payload], Field(max_length=MAX_PAYLOADS)] = []
    target_fields: Annotated[list[TargetField], Field(max_length=300)] = []
    #: below this confidence nothing is proposed
    least: Annotated[float, Field(ge=0, le=1)] = 0.5

    @model_validator(mode="after")
    def _two_sides(self) -> FieldMapping:
        if not self.target and not self.target_fields:
            raise ValueError("send target (records) or target_fields")
        count_nodes([self.source, self.target])
        return self


class ProposedField(BaseModel):
    """Fill `target` from `source`, by `transform`. The confidence is what the evidence adds up to."""

    target: str
    source: list[str]
    transform: Literal[
        "copy", "lower", "digits", "date", "join", "split_first", "split_last", "boolean", "number", "text"
    ]
    confidence: float
    evidence: list[str]


class MappingProposal(EngineResult):
    """The proposal, the surest first, and what nothing was found for."""

    mapping: list[ProposedField]
    #: fields by which a record of one side is found on the other
    key: ProposedField | None
    unmapped_source: list[str]
    unmapped_target: list[str]
    missing_required: list[str]
    #: records of both sides that are the same by the key
    matched_records: int


TASK_TYPES = (
    task_type(
        "integrations.contract_drift",
        "Compare payloads of before and now: fields that went, came, changed type, format, unit or values.",
        ContractDrift,
    ),
    task_type(
        "integrations.field_mapping",
        "Propose which field of one system fills which of another, with transform, evidence and confidence.",
        FieldMapping,
        complexity=Complexity.COMPLEX,
    ),
)

"""What the API takes and answers about sagas, written from the OpenAPI document by
`python docs/generate.py`.

At run time these are the JSON documents themselves: a field that a newer instance adds is there, untyped.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

from opsteward.core.json_types import Json


class NewStep(TypedDict):
    """One change of one record. `values` are the attributes as the system itself calls them: all of a new record, or
    those to set (null removes one); `native_id` is the system's own name of a record that is there."""

    system_id: str
    resource: str
    operation: Literal["create", "update", "disable", "delete"]
    native_id: NotRequired[str | None]
    values: NotRequired[dict[str, Json]]


class Saga(TypedDict):
    """One change over several systems."""

    id: str
    name: str
    status: str
    steps: list[SagaStep]
    action_id: str | None
    requested_by: str
    created_at: str
    ended_at: str | None
    error: str | None


class SagaIn(TypedDict):
    """What is to be changed, in this order. When a step fails, those before it are taken back."""

    name: str
    steps: list[NewStep]


class SagaStep(TypedDict):
    """One step, in words too, and what became of it. `before`: the attributes of the record as they were. Passwords
    and their like are not shown."""

    number: int
    words: str
    system_id: str
    resource: str
    operation: str
    native_id: str | None
    values: dict[str, Json]
    before: dict[str, Json] | None
    status: str
    problem: str

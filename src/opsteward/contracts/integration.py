"""What one integration folder offers to the registry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel

from opsteward.contracts.action import AnyAction
from opsteward.contracts.agent import AnyAgent
from opsteward.contracts.check import AnyCheck
from opsteward.contracts.connector import Connector
from opsteward.contracts.task import TaskType


@dataclass(frozen=True, kw_only=True)
class Integration:
    """`schemes` are the endpoint schemes it serves ("postgresql", "http"); none for one without a target.

    One with `types` serves only systems of these types, beside those that serve the scheme for all.
    `access` is the action, with `contracts.access.AccessParams`, that keeps who may use a system of it.
    """

    slug: str
    title: str
    schemes: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()
    connector: type[Connector[BaseModel]] | None = None
    checks: Sequence[AnyCheck] = ()
    actions: Sequence[AnyAction] = ()
    task_types: Sequence[TaskType] = ()
    agents: Sequence[type[AnyAgent]] = ()
    access: str | None = None

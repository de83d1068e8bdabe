"""What one integration folder offers to the registry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from opsteward.contracts.action import Action
from opsteward.contracts.agent import BackgroundAgent
from opsteward.contracts.check import Check
from opsteward.contracts.connector import Connector
from opsteward.contracts.task import TaskType


@dataclass(frozen=True, kw_only=True)
class Integration:
    """`schemes` are the endpoint schemes it serves ("postgresql", "http"); none for one without a target.

    `access` is the action, with `contracts.access.AccessParams`, that keeps who may use a system of it.
    """

    slug: str
    title: str
    schemes: frozenset[str] = frozenset()
    connector: type[Connector[Any]] | None = None
    checks: Sequence[Check[Any]] = ()
    actions: Sequence[Action[Any, Any, Any]] = ()
    task_types: Sequence[TaskType] = ()
    agents: Sequence[type[BackgroundAgent[Any]]] = ()
    access: str | None = None

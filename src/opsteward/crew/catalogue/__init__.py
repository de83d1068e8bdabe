"""The catalogue of work: every task type that ships, found by name. An engine is imported when it is first called."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from types import MappingProxyType

from opsteward.crew.types import TaskType

DOMAINS = ("crm", "ecommerce", "analytics", "billing", "cms", "integrations", "operations")


@cache
def task_types() -> Mapping[str, TaskType]:
    """Every task type by its name, "<domain>.<work>"."""
    found: dict[str, TaskType] = {}
    for domain in DOMAINS:
        for one in import_module(f"{__name__}.{domain}").TASK_TYPES:
            found[one.name] = one
    return MappingProxyType(found)

"""Words that the API takes, as enumerations and types to choose from."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

#: Statuses in which a task has ended.
ENDED = frozenset({"completed", "failed", "cancelled", "dead_letter"})
Scope = Literal["everything", "tenant", "task_type", "action"]


class Priority(StrEnum):
    """How urgent a task is."""

    CRITICAL = "critical"
    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"
    BACKGROUND = "background"


class SystemType(StrEnum):
    """What a system is; how it is reached follows from its endpoint's scheme."""

    DATABASE = "database"
    API = "api"
    LDAP = "ldap"
    SCIM = "scim"
    FILE_SYSTEM = "file_system"
    WEBHOOK = "webhook"
    SERVICE = "service"

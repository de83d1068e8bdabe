"""The verbs of systems: what each asks of the API. No sending here."""

from __future__ import annotations

from enum import StrEnum
from typing import Any
from uuid import UUID

from opsteward.client.connection import Call, Page
from opsteward.client.types import AgentsStatus, SystemHealth, SystemInfo

SYSTEMS = "/api/v1/systems"


class SystemType(StrEnum):
    """What a system is; how it is reached follows from its endpoint's scheme."""

    DATABASE = "database"
    API = "api"
    LDAP = "ldap"
    SCIM = "scim"
    FILE_SYSTEM = "file_system"
    WEBHOOK = "webhook"
    SERVICE = "service"


def register_system(name: str, system_type: str, endpoint: str, **more: Any) -> Call[SystemInfo]:
    """`more` are further fields of the API's system: health_check_url, criticality, credentials, depends_on, ..."""
    return Call("POST", SYSTEMS, {"name": name, "type": system_type, "endpoint": endpoint, **more})


def systems() -> Call[Page[SystemInfo]]:
    return Call("GET", SYSTEMS)


def system_health(system_id: str | UUID) -> Call[SystemHealth]:
    return Call("GET", f"{SYSTEMS}/{UUID(str(system_id))}/health")


def system_status() -> Call[AgentsStatus]:
    return Call("GET", "/api/agents/status")

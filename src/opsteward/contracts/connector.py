"""A connection to one outside system."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel


@dataclass(frozen=True, kw_only=True)
class SystemRef:
    """A registered system as plug-ins see it. `settings` are its own thresholds and options, free-form."""

    id: UUID
    tenant_id: UUID
    name: str
    type: str
    endpoint: str
    health_check_url: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ProbeReport:
    """Can we reach and use the system at all. `version` is the system's own word."""

    reachable: bool
    seconds: float
    version: str = ""
    detail: str = ""


ConfigT = TypeVar("ConfigT", bound=BaseModel)


class Connector(ABC, Generic[ConfigT]):
    """One outside system; raises only `core.errors.ConnectorError` subclasses.

    `config_model` holds what may be set: endpoint and options from the system's registration, and its
    decrypted credentials. One instance lives for one check or one action step and is then closed.
    """

    config_model: ClassVar[type[BaseModel]]

    def __init__(self, config: ConfigT) -> None:
        self.config = config

    @classmethod
    @abstractmethod
    def config_for(cls, target: SystemRef, credentials: Mapping[str, str]) -> ConfigT:
        """The typed configuration for a registered system. Raises `Invalid` naming the field at fault."""

    @abstractmethod
    async def probe(self) -> ProbeReport:
        """Reach the system once, read-only."""

    @abstractmethod
    async def close(self) -> None:
        """Give back sockets; never raises."""

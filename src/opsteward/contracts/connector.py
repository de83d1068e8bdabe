"""A connection to one outside system, and how its registration becomes a typed configuration."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Generic, Protocol, TypeVar
from urllib.parse import SplitResult, urlsplit
from uuid import UUID

from pydantic import BaseModel, ValidationError

from opsteward.core.error_words import problems_of
from opsteward.core.errors import Invalid


class OwnServer(Protocol):
    """Opsteward's own database server, known again at each connection by what a server says, not by its address."""

    @property
    def database(self) -> str:
        """The name of Opsteward's own database."""

    @property
    def roles(self) -> frozenset[str]:
        """The roles on that server that are Opsteward's own."""

    @property
    def is_shared(self) -> bool:
        """Whether other databases may be on it; the embedded server is Opsteward's alone."""

    async def identifier(self) -> str | None:
        """Its `system_identifier`, or None where our role may not read it. Raises Unavailable."""

    async def holds(self, lock: int) -> bool:
        """Whether some session on it holds this advisory lock (64 bits). Raises Unavailable."""


@dataclass(frozen=True, kw_only=True)
class SystemRef:
    """A registered system as plug-ins see it. `settings` are its own thresholds and options, free-form.

    `own_server` is what a connector to a database must not work on; None where there is none to compare with."""

    id: UUID
    tenant_id: UUID
    name: str
    type: str
    endpoint: str
    health_check_url: str | None = None
    settings: Mapping[str, object] = field(default_factory=dict)
    own_server: OwnServer | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, kw_only=True)
class ProbeReport:
    """Can we reach and use the system at all. `version` is the system's own word."""

    reachable: bool
    seconds: float
    version: str = ""
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class Capability:
    """One thing that Opsteward may want to do there, and whether the account can. `remedy` is the statement that
    grants it, or what else a person has to do."""

    name: str
    works: bool
    problem: str = ""
    remedy: str = ""


ConfigT_co = TypeVar("ConfigT_co", bound=BaseModel, covariant=True)  # it is only read
FieldsT = TypeVar("FieldsT", bound=BaseModel)


def parse_fields(model: type[FieldsT], values: Mapping[str, object], *, prefix: str) -> FieldsT:
    """The part of free-form `values` that `model` knows, typed; other keys belong to other plug-ins.

    Raises `Invalid` naming each field as `prefix.key`, never showing a value (it may be a secret).
    """
    try:
        return model.model_validate({key: values[key] for key in model.model_fields if key in values})
    except ValidationError as exc:
        found = exc.errors(include_url=False, include_input=False)
        raise Invalid(problems=problems_of(found, prefix=prefix, given=values)) from None


def split_endpoint(endpoint: str, *, field_name: str = "endpoint") -> SplitResult:
    """The parts of an endpoint URL. Raises `Invalid` naming `field_name`, never showing the endpoint."""
    if any(ord(char) <= 32 or ord(char) == 127 for char in endpoint):
        raise Invalid.field(field_name, "holds spaces or control characters", "percent-encode them")
    try:
        parts = urlsplit(endpoint)
        port_is_usable = parts.port is None or parts.port > 0
    except ValueError:
        raise Invalid.field(field_name, "is not a usable URL") from None
    if not port_is_usable:
        raise Invalid.field(field_name, "has a port outside 1-65535")
    if parts.password:
        raise Invalid.field(field_name, "holds a password", "put it into the system's credentials")
    return parts


class Connector(ABC, Generic[ConfigT_co]):
    """One outside system; raises only `core.errors.ConnectorError` subclasses.

    `config_model` holds what may be set: endpoint and options from the system's registration, and its
    decrypted credentials. One instance lives for one check or one action step and is then closed.
    """

    config_model: ClassVar[type[BaseModel]]

    def __init__(self, config: ConfigT_co) -> None:
        self.config = config
        #: Set before the first use, where there is one.
        self.own_server: OwnServer | None = None

    @classmethod
    @abstractmethod
    def config_for(cls, target: SystemRef, credentials: Mapping[str, str]) -> ConfigT_co:
        """The typed configuration for a registered system. Raises `Invalid` naming the field at fault."""

    @abstractmethod
    async def probe(self) -> ProbeReport:
        """Reach the system once, read-only."""

    async def capabilities(self) -> Sequence[Capability]:
        """What else works with this account, beyond being reached, looked at read-only. Raises ConnectorError."""
        return ()

    @abstractmethod
    async def close(self) -> None:
        """Give back sockets; never raises."""

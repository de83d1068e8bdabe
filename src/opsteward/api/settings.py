"""The settings of the HTTP server: addresses, and limits of connections, requests and the live feed."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from typing import Annotated

from pydantic import Field

from opsteward.core.running_instance import local_url
from opsteward.core.settings import SettingsGroup


class ApiSettings(SettingsGroup):
    """Where the API is reached, and what it takes."""

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8080, ge=0, le=65535, description="Port to listen on; 0 picks a free one.")
    public_url: str | None = Field(default=None, description="How browsers reach us; unset: http://host:port.")
    development: bool = Field(
        default=False, description="Shows the console's parts, each in all of its states, at /console/components."
    )
    status_pages: dict[Annotated[str, Field(pattern=r"^/status(-page)?(/[a-z0-9-]{1,50}){0,3}$")], str] = Field(
        default_factory=dict,
        description="Public status pages, as JSON: a path below /status, and the name of the tenant that it is of.",
    )
    trusted_proxies: list[IPv4Network | IPv6Network] = Field(
        default_factory=list,
        description="Addresses or networks of proxies whose X-Forwarded-For and -Proto are believed, as JSON.",
    )
    max_connections: int = Field(
        default=4096, ge=16, le=60_000, description="Most connections held at once; fewer where descriptors are few."
    )
    max_connections_per_address: int = Field(
        default=1024,
        ge=8,
        le=60_000,
        description="Most connections of one address; trusted proxies have no such limit.",
    )
    requests_at_once: int = Field(
        validation_alias="OPSTEWARD_API_REQUESTS_AT_ONCE",
        default=16,
        ge=1,
        le=500,
        description="Requests that use the database at once; others wait their turn.",
    )
    patience: float = Field(
        validation_alias="OPSTEWARD_API_PATIENCE",
        default=30.0,
        gt=0,
        le=600,
        description="Seconds after which a waiting request is told to come back later.",
    )
    max_body_bytes: int = Field(default=1_048_576, ge=1024, description="Largest body of an ordinary request.")
    max_ingest_bytes: int = Field(default=16_777_216, ge=1024, description="Largest body of POST /api/v1/events.")
    max_json_depth: int = Field(default=64, ge=4, le=200, description="Deepest nesting of a JSON body.")
    max_events_per_request: int = Field(default=10_000, ge=1, description="Most events in one request.")
    max_tasks_per_request: int = Field(default=10_000, ge=1, le=100_000, description="Most tasks in one submission.")
    max_import_bytes: int = Field(default=2**31, ge=1024, description="Largest file of users to import.")
    import_at_once: int = Field(
        default=1000, ge=1, le=5000, description="An import of at most so many users is done within its request."
    )
    ws_connections: int = Field(
        default=400,
        ge=8,
        le=60_000,
        description="Connections to the live feed at once; one tenant has three quarters of them at most, one operator "
        "three quarters of that.",
    )
    ws_buffer: int = Field(
        default=1000, ge=10, le=100_000, description="Changes kept in memory for one slow follower of the live feed."
    )
    ws_stall_timeout: float = Field(
        default=60.0, gt=0, description="A follower that takes nothing for so long is let go."
    )

    @property
    def url(self) -> str:
        """How a browser or the CLI on this machine reaches us."""
        return self.public_url or local_url(self.host, self.port)

"""What the process can give to requests at once, shared fairly among tenants and operators (see core.fair_share)."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.types import Scope

from opsteward.accounts.types import Identity
from opsteward.api.settings import ApiSettings
from opsteward.core.fair_share import FairShare, Party

#: Where the guard leaves who asks, for whom it counts, and the request's turn, in the ASGI scope.
IDENTITY, PARTY, TURN = "opsteward.asks", "opsteward.party", "opsteward.turn"

_BODY_BYTES = 64 * 1024 * 1024  # of all bodies that are held; of those that still come, what is not on disk
_SPOOLED_BYTES = 1024 * 1024 * 1024  # of large bodies that still come, on disk
_PARSED_BYTES = 48 * 1024 * 1024  # of bodies and their values that are worked on
_UPLOADS = 4  # files that are read piece by piece
_LOOK_UPS = (
    24  # credentials that are looked up: those found together go on together, and the event loop with them alone
)
_WAITS = 64  # requests that wait for what they began


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """`patience` is how long a request waits for its share, in seconds."""

    concurrency_limit: FairShare
    bodies: FairShare
    spooled: FairShare
    parsed: FairShare
    uploads: FairShare
    waits: FairShare
    followers: FairShare
    patience: float

    @classmethod
    def of(cls, settings: ApiSettings, *, connections: int) -> Capacity:
        """As the settings have it, with so many database connections."""
        at_once = min(settings.requests_at_once, connections)
        return cls(
            concurrency_limit=FairShare(at_once),
            bodies=FairShare(max(_BODY_BYTES, settings.max_ingest_bytes), waiting_limit=100),
            spooled=FairShare(max(_SPOOLED_BYTES, settings.max_ingest_bytes), waiting_limit=100),
            parsed=FairShare(_PARSED_BYTES, waiting_limit=100),
            uploads=FairShare(_UPLOADS, waiting_limit=20),
            waits=FairShare(_WAITS, waiting_limit=0),
            followers=FairShare(settings.ws_connections, waiting_limit=0),
            patience=settings.patience,
        )


def party_of(identity: Identity) -> Party:
    """For whom an operator's requests count."""
    return Party(str(identity.tenant_id), str(identity.operator_id))


def party_in(scope: Scope) -> Party:
    """For whom this request counts; one of nobody known counts for its address."""
    found = scope.get(PARTY)
    if isinstance(found, Party):
        return found
    client = scope.get("client")
    return Party("", client[0] if client else "")

"""`GET /metrics`: what Prometheus scrapes.

Who may see the installation (`metrics.installation`) gets all of it; others with `metrics.read` get the figures of
their own tenant.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated

from fastapi import Depends, Request, Response

from opsteward.accounts.types import Identity
from opsteward.api.deps import Needs, ServicesDep, bearer
from opsteward.api.routes import Routes
from opsteward.telemetry.database_metrics import MEDIA_TYPE, Announcement, exposition
from opsteward.telemetry.metrics import REGISTRY

router = Routes(tags=["metrics"])


class _NeedsUnlessPublic(Needs):
    """Lets a program of this machine in without a credential where the setting `metrics_public` says so."""

    async def __call__(  # type: ignore[override]
        self, request: Request, services: ServicesDep, credential: Annotated[object, Depends(bearer)]
    ) -> Identity | None:
        if services.settings.telemetry.metrics_public and credential is None and _is_of_this_machine(request):
            return None
        return await super().__call__(request, services, credential)


_scraper = _NeedsUnlessPublic("metrics.read")


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(services: ServicesDep, identity: Annotated[Identity | None, Depends(_scraper)]) -> Response:
    """The metrics of this process and of the installation's database, in Prometheus' text format."""
    whole = identity is None or identity.may("metrics.installation")
    if services.figures is None:  # a worker: it has nothing to show but its own process
        if identity is not None:
            identity.require("metrics.installation")
        return Response(exposition(REGISTRY), media_type=MEDIA_TYPE)
    figures = await services.figures.read(None if whole or identity is None else identity.tenant_id)
    own = [REGISTRY] if whole else []
    return Response(exposition(Announcement(figures, whole=whole), *own), media_type=MEDIA_TYPE)


#: Headers by which a proxy tells that the request is somebody else's.
_HANDED_ON = ("x-forwarded-for", "forwarded", "via", "x-real-ip")


def _is_of_this_machine(request: Request) -> bool:
    """Whether the peer is a loopback address and speaks for itself."""
    if any(name in request.headers for name in _HANDED_ON):
        return False
    try:
        return request.client is not None and ip_address(request.client.host).is_loopback
    except ValueError:
        return False

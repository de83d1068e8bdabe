"""Without a token: liveness and readiness."""

from __future__ import annotations

from fastapi.responses import JSONResponse

from opsteward.api.deps import ServicesDep
from opsteward.api.routes import Routes

router = Routes(tags=["front"])


@router.head("/livez", include_in_schema=False)
@router.get("/livez", summary="The process runs")
async def livez() -> dict[str, str]:
    return {"status": "ok"}


@router.get("/readyz", summary="All parts are up", responses={503: {"description": "Not all parts are up yet"}})
async def readyz(services: ServicesDep) -> JSONResponse:
    parts = services.readiness()
    ready = all(parts.values())
    return JSONResponse({"status": "ready" if ready else "starting", "parts": parts}, status_code=200 if ready else 503)

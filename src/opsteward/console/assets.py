"""Style sheet, scripts and pictures, out of the package; their addresses hold their hash, so browsers keep them."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

PREFIX = "/console/static/"
_STATIC = Path(__file__).parent / "static"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}
_FOREVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True)
class _Asset:
    body: bytes
    zipped: bytes
    type: str
    hash: str


@cache
def _all() -> dict[str, _Asset]:
    found = {}
    for path in sorted(_STATIC.rglob("*")):
        if path.suffix in _TYPES:
            body = path.read_bytes()
            name = path.relative_to(_STATIC).as_posix()
            found[name] = _Asset(
                body, gzip.compress(body, 9, mtime=0), _TYPES[path.suffix], hashlib.sha256(body).hexdigest()[:12]
            )
    return found


@cache
def address(name: str) -> str:
    """Where a browser gets this file."""
    return f"{PREFIX}{_all()[name].hash}/{name}"


def serve(request: Request) -> Response | None:
    """The file of this address; None when there is none."""
    given, _, name = request.url.path.removeprefix(PREFIX).partition("/")
    asset = _all().get(name)
    if asset is None or asset.hash != given or request.method not in ("GET", "HEAD"):
        return None
    headers = {"Cache-Control": _FOREVER, "Vary": "Accept-Encoding", "X-Content-Type-Options": "nosniff"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(asset.zipped, media_type=asset.type, headers={**headers, "Content-Encoding": "gzip"})
    return Response(asset.body, media_type=asset.type, headers=headers)

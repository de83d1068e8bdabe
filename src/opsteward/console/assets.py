"""Style sheet, scripts and pictures, out of the package; their addresses hold their hash, so browsers keep them.

The service worker alone has an address that stays: a browser looks there for a newer one.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

PREFIX = "/console/static/"
WORKER = "/console/worker.js"
_STATIC = Path(__file__).parent / "static"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webmanifest": "application/manifest+json",
}
#: Files that name others, as `{asset:NAME}`.
_NAMING = (".webmanifest", ".js")
_NAMED = re.compile(rb"\{asset:([a-z0-9.-]+)\}")
_FOREVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True)
class _Asset:
    body: bytes
    zipped: bytes
    type: str
    hash: str


@cache
def _all() -> dict[str, _Asset]:
    found: dict[str, _Asset] = {}
    paths = (path for path in _STATIC.rglob("*") if path.suffix in _TYPES)
    for path in sorted(paths, key=lambda path: (path.suffix in _NAMING, path)):
        name, body = path.relative_to(_STATIC).as_posix(), path.read_bytes()
        if path.suffix in _NAMING:
            body = _NAMED.sub(lambda named: _address(named[1].decode(), found).encode(), body)
        found[name] = _Asset(
            body, gzip.compress(body, 9, mtime=0), _TYPES[path.suffix], hashlib.sha256(body).hexdigest()[:12]
        )
    return found


def _address(name: str, assets: dict[str, _Asset]) -> str:
    return f"{PREFIX}{assets[name].hash}/{name}"


@cache
def address(name: str) -> str:
    """Where a browser gets this file."""
    return _address(name, _all())


def serve(request: Request) -> Response | None:
    """The file of this address; None when there is none."""
    if request.method not in ("GET", "HEAD"):
        return None
    if request.url.path == WORKER:
        return _response(_all()["worker.js"], request, "no-cache")
    given, _, name = request.url.path.removeprefix(PREFIX).partition("/")
    asset = _all().get(name)
    return _response(asset, request, _FOREVER) if asset is not None and asset.hash == given else None


def _response(asset: _Asset, request: Request, kept: str) -> Response:
    headers = {"Cache-Control": kept, "Vary": "Accept-Encoding", "X-Content-Type-Options": "nosniff"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(asset.zipped, media_type=asset.type, headers={**headers, "Content-Encoding": "gzip"})
    return Response(asset.body, media_type=asset.type, headers=headers)

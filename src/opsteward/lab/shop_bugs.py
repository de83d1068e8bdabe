"""The shop's latent bugs: each does harm only once somebody asks for the one thing that brings it out.

GET /search?q=...      a pattern that takes for ever on some words
GET /export            takes a lock twice
GET /report?mb=...     keeps what it has computed
GET /catalogue?n=...   opens files and never closes them
GET /log?n=...         writes errors that mean nothing
"""

from __future__ import annotations

import logging
import os
import re
import resource
import threading

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

OPEN_FILES = 256
_SLOW = re.compile(r"^(\w+\s?)*$")
_log = logging.getLogger("shop")
_export = threading.Lock()
_kept: list[bytes] = []
_open: list[int] = []


def limit_open_files() -> None:
    """As an operator would for a small service."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, hard))


async def _search(request: Request) -> Response:
    return JSONResponse({"usable": bool(_SLOW.match(request.query_params.get("q", "")))})


async def _export_all(_: Request) -> Response:
    with _export, _export:
        return JSONResponse({})


async def _report(request: Request) -> Response:
    _kept.append(os.urandom(1) * (int(request.query_params.get("mb", "1")) * 1024 * 1024))
    return JSONResponse({"kept": len(_kept)})


async def _catalogue(request: Request) -> Response:
    try:
        _open.extend(os.open(os.devnull, os.O_RDONLY) for _ in range(int(request.query_params.get("n", "1"))))
    except OSError as full:
        return JSONResponse({"error": full.strerror}, status_code=503)
    return JSONResponse({"open": len(_open)})


async def _write_errors(request: Request) -> Response:
    for number in range(int(request.query_params.get("n", "1"))):
        _log.error("ERROR could not warm the recommendation cache (%s): using the usual order", number)
    return JSONResponse({})


BUGS = [
    Route("/search", _search),
    Route("/export", _export_all),
    Route("/report", _report),
    Route("/catalogue", _catalogue),
    Route("/log", _write_errors),
]

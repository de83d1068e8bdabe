"""The API's own description: the OpenAPI document and Swagger UI, all from our own address and without a credential.

Anybody may ask for the document, so it is made once and kept as bytes: making it takes seconds of work, and writing it
out as JSON tens of milliseconds.
"""

from __future__ import annotations

import asyncio
import gzip
import json
from dataclasses import dataclass
from pathlib import Path

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.requests import Request

from opsteward.api.rest import events
from opsteward.core.blocking_calls import in_thread
from opsteward.core.crypto import digest

SCHEMA_URL = "/api/schema/"
_JSON = "application/json"
_PROBLEM_SCHEMA = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "remedy": {"type": "string"},
        "correlation_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "problem"],
                "properties": {k: {"type": "string"} for k in ("field", "problem", "remedy")}
                | {
                    k: {"type": "integer", "description": "of the text that was sent, from 1"}
                    for k in ("line", "column")
                },
            },
        },
    },
}


@dataclass(frozen=True)
class _Document:
    body: bytes
    zipped: bytes
    tag: str


class _Description:
    """The document of one application, made when it is first asked for."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._document: _Document | None = None
        self._making = asyncio.Lock()

    async def answer(self, request: Request) -> Response:
        """The document, zipped for whoever takes that; 304 for who has it."""
        async with self._making:
            if self._document is None:
                self._document = await in_thread(self._make)
            document = self._document
        headers = {"ETag": document.tag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
        if document.tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(document.zipped, headers={**headers, "Content-Encoding": "gzip"}, media_type=_JSON)
        return Response(document.body, headers=headers, media_type=_JSON)

    def _make(self) -> _Document:
        document = self._app.openapi()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas["Problem"] = _PROBLEM_SCHEMA
        schemas["EventIn"] = events.EventIn.model_json_schema()
        body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
        return _Document(body, gzip.compress(body, mtime=0), f'"{digest(document)[:16]}"')


def describe(app: FastAPI) -> None:
    """Have the application describe itself; to be called when all routes are there."""
    import fastapi_offline

    static, description = Path(fastapi_offline.__file__).parent / "static", _Description(app)

    @app.get(SCHEMA_URL, include_in_schema=False)
    async def schema(request: Request) -> Response:
        return await description.answer(request)

    @app.get(f"{SCHEMA_URL}swagger-ui/", include_in_schema=False)
    async def swagger_ui() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url=SCHEMA_URL,
            title="Opsteward API",
            swagger_js_url=f"{SCHEMA_URL}static/swagger-ui-bundle.js",
            swagger_css_url=f"{SCHEMA_URL}static/swagger-ui.css",
            swagger_favicon_url=f"{SCHEMA_URL}static/favicon.png",
        )

    app.mount(f"{SCHEMA_URL}static", StaticFiles(directory=static), name="swagger static")

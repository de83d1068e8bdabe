"""Forms that bring files: read piece by piece, within bounds of size, number and time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.types import Message

from opsteward.core.errors import Conflict, Malformed, TooLarge

MULTIPART = "multipart/form-data"
FILES_LIMIT = 20
_FIELDS_LIMIT = 50
_FIELD_BYTES = 64 * 1024
_WITHIN = 120.0  # seconds


@dataclass(frozen=True, kw_only=True)
class UploadedFile:
    """A file of a form; `name` is the last part of what the browser calls it."""

    name: str
    content: bytes
    media_type: str


async def read_upload(request: Request, limit: int) -> tuple[dict[str, str], list[UploadedFile]]:
    """The fields and files of a form of at most `limit` bytes.

    Raises TooLarge, Malformed when it does not come or is broken, Conflict for another format.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != MULTIPART:
        raise Conflict("this address takes a form with files", remedy="use the API for other formats")
    within, left = limit + _FIELDS_LIMIT * _FIELD_BYTES, limit + _FIELDS_LIMIT * _FIELD_BYTES

    async def receive() -> Message:
        nonlocal left
        message = await request.receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise TooLarge(f"the files are larger than {within} bytes", remedy="send fewer at once")
        return message

    parts = MultiPartParser(
        request.headers,
        Request(request.scope, receive).stream(),
        max_files=FILES_LIMIT,
        max_fields=_FIELDS_LIMIT,
        max_part_size=_FIELD_BYTES,
    )
    try:
        async with asyncio.timeout(_WITHIN):
            form = await parts.parse()
    except TimeoutError:
        late = f"the form did not come within {_WITHIN:g} s"
        raise Malformed.field("body", late, "send it faster, or less at once") from None
    except (MultiPartException, HTTPException, LookupError, ValueError):
        broken = "is no form with files, or has too many parts"
        raise Malformed.field("body", broken, f"send at most {FILES_LIMIT} files from the console's own page") from None
    try:
        fields = {name: value for name, value in form.multi_items() if isinstance(value, str)}
        found = [
            UploadedFile(
                name=(value.filename or "").replace("\\", "/").rpartition("/")[2],
                content=await value.read(),
                media_type=value.content_type or "",
            )
            for _, value in form.multi_items()
            if isinstance(value, UploadFile)
        ]
    finally:
        await form.close()
    return fields, [one for one in found if one.name or one.content]

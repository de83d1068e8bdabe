"""Many HTTP targets in one process: `/t/N` answers 200, or 503 after `/fail/N` (until `/mend/N`); one whose name begins
with `flap` is 4 seconds well and 4 seconds not; `/seen` tells when each was asked."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import defaultdict

seen: dict[str, list[float]] = defaultdict(list)
failing: set[str] = set()
FLAP_SECONDS = 4.0
ANSWER = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b"


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        kind, _, name = head.split(b" ", 2)[1].decode().lstrip("/").partition("/")
        status, body = b"200 OK", b'{"status": "ok"}'
        if kind == "t":
            seen[name].append(time.time())
            if name in failing or (name.startswith("flap") and time.time() % (2 * FLAP_SECONDS) >= FLAP_SECONDS):
                status = b"503 Service Unavailable"
        elif kind == "fail":
            failing.update(name.split(","))
        elif kind == "mend":
            failing.difference_update(name.split(","))
        elif kind == "seen":
            body = json.dumps(seen).encode()
            seen.clear()
        writer.write(ANSWER % (status, len(body), body))
        await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))

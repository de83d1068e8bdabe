"""Many HTTP targets in one process: `/t/N` answers 200, or 503 after `/fail/N`; `/seen` tells when each was asked."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import defaultdict

seen: dict[str, list[float]] = defaultdict(list)
failing: set[str] = set()
ANSWER = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b"


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        kind, _, name = head.split(b" ", 2)[1].decode().lstrip("/").partition("/")
        status, body = b"200 OK", b'{"status": "ok"}'
        if kind == "t":
            seen[name].append(time.time())
            if name in failing:
                status = b"503 Service Unavailable"
        elif kind == "fail":
            failing.add(name)
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

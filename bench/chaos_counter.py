"""The outside world of `make chaos`: counts effects by their idempotency key, as a process of its own.

`POST /` is an effect, which takes some time; the same key again is answered as before and counted as a repeat.
`GET /` tells the keys with how often each came, and how many effects bore none. Prints its port.
"""

from __future__ import annotations

import asyncio
import random
import sys

from aiohttp import web


def application(shortest: float, longest: float, seed: int) -> web.Application:
    """An effect takes between these seconds: half of them pass before it is counted, half after."""
    chance = random.Random(seed)
    number_of: dict[str, int] = {}
    times: dict[str, int] = {}
    without_key = 0

    async def effect(request: web.Request) -> web.Response:
        nonlocal without_key
        half = chance.uniform(shortest, longest) / 2
        await asyncio.sleep(half)
        key = request.headers.get("Idempotency-Key")
        if key is None:
            without_key += 1
            return web.Response(text="0")
        times[key] = times.get(key, 0) + 1
        number = number_of.setdefault(key, len(number_of) + 1)
        await asyncio.sleep(half)
        return web.Response(text=str(number))

    async def report(_: web.Request) -> web.Response:
        return web.json_response({"times": times, "without_key": without_key})

    app = web.Application(client_max_size=2**26)
    app.add_routes([web.post("/", effect), web.get("/", report)])
    return app


async def main() -> None:
    shortest, longest, seed = float(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
    # who asks may be killed at any moment: the effect has begun and comes to its end
    runner = web.AppRunner(application(shortest, longest, seed), handler_cancellation=False, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server is not None
    print(site._server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())

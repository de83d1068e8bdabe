"""What threads have freed goes back to the system: seen from outside, in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

#: Threads that each parse a body of many small values, the last of which stays; what is resident
#: then, before and after memory was given back, in megabytes.
_PROGRAM = """
import asyncio, json, sys
from concurrent.futures import ThreadPoolExecutor
from opsteward.core import memory

memory._EVERY = 0.01
if sys.argv[1] == "yes":
    memory.keep_few_heaps()
body = "[" + ",".join(['{"a":"%s"}' % ("x" * 1000)] * 15_000) + "]"

def work(number):
    parsed = json.loads(body)
    return parsed[-1]

async def main():
    asked = asyncio.create_task(memory.give_back_memory()) if sys.argv[1] == "yes" else None
    await asyncio.sleep(0)
    with ThreadPoolExecutor(12) as threads:
        kept = [asyncio.get_running_loop().run_in_executor(threads, work, n) for n in range(24)]
        kept = await asyncio.gather(*kept)
        until = asyncio.get_running_loop().time() + 20
        while asked and memory.resident() > 90e6 and asyncio.get_running_loop().time() < until:
            await asyncio.sleep(0.05)
        print(memory.resident() // 1_000_000)

asyncio.run(main())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's own functions")
def test_what_threads_have_freed_goes_back() -> None:
    kept, given_back = (
        int(subprocess.run([sys.executable, "-c", _PROGRAM, how], capture_output=True, check=True, text=True).stdout)
        for how in ("no", "yes")
    )
    assert given_back < kept

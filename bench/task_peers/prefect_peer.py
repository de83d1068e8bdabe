"""Prefect: a flow of 40 light tasks, one after the other, with its own local server."""

from __future__ import annotations

import json
import logging
import statistics
import sys
import time

from prefect import flow, task


@task
def light(number: int) -> int:
    return number


@flow
def forty() -> int:
    return sum(light(number) for number in range(40))


def steps(times: int) -> dict[str, float]:
    """Seconds of one flow; the first, which starts the server, does not count."""
    logging.disable(logging.CRITICAL)
    forty()
    spent = []
    for _ in range(times):
        began = time.monotonic()
        forty()
        spent.append(time.monotonic() - began)
    return {"total": statistics.median(spent)}


if __name__ == "__main__":
    print(json.dumps(steps(int(sys.argv[2]))))

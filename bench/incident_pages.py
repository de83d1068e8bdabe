"""How quick the console's pages of incidents are with many open ones.

python -m bench.incident_pages [--number 10000]
"""

from __future__ import annotations

import argparse
import time

import httpx
import psutil
import psycopg
from rich.console import Console

from bench.instance import quantile, running, settle, temporary_folder
from bench.open_incidents import FILL
from opsteward.accounts.sessions import SESSION_COOKIE
from opsteward.core.embedded_postgres import EmbeddedPostgres

ROUNDS = 30
PAGES = ("/incidents?status=open", "/incidents?status=", "/incidents?search=pump+77", "/")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=10_000)
    options = parser.parse_args()
    with temporary_folder() as folder, running(folder / "home") as instance:
        with psycopg.connect(EmbeddedPostgres(instance.home).url("opsteward"), autocommit=True) as connection:
            [tenant] = connection.execute("select id from opsteward.tenants limit 1").fetchone() or [None]
            connection.execute(FILL, [tenant, options.number, tenant])
            connection.execute("analyze opsteward.incidents")
        settle(instance)
        token = (instance.home / "token").read_text().strip()
        with httpx.Client(base_url=instance.client.url, timeout=30) as http:
            signed_in = http.post("/sign-in", data={"token": token}, headers={"Origin": instance.client.url})
            assert signed_in.status_code in (200, 303), signed_in.text
            assert SESSION_COOKIE in http.cookies, signed_in.text
            for page in PAGES:
                took = []
                for _ in range(ROUNDS):
                    began = time.perf_counter()
                    answer = http.get(page, follow_redirects=True)
                    took.append(time.perf_counter() - began)
                    answer.raise_for_status()
                Console().print(
                    f"{page}: median {quantile(took, 0.5) * 1000:.0f} ms, p95 {quantile(took, 0.95) * 1000:.0f} ms,"
                    f" {len(answer.content) // 1024} KB; load average {psutil.getloadavg()[0]:.1f}"
                )


if __name__ == "__main__":
    main()

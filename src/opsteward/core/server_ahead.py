"""The embedded server starts while its process still imports, which takes the process far longer."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from opsteward.core.embedded_postgres import EmbeddedPostgres
from opsteward.core.errors import OpsError
from opsteward.core.postgres_programs import bundled
from opsteward.core.settings import CoreSettings


@contextmanager
def server_started_ahead(settings: CoreSettings) -> Iterator[None]:
    """Start the embedded server of a home that was in use, beside what is done inside.

    What goes wrong with it is not said here: whoever needs the server starts it, and is told. After an error inside
    this process uses the server no longer.
    """
    server = EmbeddedPostgres(settings.home)
    if settings.database_url is not None or not (server.data / "PG_VERSION").exists():
        yield
        return
    bundled()  # in this thread: two that import the same modules can stand in each other's way

    def start() -> None:
        with suppress(OpsError, OSError):
            server.ensure_running()

    starting = threading.Thread(target=start, daemon=True)
    starting.start()
    try:
        yield
    except BaseException:
        starting.join()
        with suppress(OpsError, OSError):
            server.stop_if_last()
        raise

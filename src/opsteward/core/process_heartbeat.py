"""A process's heartbeat: on a thread and a connection of its own, so that a busy event loop doesn't look dead.

It speaks for the process only while the process is alive in truth: the event loop has to answer it now and then. One
that has not answered for `STUCK_AFTER` never will, and the process ends, so that others take its work over.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from uuid import UUID

import psycopg

from opsteward.core.log import get_logger

log = get_logger(__name__)

BEAT_SECONDS = 1.5
STUCK_AFTER = 60.0  # seconds
ZOMBIE_EXIT = 75  # of a process that ends itself because others have taken its work over, or must
_STOP_WITHIN = 5.0  # seconds
_BEAT = "update opsteward.processes set beat_at = now() where id = %s and lost_at is null"


class Heartbeat:
    """Beats from `start()` to `stop()`. `on_beat(ok)` is called on the event loop after each beat: whether the
    database took it."""

    def __init__(
        self,
        conninfo: str,
        *,
        process_id: UUID,
        application_name: str,
        on_beat: Callable[[bool], None],
        stuck_after: float = STUCK_AFTER,
    ) -> None:
        self._conninfo = conninfo
        self._process_id = process_id
        self._application_name = application_name
        self._on_beat = on_beat
        self._stuck_after = stuck_after
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self._connection: psycopg.Connection[tuple[object, ...]] | None = None
        self._unanswered = 0  # beats; not seconds, in which the whole process may have been frozen
        self.taken_at = time.monotonic()  # when the database took the last beat

    def start(self) -> None:
        """Begin; to be called on the event loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def stop(self) -> None:
        """End it and close its connection; blocks for a moment."""
        self._over.set()
        self._thread.join(_STOP_WITHIN)

    def _run(self) -> None:
        while not self._over.is_set():
            self._check_loop()
            taken = self._beat()
            with suppress(RuntimeError):  # the loop is closed: the process is at its end
                self._loop.call_soon_threadsafe(self._hear, taken)
            self._over.wait(BEAT_SECONDS)
        self._disconnect()

    def _hear(self, taken: bool) -> None:
        self._unanswered = 0
        if not self._over.is_set():
            self._on_beat(taken)

    def _check_loop(self) -> None:
        if self._unanswered * BEAT_SECONDS > self._stuck_after:
            log.error("core.process.stuck", process_id=str(self._process_id), seconds=self._stuck_after)
            os._exit(ZOMBIE_EXIT)
        self._unanswered += 1

    def _beat(self) -> bool:
        try:
            if self._connection is None:
                self._connection = psycopg.connect(
                    self._conninfo,
                    autocommit=True,
                    connect_timeout=5,
                    application_name=self._application_name,
                    options="-c statement_timeout=10000",
                )
            beaten = self._connection.execute(_BEAT, (self._process_id,)).rowcount
        except (psycopg.Error, OSError):
            self._disconnect()
            return False
        except Exception:  # a boundary: whatever it is, the next beat may pass; until then we are not ready
            log.exception("core.process.beat_failed")
            self._disconnect()
            return False
        if beaten == 0:
            # Others took our work over while we were frozen: go before a step of ours runs beside theirs.
            log.error("core.process.found_itself_lost", process_id=str(self._process_id))
            os._exit(ZOMBIE_EXIT)
        self.taken_at = time.monotonic()
        return True

    def _disconnect(self) -> None:
        if self._connection is not None:
            with suppress(psycopg.Error, OSError):
                self._connection.close()
            self._connection = None

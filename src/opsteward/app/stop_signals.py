"""How a process obeys SIGTERM and SIGINT: the first ends it in order, saying what it waits for; a second at once.

What was cut off by the second is taken over as after a crash: no task is lost.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from opsteward.core.log import get_logger

log = get_logger(__name__)

#: Ended by a second signal, before it had done what it was about to do (EX_TEMPFAIL: it goes on later).
ENDED_AT_ONCE = 75
_TELL_EVERY = 5.0  # seconds
#: Signals within so many seconds are one wish: a Ctrl-C reaches a terminal's whole group, and its parent ends us too.
_ONE_WISH = 1.0
_MAX_NAMED = 10
_HINT = "A second signal ends it at once; what is unfinished then, or after that time, is run again."


class StopSignals:
    """One per process. `stop()` begins the orderly end; `waits_for()` names what is unfinished, and is called from
    another thread."""

    def __init__(self, *, stop: Callable[[], object], waits_for: Callable[[], Sequence[str]], grace: float) -> None:
        """`grace`: seconds for which the unfinished is waited for."""
        self._stop = stop
        self._waits_for = waits_for
        self._grace = grace
        self._begun_at: float | None = None

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Both signals come here meanwhile."""
        before = {number: signal.signal(number, self.hear) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def hear(self, number: int, frame: FrameType | None = None) -> None:
        """A signal has come."""
        if self._begun_at is not None:
            if time.monotonic() < self._begun_at + _ONE_WISH:
                return
            os.write(2, b"Opsteward ends at once, by a second signal; what was unfinished is run again later.\n")
            os._exit(ENDED_AT_ONCE)
        self._begun_at = time.monotonic()
        # on a thread: whatever the main thread was about to write, it is not waited for here
        threading.Thread(target=self._tell, name="stopping", daemon=True).start()
        self._stop()

    def _tell(self) -> None:
        while self._begun_at is not None:
            waiting = self._waits_for()
            if waiting:
                left = max(0.0, self._grace - (time.monotonic() - self._begun_at))
                _say(waiting, left)
            time.sleep(_TELL_EVERY)


def _say(waiting: Sequence[str], left: float) -> None:
    named = list(waiting[:_MAX_NAMED])
    if len(waiting) > _MAX_NAMED:
        named.append(f"and {len(waiting) - _MAX_NAMED} more")
    if sys.stderr.isatty():
        sys.stderr.write(f"Opsteward is ending. For up to {left:.0f} s it waits for {'; '.join(named)}. {_HINT}\n")
        sys.stderr.flush()
    else:
        log.warning("app.process.stopping", waits_for=named, seconds_left=round(left), hint=_HINT)

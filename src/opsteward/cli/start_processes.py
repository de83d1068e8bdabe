"""`up` and `worker`: settings, logs, a word to the person at the terminal, then serve."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from opsteward.app.settings import Settings, load_settings
from opsteward.core import log
from opsteward.core.server_ahead import server_started_ahead

#: What a service manager takes for a failure and starts again (EX_SOFTWARE); a stop that was asked for is none.
PART_DIED = 70


def prepare(**overrides: str | int | None) -> Settings:
    """The settings, with logging set up for them."""
    settings = load_settings(**{k: v for k, v in overrides.items() if v is not None})
    as_json = settings.core.log_format == "json" or (settings.core.log_format == "auto" and not sys.stderr.isatty())
    log.configure(level=settings.core.log_level, as_json=as_json)
    return settings


def run_up(*, port: int | None, host: str | None, with_parent: bool = False) -> None:
    """Serve until a signal, or the end of standard input. Exits with PART_DIED when a part of the process dies."""
    settings = prepare(port=port, host=host)
    if with_parent:
        threading.Thread(target=_end_with_input, daemon=True).start()

    def announce(url: str, link: str | None) -> None:
        sys.stdout.write(f"Opsteward is up at {url}\n")
        if link:
            sys.stdout.write(f"Sign in (once, within 15 minutes): {link}\n")
            sys.stdout.write("A further link at any time: opsteward open\n")
        else:
            sys.stdout.write("Sign in: opsteward open (prints a link that works once)\n")
        token = settings.home / "token"
        sys.stdout.write(f"Admin token: {token}{'' if token.exists() else ' (no longer there)'}\n")
        sys.stdout.flush()

    with server_started_ahead(settings.core), _reported_death():
        with _all_of_it_stays():
            from opsteward.app.serve import serve
        serve(settings, announce)


def run_worker() -> None:
    """Work until a signal to stop. Exits with PART_DIED when a part of the process dies."""
    settings = prepare()

    def announce() -> None:
        sys.stdout.write("Opsteward worker is up\n")
        sys.stdout.flush()

    with server_started_ahead(settings.core), _reported_death():
        with _all_of_it_stays():
            from opsteward.app.work import work
        work(settings, announce)


@contextmanager
def _all_of_it_stays() -> Iterator[None]:
    """Around the imports of what serves. Looking for garbage in them is a seventh of a start; and so is putting
    together what checks hundreds of models, most of which no request of the next hours needs: each is when it is first
    used."""
    from pydantic import BaseModel

    kept = BaseModel.model_config
    gc.disable()
    BaseModel.model_config = {**kept, "defer_build": True}
    try:
        yield
    finally:
        BaseModel.model_config = kept
        gc.freeze()
        gc.enable()


def _end_with_input() -> None:
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def _reported_death() -> Iterator[None]:
    from opsteward.app.process import PartDied

    try:
        yield
    except PartDied as error:
        log.get_logger(__name__).critical("cli.running.ended", reason=f"a part of the process died: {error}")
        sys.exit(PART_DIED)

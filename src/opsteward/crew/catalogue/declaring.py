"""How a task type is declared, and the types that its parameters and results are made of."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from importlib import import_module
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from opsteward.core.clock import now
from opsteward.crew.types import Complexity, Strategy, TaskResult, TaskType

MAX_ROWS = 100_000
MAX_VALUE = 1e15  # beyond it cents are lost
EVERY_STRATEGY = (Strategy.DIRECT, Strategy.SINGLE_AGENT, Strategy.MULTI_AGENT, Strategy.CREW)

Name = Annotated[str, Field(min_length=1, max_length=200)]
Text = Annotated[str, Field(max_length=20_000)]
Number = Annotated[float, Field(ge=-MAX_VALUE, le=MAX_VALUE, allow_inf_nan=False)]
Amount = Annotated[float, Field(ge=0, le=MAX_VALUE, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
#: A value of a row as JSON has it.
Cell = Annotated[str, Field(max_length=2000)] | bool | int | Number | None


def _without_time(value: Any) -> Any:
    """A day may be sent as a date, or as an instant whose date counts."""
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, str) and len(value) > 10 and value[10:11] in ("T", " "):
        return value[:10]
    return value


Day = Annotated[date, BeforeValidator(_without_time), Field(ge=date(1800, 1, 1), le=date(2300, 1, 1))]


def _day_as_day(value: Any) -> Any:
    """A day without a time is no midnight."""
    if isinstance(value, str) and len(value.strip()) == 10:
        try:
            return date.fromisoformat(value.strip())
        except ValueError:
            return value
    return value


#: An instant, or a day of which the time is not known.
Moment = Annotated[datetime | date, BeforeValidator(_day_as_day)]


def seconds_of(at: datetime | date) -> float:
    """Seconds since 1970; what says no time zone is UTC, and a day begins at midnight."""
    if not isinstance(at, datetime):
        at = datetime.combine(at, time())
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


_MAGNITUDES = {"k": 1e3, "m": 1e6, "mio": 1e6, "b": 1e9}
_WRITTEN = re.compile(
    r"[$€£]?\s*(\d{1,3}(?:[ ,']\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)\s*(k|m|mio|b)?\s*[$€£+]?", re.IGNORECASE
)


def _amount_as_written(value: Any) -> Any:
    """ "51-200" is the middle of both, "1000+" the number, "$50k" 50,000."""
    if not isinstance(value, str):
        return value
    parts = [_WRITTEN.fullmatch(part.strip()) for part in re.split(r"[-–]|\bto\b", value.strip()[:60])]
    found = [match for match in parts if match is not None]
    if not found or len(found) != len(parts) or len(found) > 2:
        return value
    numbers = [
        float(re.sub(r"[ ,']", "", match[1])) * _MAGNITUDES.get((match[2] or "").lower(), 1.0) for match in found
    ]
    return sum(numbers) / len(numbers)


#: An amount as people write it in forms: a number, or "51-200", "1000+", "$50k".
WrittenAmount = Annotated[Amount, BeforeValidator(_amount_as_written)]


def today() -> date:
    """The present day in UTC, for parameters that leave it out."""
    return now().date()


def _plain(value: Any) -> str | bool | int | float | None:
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float):
        return value if abs(value) <= MAX_VALUE else None  # not a number is not below it either
    return str(value)[:2000]


class Parameters(BaseModel):
    """What a call says. A name that the type does not know is refused, so that a slip is no silent default."""

    model_config = ConfigDict(extra="forbid", frozen=True)


_UNTOLD: set[str] = set()


class Row(BaseModel):
    """One row of the data. Further fields are kept: some engines learn from them, and all name those they leave out."""

    model_config = ConfigDict(extra="allow", frozen=True)

    def model_post_init(self, context: Any) -> None:
        """Which fields were sent is kept for no row: these sets are half of a row's memory, and nobody asks."""
        object.__setattr__(self, "__pydantic_fields_set__", _UNTOLD)

    @property
    def others(self) -> dict[str, str | bool | int | float | None]:
        """The fields that the type does not know, as far as they are plain values; without lists and objects."""
        extra = self.model_extra or {}
        return {name: _plain(value) for name, value in extra.items() if not isinstance(value, list | dict)}


class DataUsed(BaseModel):
    """The data that a result rests on."""

    rows: int
    #: the fields that counted
    fields: list[str] = []


class EngineResult(TaskResult):
    """What every engine says beside its own fields."""

    #: the result in one or two sentences
    summary: str
    data_used: DataUsed
    #: what was not there and would have made it better
    missing: list[str] = []
    #: what a reader has to know to read it right: assumptions, limits that cut something off
    notes: list[str] = []


class Engine:
    """A function by its address: its module, with the libraries that it needs, is imported at the first call."""

    def __init__(self, module: str, name: str = "run") -> None:
        # As of a function: whoever runs it elsewhere names it by these.
        self.__module__ = f"opsteward.crew.engines.{module}"
        self.__qualname__ = name

    def __call__(self, parameters: Any) -> TaskResult:
        result = getattr(import_module(self.__module__), self.__qualname__)(parameters)
        assert isinstance(result, TaskResult)
        return result


def task_type(
    name: str,
    summary: str,
    parameters: type[Parameters],
    *,
    complexity: Complexity = Complexity.MODERATE,
    reads: tuple[str, ...] = (),
) -> TaskType:
    """The type whose engine is `run` in `crew/engines/<domain>/<work>.py`."""
    domain, _, _ = name.partition(".")
    return TaskType(
        name=name,
        domain=domain,
        summary=summary,
        parameters=parameters,
        complexity=complexity,
        strategies=EVERY_STRATEGY,
        engine=Engine(name),
        reads=reads,
    )

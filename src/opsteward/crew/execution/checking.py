"""What a crew looks at before it reports: the data that came in, and the results that came out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from heapq import nlargest
from operator import itemgetter

from pydantic import BaseModel

from opsteward.core.json_types import Json, JsonObject

_NOTES_LIMIT = 20
_MISSING_SHARE = 0.05
_ROWS_LOOKED_AT = 100_000


def check_data(parameters: BaseModel) -> JsonObject:
    """How complete the records of these parameters are: rows, fields with gaps, rows that stand there twice."""
    notes: list[str] = []
    rows_in_all = 0
    for name, rows in parameters.model_dump(mode="json").items():
        if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
            continue
        rows_in_all += len(rows)
        notes += _of_rows(name, rows[:_ROWS_LOOKED_AT])
    return {"engine": "rules", "rows": rows_in_all, "notes": [*notes[:_NOTES_LIMIT]]}


def _of_rows(name: str, rows: Sequence[Mapping[str, object]]) -> list[str]:
    # By what is there and not by what is missing: rows may have each a field of its own.
    present: Counter[str] = Counter()
    for row in rows:
        present.update({field: int(value is not None) for field, value in row.items()})
    gaps = ((field, len(rows) - count) for field, count in present.items())
    notes = [
        f"{name}: {field} is missing in {count} of {len(rows)} rows"
        for field, count in nlargest(_NOTES_LIMIT, gaps, key=itemgetter(1))
        if count > _MISSING_SHARE * len(rows)
    ]
    repeated = len(rows) - len({repr(sorted(row.items(), key=lambda item: item[0])) for row in rows})
    if repeated:
        notes.append(f"{name}: {repeated} of {len(rows)} rows stand there more than once")
    return notes


def check_results(results: Mapping[str, JsonObject]) -> JsonObject:
    """Whether each part came to something that can be told. `problems` is empty where all did."""
    problems: list[Json] = []
    for name, result in results.items():
        said = [key for key, value in result.items() if key != "engine" and value not in (None, "", [], {})]
        if not said:
            problems.append(f"{name} came to nothing")
    return {"engine": "rules", "problems": problems, "parts": len(results)}


def report(results: Mapping[str, JsonObject]) -> JsonObject:
    """What all parts say together: their summaries, what they rest on, what was missing."""
    missing: dict[str, None] = {}
    for result in results.values():
        for one in _texts(result.get("missing")):
            missing[one] = None
    summaries = [f"{name}: {text}" for name, result in results.items() if (text := str(result.get("summary") or ""))]
    told: list[Json] = [*list(missing)[:_NOTES_LIMIT]]
    return {"engine": "rules", "summary": " ".join(summaries), "missing": told}


def _texts(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []

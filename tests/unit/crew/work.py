"""Does a piece of work as the crew does: parameters are read, the engine runs, the result becomes JSON."""

from __future__ import annotations

import json
from typing import Any

from opsteward.crew.catalogue import task_types


def done(name: str, **parameters: Any) -> dict[str, Any]:
    """The result as who asked for it gets it."""
    kind = task_types()[name]
    sent = json.loads(json.dumps(parameters, default=str))
    result = kind.engine(kind.parameters.model_validate(sent)).model_dump(mode="json")
    # NaN and infinity are no JSON: a result with one would end in an error where it is sent.
    json.dumps(result, allow_nan=False)
    assert result["engine"] == "rules"
    assert result["summary"]
    return result

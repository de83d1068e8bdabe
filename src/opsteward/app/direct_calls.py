"""Checks files of direct calls for the command line; nothing is started."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import cast

from opsteward.core.json_types import JsonObject
from opsteward.crew.direct_calls.call_file import load_calls


def check_direct_calls(folder: Path) -> tuple[int, list[JsonObject]]:
    """How many calls of a folder are sound, and what is wrong in its files."""
    calls, problems = load_calls(folder)
    return len(calls), [cast(JsonObject, asdict(one)) for one in problems]

"""Where the files of direct calls are."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from opsteward.core.settings import SettingsGroup


class DirectCallSettings(SettingsGroup):
    """The calls of this installation."""

    direct_calls: Path | None = Field(
        default=None, description="Folder of files with named queries and lists of APIs on registered systems; none."
    )

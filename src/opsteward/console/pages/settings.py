"""Settings: what is in force and from where. What may hold a secret is shown only as set or not."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.console.page import Page, Route, Visit, shows
from opsteward.console.pauses import EVERYTHING
from opsteward.core.blocking import in_thread
from opsteward.core.running_instance import toml_file
from opsteward.core.settings import Settings, env_name
from opsteward.core.version import __version__

_PLAIN = (bool, int, float)


@dataclass(frozen=True, kw_only=True)
class SettingRow:
    """A setting by its variable, its value where that is no text, and where it comes from."""

    name: str
    description: str
    value: str
    origin: str


async def settings(visit: Visit, _: AsyncSession) -> Page:
    """All of them, and this process's parts."""
    in_file = await in_thread(_in_file, toml_file())
    return Page(
        template="settings.html",
        title="Settings",
        values={
            "settings": [_row(visit.services.settings, name, in_file) for name in sorted(Settings.model_fields)],
            "version": __version__,
            "parts_up": sorted(visit.services.readiness().items()),
        },
    )


def _row(settings: Settings, name: str, in_file: frozenset[str]) -> SettingRow:
    variable, value = env_name(name), getattr(settings, name)
    field = Settings.model_fields[name]
    origin = "environment" if variable in os.environ else "opsteward.toml" if name in in_file else "default"
    if isinstance(value, _PLAIN):
        shown = (
            str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
        )
    else:
        shown = "set" if value else "not set"
    return SettingRow(name=variable, description=field.description or "", value=shown, origin=origin)


def _in_file(path: Path | None) -> frozenset[str]:
    if path is None or not path.is_file():
        return frozenset()
    return frozenset(tomllib.loads(path.read_text(encoding="utf-8")))


ROUTES: tuple[Route, ...] = (shows("/settings", settings, EVERYTHING),)

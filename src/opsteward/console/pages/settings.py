"""Settings: what is in force and from where. What may hold a secret is shown only as set or not."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.console.languages import _
from opsteward.console.page import Page, Route, Visit, shows
from opsteward.console.pauses import EVERYTHING
from opsteward.console.sorting import sorting
from opsteward.core.blocking_calls import in_thread
from opsteward.core.running_instance import toml_file
from opsteward.core.settings import SettingsGroup, flat_name, variables
from opsteward.core.version import __version__

_PLAIN = (bool, int, float)


@dataclass(frozen=True, kw_only=True)
class SettingRow:
    """A setting by its variable, its value where that is no text, and where it comes from."""

    name: str
    description: str
    value: str
    origin: str

    @property
    def words(self) -> str:
        """What it is found by."""
        return f"{self.name} {self.description}".casefold()


async def settings(visit: Visit, _session: AsyncSession) -> Page:
    """All of them, and this process's parts."""
    in_file = await in_thread(_in_file, toml_file())
    order, called = sorting(visit, {"name": False, "origin": False}), visit.query("ref", limit=100)
    return Page(
        template="settings.html",
        title=_("Settings"),
        values={
            "settings": order.rows(
                [row for row in _rows(visit.services.settings, in_file) if called.casefold() in row.words],
                {"name": lambda row: row.name, "origin": lambda row: (row.origin == "default", row.origin)},
            ),
            "by": order.heads,
            "called": called,
            "sorting": order,
            "version": __version__,
            "parts_up": sorted(visit.services.readiness().items()),
        },
    )


def _rows(groups: Sequence[SettingsGroup], in_file: frozenset[str]) -> list[SettingRow]:
    """By name; what several rooms share is one row."""
    rows = {
        variable: _row(variable, getattr(group, name), field.description or "", in_file)
        for group in groups
        for variable, name, field in variables(type(group))
    }
    return [rows[variable] for variable in sorted(rows)]


def _row(variable: str, value: object, description: str, in_file: frozenset[str]) -> SettingRow:
    in_environment, written = variable in os.environ, flat_name(variable) in in_file
    origin = "environment" if in_environment else "opsteward.toml" if written else "default"
    if isinstance(value, _PLAIN):
        shown = (
            str(value).lower()
            if isinstance(value, bool)
            else f"{value:.12g}"
            if isinstance(value, float)
            else str(value)
        )
    else:
        shown = _("set") if value else _("not set")
    return SettingRow(name=variable, description=description, value=shown, origin=origin)


def _in_file(path: Path | None) -> frozenset[str]:
    if path is None or not path.is_file():
        return frozenset()
    return frozenset(tomllib.loads(path.read_text(encoding="utf-8")))


ROUTES: tuple[Route, ...] = (shows("/settings", settings, EVERYTHING),)

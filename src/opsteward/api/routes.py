"""The router that every file of routes uses."""

from __future__ import annotations

from functools import cached_property

from fastapi import APIRouter
from starlette._utils import get_route_path
from starlette.routing import Match
from starlette.types import Scope


class Routes(APIRouter):
    """Looks at its routes only for a path that begins as one of them: with over a hundred routes in twenty files,
    trying each one's pattern costs more than what most requests are for."""

    @cached_property
    def _beginnings(self) -> tuple[str, ...]:
        return tuple({getattr(route, "path", "").partition("{")[0] for route in self.routes})

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether one of these routes takes it, as Starlette asks."""
        # a path without its last slash is asked for too, to be redirected
        if not f"{get_route_path(scope)}/".startswith(self._beginnings):
            return Match.NONE, {}
        return super().matches(scope)

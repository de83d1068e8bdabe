"""The router that every file of routes uses."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette._utils import get_route_path
from starlette.routing import Match, compile_path, get_name
from starlette.types import Scope


class LateRoute(APIRoute):
    """A route that tells what it was given, and is put together only when more is asked of it. Including a router puts
    its routes together once more, for their place in the application, when a path begins like one of them; to do it
    at import, too, costs a third of a second of each start and 12 MB."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **given: Any) -> None:
        self.path, self.endpoint, self.stream_item_type = path, endpoint, None
        self.path_regex, self.path_format, self.param_convertors = compile_path(path)
        self._given = (
            {"form_limits": None}
            | given
            | {
                "name": given.get("name") or get_name(endpoint),
                "methods": {method.upper() for method in given.get("methods") or ["GET"]},
            }
        )
        self.built = False

    def __getattr__(self, name: str) -> Any:
        """What is no attribute yet."""
        if name.startswith("__") or self.built:
            raise AttributeError(name)
        if name in self._given:
            return self._given[name]
        self.built = True
        super().__init__(self.path, self.endpoint, **self._given)
        return getattr(self, name)


class Routes(APIRouter):
    """Looks at its routes only for a path that begins as one of them: with over a hundred routes in twenty files,
    trying each one's pattern costs more than what most requests are for."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**{"route_class": LateRoute, **given})

    @cached_property
    def _beginnings(self) -> tuple[str, ...]:
        return tuple({getattr(route, "path", "").partition("{")[0] for route in self.routes})

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether one of these routes takes it, as Starlette asks."""
        # a path without its last slash is asked for too, to be redirected
        if not f"{get_route_path(scope)}/".startswith(self._beginnings):
            return Match.NONE, {}
        return super().matches(scope)

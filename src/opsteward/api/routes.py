"""The router that every file of routes uses."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import cached_property
from inspect import isawaitable
from typing import Any, TypeVar

from fastapi import APIRouter, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import request_params_to_args
from fastapi.routing import APIRoute
from starlette._utils import get_route_path
from starlette.routing import Match, compile_path, get_name
from starlette.types import Scope

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])
Handler = Callable[[Request], Coroutine[Any, Any, Response]]
_DIRECT: set[Callable[..., Any]] = set()


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

    def get_route_handler(self) -> Handler:
        """As FastAPI asks for it."""
        usual = super().get_route_handler()
        return _direct(self, usual) if self.endpoint in _DIRECT else usual


def called_directly(function: FunctionT) -> FunctionT:
    """For the functions of routes that senders ask by the thousand: to find out at each request what the function
    needs, as FastAPI does, takes longer than what is done for one event.

    It takes the request, what is in path and query, and what other functions give that do not block and take nothing
    but the request and each other; what it returns is of the type that its signature says. A request whose path or
    query does not fit goes FastAPI's way, and is refused there.
    """
    _DIRECT.add(function)
    return function


def _direct(route: APIRoute, usual: Handler) -> Handler:
    needs, status, answer = route.dependant, route.status_code or 200, route.response_field
    assert answer is not None

    async def handle(request: Request) -> Response:
        given, faults = request_params_to_args(needs.path_params, request.path_params)
        asked, more = request_params_to_args(needs.query_params, request.query_params)
        if faults or more:
            return await usual(request)
        known: dict[Any, Any] = {}
        for need in needs.dependencies:
            asked[str(need.name)] = await _solved(need, request, known)
        found = await route.endpoint(request=request, **given, **asked)
        return Response(answer.serialize_json(found), status_code=status, media_type="application/json")

    return handle


async def _solved(need: Dependant, request: Request, known: dict[Any, Any]) -> Any:
    """What a function gives that others need; once for each."""
    assert need.call is not None
    if need.call not in known:
        given = {str(inner.name): await _solved(inner, request, known) for inner in need.dependencies}
        if name := need.request_param_name or need.http_connection_param_name:
            given[name] = request
        found = need.call(**given)
        known[need.call] = await found if isawaitable(found) else found
    return known[need.call]


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

"""Routes are put together when they are first asked for, and are then what FastAPI makes of them."""

from __future__ import annotations

import subprocess
import sys
from typing import Annotated

import pytest
from fastapi import FastAPI, Query
from fastapi.testclient import TestClient

from opsteward.api.routes import LateRoute, Routes

_AT_START = """
from opsteward.api.app import ROUTES
from opsteward.api.routes import LateRoute
routes = [route for module in ROUTES for route in module.router.routes]
assert len(routes) > 200 and all(isinstance(route, LateRoute) for route in routes)
print(sum(route.built for route in routes))
"""


def test_none_is_built_at_start() -> None:
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", _AT_START], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0"


def test_it_serves_as_any_route_and_is_put_together_for_who_asks() -> None:
    router = Routes(prefix="/things")

    @router.get("/{thing}", status_code=202)
    def one(thing: int, much: Annotated[int, Query(le=5)] = 1) -> dict[str, int]:
        return {"thing": thing, "much": much}

    @router.delete("/{thing}")
    def gone(thing: int) -> None:
        """Never asked for."""

    app = FastAPI()
    app.include_router(router)
    client = TestClient(app)
    answers = [client.get(path) for path in ("/things/3?much=4", "/things/x", "/things/3?much=6")]
    assert [answer.status_code for answer in answers] == [202, 422, 422]
    assert answers[0].json() == {"thing": 3, "much": 4}
    assert client.post("/things/3").status_code == 405
    first, second = router.routes
    assert isinstance(first, LateRoute) and isinstance(second, LateRoute)
    assert (first.built, second.built) == (False, False)
    assert [param.name for param in first.dependant.query_params] == ["much"]
    assert (first.built, second.built) == (True, False)
    assert set(client.get("/openapi.json").json()["paths"]["/things/{thing}"]) == {"get", "delete"}
    with pytest.raises(AttributeError):
        _ = first.nothing

"""Applications with Sentry's SDK for Python, unchanged, that fail: `python sentry_apps.py fastapi|flask|plain DSN`."""

from __future__ import annotations

import sys

import sentry_sdk
from sentry_sdk.integrations.fastapi import FastApiIntegration
from sentry_sdk.integrations.flask import FlaskIntegration
from sentry_sdk.integrations.starlette import StarletteIntegration


class OutOfStock(Exception):
    pass


def reserve(item: str) -> None:
    raise KeyError(item)


def checkout(item: str) -> None:
    try:
        reserve(item)
    except KeyError as error:
        raise OutOfStock(f"nothing left of {item}") from error


def fastapi_app() -> None:
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

    app = FastAPI()

    @app.get("/buy/{item}")
    def buy(item: str) -> None:
        sentry_sdk.set_tag("channel", "web")
        sentry_sdk.add_breadcrumb(category="cart", message=f"put {item} into the cart")
        checkout(item)

    client = TestClient(app, raise_server_exceptions=False)
    for item in ("lamp-1", "lamp-2"):
        assert client.get(f"/buy/{item}").status_code == 500


def flask_app() -> None:
    from flask import Flask

    app = Flask("shop")

    @app.get("/buy/<item>")
    def buy(item: str) -> str:
        try:
            checkout(item)
        except OutOfStock:
            return str(1 / 0)
        return "bought"

    assert app.test_client().get("/buy/lamp").status_code == 500


def plain_app() -> None:
    import logging

    sentry_sdk.set_user({"id": "u-17", "username": "ada"})
    with sentry_sdk.new_scope() as scope:
        scope.add_attachment(bytes=b"order 17", filename="order.txt", content_type="text/plain")
        sentry_sdk.capture_message("Payment provider is slow \x00 \ud800", level="warning")
    for order in ("4711", "lost property"):
        logging.getLogger("billing").error("Invoice of %s was not sent", order)
    try:
        raise ExceptionGroup("two of three failed", [ValueError("a"), OSError(28, "No space left on device")])
    except ExceptionGroup as error:
        sentry_sdk.capture_exception(error)
    with sentry_sdk.start_transaction(op="task", name="nightly"):
        pass


if __name__ == "__main__":
    sentry_sdk.init(
        sys.argv[2],
        release="shop@1.4.2",
        environment="staging",
        traces_sample_rate=1.0,
        auto_enabling_integrations=False,  # which would look for dozens of libraries
        integrations={"fastapi": [StarletteIntegration(), FastApiIntegration()], "flask": [FlaskIntegration()]}.get(
            sys.argv[1], []
        ),
    )
    {"fastapi": fastapi_app, "flask": flask_app, "plain": plain_app}[sys.argv[1]]()
    sentry_sdk.flush(10)

import logging
import sys

import sentry_sdk


class GatewayError(Exception):
    pass


def fetch(number, variant):
    host = f"10.0.{variant}.7"
    if number == 1:
        raise OSError(111, f"Connection refused: {host}:{5000 + variant}")
    if number == 2:
        raise OSError(110, f"Connection timed out after {variant}000 ms: {host}")
    raise OSError(28, f"No space left on device: '/data/{variant}/orders.db'")


def parse(text):
    return int(text)


def convert(text):
    return int(text)


def pay(number, variant):
    try:
        fetch(number, variant)
    except OSError as error:
        raise GatewayError(f"payment of order {4000 + variant} failed") from error


KINDS = {
    "refused": lambda v: fetch(1, v),
    "timeout": lambda v: fetch(2, v),
    "disk_full": lambda v: fetch(3, v),
    "bad_number": lambda v: parse("x1"),
    "bad_number_elsewhere": lambda v: convert("x1"),
    "wrapped_refused": lambda v: pay(1, v),
    "wrapped_timeout": lambda v: pay(2, v),
}

for variant in (1, 2, 3):
    sentry_sdk.init(
        sys.argv[1], release=f"shop@1.0.{variant}", environment="production", auto_enabling_integrations=False
    )
    sentry_sdk.set_tag("variant", str(variant))
    sentry_sdk.set_user({"id": str(variant)})
    for kind, fail in KINDS.items():
        sentry_sdk.set_tag("kind", kind)
        try:
            fail(variant)
        except Exception as error:
            sentry_sdk.capture_exception(error)
    sentry_sdk.set_tag("kind", "message")
    logging.getLogger("shop").error("Invoice of %s was not sent", ("ada", "lost property", "4711")[variant - 1])
    sentry_sdk.set_tag("kind", "other_message")
    sentry_sdk.capture_message(f"Stock of {variant} items is negative", level="warning")
    sentry_sdk.flush(10)

import sys

import raven
from raven.transport.http import HTTPTransport


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

# a legacy SDK asks for a secret in the DSN as well
client = raven.Client(sys.argv[1].replace("@", ":secret@"), transport=HTTPTransport, include_paths=["__main__"])
for variant in (1, 2, 3):
    for kind, fail in KINDS.items():
        try:
            fail(variant)
        except Exception:
            client.captureException(tags={"kind": kind, "variant": variant})
    client.captureMessage(
        "Invoice of %s was not sent",
        params=(("ada", "lost property", "4711")[variant - 1],),
        tags={"kind": "message", "variant": variant},
    )

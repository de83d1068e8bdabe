"""Lines that differ in their values only have one template, whatever the values are."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from opsteward.events.templates import mask

TWINS = 60


def _hex(dice: random.Random, length: int) -> str:
    return "".join(dice.choice("0123456789abcdef") for _ in range(length))


def _ipv6(dice: random.Random) -> str:
    groups = [_hex(dice, dice.randint(1, 4)) for _ in range(8)]
    return dice.choice(
        [
            ":".join(groups),
            f"2001:db8::{groups[0]}",
            f"fe80::{':'.join(_hex(dice, 4) for _ in range(4))}",
            ":".join(groups).upper(),
        ]
    )


def _mac(dice: random.Random) -> str:
    pairs = [_hex(dice, 2) for _ in range(6)]
    return dice.choice([":".join(pairs), "-".join(pairs).upper(), ".".join(_hex(dice, 4) for _ in range(3))])


VALUES: dict[str, Callable[[random.Random], str]] = {
    "ipv4": lambda dice: ".".join(str(dice.randint(0, 255)) for _ in range(4)),
    "ipv6": _ipv6,
    "mac": _mac,
    "hex": lambda dice: dice.choice(["0x", ""]) + _hex(dice, dice.choice([8, 12, 40])),
    "number": lambda dice: str(dice.randint(0, 10 ** dice.randint(1, 9))),
    "path": lambda dice: "/" + "/".join(dice.choice(["var", "srv", "log", "a-b"]) for _ in range(dice.randint(1, 4))),
    "user": lambda dice: dice.choice(["root", "alice", "www-data", "o.brien", "svc_backup", "X"]),
    "host": lambda dice: dice.choice(["mail", "gw", "db01", "web.example.com", "edge-fra", "alpha.corp"]),
}
LINES = {
    "ipv4": ["connect to {} failed", "SRC={} DST={} PROTO=TCP", "client {}: refused", "[{}] joined"],
    "ipv6": ["connect to {} failed", "SRC={} DST={} PROTO=TCP", "client {}: refused", "listening on [{}]:443"],
    "mac": ["lease for {} given", "BSSID {}", "arp ({}) seen", "MAC={} dropped", "port flap on {}, disabled"],
    "hex": ["commit {} applied", "id={} is double", "request {}: failed", "segfault at {} ip {}"],
    "number": ["read {} bytes", "load {}%", "retry #{}", "temperature {}C", "size:{}", "{} of {} done"],
    "path": ["cannot open {}: denied", "file={} is missing", '("{}") skipped'],
    "user": ["user {} logged in", "Invalid user {} from 10.0.0.1", "login for {} from 10.0.0.1", "({}) CMD (run)"],
    "host": ["host {} is down", "server {} unreachable", "connect from {}[10.0.0.1]", "lookup of host {} timed out"],
}


@pytest.mark.parametrize("kind", LINES)
def test_other_values_are_the_same_template(kind: str) -> None:
    dice = random.Random(kind)
    for line in LINES[kind]:
        twins = {mask("".join(part + (VALUES[kind](dice) if n < line.count("{}") else "")
                 for n, part in enumerate(line.split("{}")))) for _ in range(TWINS)}  # fmt: skip
        assert len(twins) == 1, (line, twins)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('"GET /a HTTP/1.1" 200', '"POST /a HTTP/1.1" 200'),
        ("state=UP host=a", "state=DOWN host=a"),
        ("level=warn x", "level=error x"),
        ("exit code 1", "exit code 2"),
        ("signal 9", "signal 11"),
    ],
)
def test_methods_states_and_codes_stay(one: str, other: str) -> None:
    assert mask(one) != mask(other)


def test_a_template_does_not_depend_on_what_was_seen_before() -> None:
    lines = [f"status {n} of job {n * 7} on host h{n}" for n in range(300)]
    assert [mask(line) for line in lines] == [mask(line) for line in reversed(lines)][::-1]

"""Spellings of an IPv4 address, as people and attackers write them, and of names that lead to it."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping

Spelling = Callable[[str], str]


def _number(address: str) -> int:
    return int(ipaddress.IPv4Address(address))


def _parts(address: str) -> list[int]:
    return [int(part) for part in address.split(".")]


def _halves(address: str) -> str:
    number = _number(address)
    return f"{number >> 16:x}:{number & 0xFFFF:x}"


def _wide(address: str, zero: int) -> str:
    return "".join(chr(zero + int(c)) if c.isdigit() else c for c in address)


def _teredo(address: str) -> str:
    inverted = _number(address) ^ 0xFFFFFFFF
    return f"[2001:0:808:808::{inverted >> 16:x}:{inverted & 0xFFFF:x}]"


#: Of the host alone.
HOSTS: Mapping[str, Spelling] = {
    "dotted": lambda a: a,
    "one number": lambda a: str(_number(a)),
    "one octal number": lambda a: f"0{_number(a):o}",
    "one hexadecimal number": lambda a: f"0x{_number(a):x}",
    "one hexadecimal number, upper case": lambda a: f"0X{_number(a):X}",
    "octal parts": lambda a: ".".join(f"0{part:o}" for part in _parts(a)),
    "octal parts with many zeros": lambda a: ".".join(f"{part:010o}" for part in _parts(a)),
    "hexadecimal parts": lambda a: ".".join(f"0x{part:02X}" for part in _parts(a)),
    "parts of every kind": lambda a: "0x{:x}.{}.0{:o}.{}".format(*_parts(a)),
    "three parts": lambda a: f"{_parts(a)[0]}.{_parts(a)[1]}.{_number(a) & 0xFFFF}",
    "two parts": lambda a: f"{_parts(a)[0]}.{_number(a) & 0xFFFFFF}",
    "a dot at the end": lambda a: f"{a}.",
    "a number with a dot at the end": lambda a: f"{_number(a)}.",
    "percent-encoded": lambda a: "".join(f"%{ord(c):02x}" for c in a),
    "a percent-encoded dot": lambda a: a.replace(".", "%2e"),
    "wide digits": lambda a: _wide(a, 0xFF10),
    "mathematical digits": lambda a: _wide(a, 0x1D7D8),
    "superscripts": lambda a: a.translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")),
    "ideographic full stops": lambda a: a.replace(".", "\u3002"),
    "a halfwidth full stop": lambda a: a.replace(".", "\uff61"),
    "a soft hyphen": lambda a: f"{a[:2]}\u00ad{a[2:]}",
    "a zero-width joiner": lambda a: f"{a[:2]}\u200d{a[2:]}",
    "IPv4-mapped": lambda a: f"[::ffff:{a}]",
    "IPv4-mapped in hexadecimal": lambda a: f"[::ffff:{_halves(a)}]",
    "IPv4-mapped at full length": lambda a: f"[0:0:0:0:0:FFFF:{_halves(a).upper()}]",
    "IPv4-compatible": lambda a: f"[::{a}]",
    "IPv4-translated": lambda a: f"[::ffff:0:{_halves(a)}]",
    "NAT64": lambda a: f"[64:ff9b::{_halves(a)}]",
    "NAT64, dotted": lambda a: f"[0064:ff9b::{a}]",
    "NAT64 for local use": lambda a: f"[64:ff9b:1::{_halves(a)}]",
    "NAT64 for local use, longer": lambda a: f"[64:ff9b:1:fffe::{_halves(a)}]",
    "6to4": lambda a: f"[2002:{_halves(a)}::1]",
    "Teredo": _teredo,
    "ISATAP": lambda a: f"[2a00:1450::5efe:{_halves(a)}]",
    "ISATAP, marked global": lambda a: f"[2a00:1450:0:0:200:5efe:{_halves(a)}]",
    "NAT64 in upper case with zeros": lambda a: f"[0064:FF9B:0:0:0:0:{_halves(a).upper()}]",
    "6to4 with more behind": lambda a: f"[2002:{_halves(a)}:ffff:1:2:3:4]",
    "IPv4-mapped with a zone": lambda a: f"[::ffff:{a}%25lo]",
    "ISATAP below 6to4": lambda a: f"[2002:808:808::5efe:{_halves(a)}]",
    "a number beyond 32 bits": lambda a: str(_number(a) + 2**32),
    "parts beyond 255": lambda a: ".".join(str(part + 256) for part in _parts(a)),
    "a hexadecimal number with zeros": lambda a: f"0x{_number(a):020x}",
    "three parts of other kinds": lambda a: f"0{_parts(a)[0]:o}.0x{_parts(a)[1]:x}.{_number(a) & 0xFFFF}",
    "Arabic digits": lambda a: _wide(a, 0x660),
    "Devanagari digits": lambda a: _wide(a, 0x966),
    "circled digits": lambda a: a.translate(str.maketrans("0123456789", "⓪①②③④⑤⑥⑦⑧⑨")),
    "a wide x": lambda a: f"0\uff58{_number(a):x}",
    "one-dot leaders": lambda a: a.replace(".", "\u2024"),
    "two dots at the end": lambda a: f"{a}..",
    "encoded twice": lambda a: "".join(f"%25{ord(c):02x}" for c in a),
    "an encoded NUL behind": lambda a: f"{a}%00",
    "an encoded line end behind": lambda a: f"{a}%0d%0a",
    "an encoded slash behind": lambda a: f"{a}%2f.example.com",
    "a variation selector": lambda a: f"{a}\ufe0f",
    "no brackets": lambda a: f"::ffff:{a}",
    "a sign before": lambda a: f"+{_number(a)}",
    "underscores": lambda a: a.replace(".", "_."),
}

#: Of the whole address.
ADDRESSES: Mapping[str, Callable[[str, int], str]] = {
    "a public name as the user": lambda a, port: f"http://example.com@{a}:{port}/",
    "a public name and port as the user": lambda a, port: f"http://example.com:80@{a}:{port}/",
    "an encoded at sign before": lambda a, port: f"http://example.com%40x@{a}:{port}/",
    "two at signs": lambda a, port: f"http://user@example.com@{a}:{port}/",
    "a backslash before the at sign": lambda a, port: f"http://{a}:{port}\\@example.com/",
    "a number sign before the at sign": lambda a, port: f"http://{a}:{port}#@example.com/",
    "backslashes for slashes": lambda a, port: f"http:\\\\{a}:{port}\\",
    "one slash": lambda a, port: f"http:/{a}:{port}/",
    "no slash": lambda a, port: f"http:{a}:{port}/",
    "three slashes": lambda a, port: f"http:///{a}:{port}/",
    "upper case": lambda a, port: f"HTTP://{a}:{port}/",
    "a tab within": lambda a, port: f"http://{a[:3]}\t{a[3:]}:{port}/",
    "a space before": lambda a, port: f" http://{a}:{port}/",
    "a port with zeros": lambda a, port: f"http://{a}:000{port}/",
    "an encoded slash in the user": lambda a, port: f"http://example.com%2f@{a}:{port}/",
    "a semicolon in the user": lambda a, port: f"http://example.com;@{a}:{port}/",
    "brackets in the user": lambda a, port: f"http://[example.com]@{a}:{port}/",
    "a path as the user": lambda a, port: f"http://example.com/..@{a}:{port}/../@{a}/",
    "a password": lambda a, port: f"http://u:p@{a}:{port}/",
    "an empty user": lambda a, port: f"http://@{a}:{port}/",
    "a line end within": lambda a, port: f"http://{a}\r\n:{port}/",
    "a NUL within": lambda a, port: f"http://{a}\x00.example.com:{port}/",
    "two ports": lambda a, port: f"http://{a}:{port}:80/",
    "another scheme": lambda a, port: f"gopher://{a}:{port}/",
    "a file of another host": lambda a, port: f"file://{a}/etc/passwd",
    "a question mark at the end of the host": lambda a, port: f"http://{a}:{port}?.example.com/",
}

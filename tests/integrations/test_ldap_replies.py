"""Answers to a search as bytes: whatever a directory sends, it is an entry, or an error that says so."""

from __future__ import annotations

import random
import socket
import time
from typing import Any

import pytest

from opsteward.core.errors import BadReply
from opsteward.integrations.ldap import replies
from opsteward.integrations.ldap.config import LdapResource
from opsteward.integrations.ldap.entries import EntryReader

PERSON = {
    "uid": [b"ada"],
    "cn": ["Ada Löwe".encode(), b"Ada"],
    "jpegPhoto": [b"\xff\xd8\x00" * 100],
    "description": [b""],
    "entryUUID": [b"0A1B2C3D-0000-1111-2222-333344445555"],
}
NUMBER = 7


def element(tag: int, content: bytes, *, long: bool = False) -> bytes:
    """`long`: with four bytes of length, as Active Directory writes them."""
    size = len(content)
    if long:
        return bytes([tag, 0x84]) + size.to_bytes(4, "big") + content
    if size < 128:
        return bytes([tag, size]) + content
    told = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(told)]) + told + content


def entry(attributes: dict[str, list[bytes]] = PERSON, *, long: bool = False, controls: bytes = b"") -> bytes:
    each = b"".join(
        element(0x30, element(4, name.encode()) + element(0x31, b"".join(element(4, v) for v in values), long=long),
                long=long)
        for name, values in attributes.items()
    )  # fmt: skip
    content = element(4, b"uid=ada,dc=org") + element(0x30, each, long=long)
    return element(0x30, element(2, bytes([NUMBER])) + element(0x64, content, long=long) + controls, long=long)


DONE = element(0x30, element(2, bytes([NUMBER])) + element(0x65, b"\x0a\x01\x00\x04\x00\x04\x00"))


@pytest.mark.parametrize("long", [False, True])
def test_an_entry_is_read_whole_with_lengths_of_either_form(long: bool) -> None:
    found = read(entry(long=long) + DONE, pieces=7)
    assert found[0]["raw_dn"] == b"uid=ada,dc=org" and dict(found[0]["raw_attributes"].items()) == PERSON
    record = EntryReader(LdapResource()).record(found[0])
    assert record.native_id == "0a1b2c3d-0000-1111-2222-333344445555"
    assert record.values["cn"] == ["Ada", "Ada Löwe"] and record.values["description"] == ""


def test_what_has_controls_or_is_part_of_a_long_list_is_read_by_the_library() -> None:
    told = element(0xA0, element(0x30, element(4, b"1.2.3") + element(4, b"x")))
    (with_control, *_) = read(entry(controls=told) + DONE)
    assert "1.2.3" in with_control["controls"] and with_control["raw_attributes"]["uid"] == [b"ada"]
    (part, *_) = read(entry({"member;range=0-1": [b"a", b"b"]}) + DONE)
    assert part["attributes"] and part["raw_attributes"]["member;range=0-1"] == [b"a", b"b"]


@pytest.mark.parametrize("size", [b"\x84\x7f\xff\xff\xff", b"\x88" + b"\xff" * 8])
def test_an_answer_that_claims_to_be_huge_is_not_waited_for(size: bytes) -> None:
    with pytest.raises(ValueError, match="too long"):
        read(b"\x30" + size + b"\x02\x01\x07")


def test_a_large_entry_that_comes_in_many_parts_is_not_copied_for_each() -> None:
    photo = b"x" * (32 << 20)
    content = entry({"jpegPhoto": [photo]}) + DONE
    began = time.thread_time()
    (found, *_) = answered(Slowly(content, 16 << 10))
    assert time.thread_time() - began < 3
    assert dict(found["raw_attributes"].items()) == {"jpegPhoto": [photo]}


def test_a_directory_that_does_not_end_its_answer_is_not_listened_to_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replies, "ANSWER_LIMIT", 100_000)
    endless = Slowly(entry() * 1000, 10_000)
    with pytest.raises(BadReply, match="for one question"):
        answered(endless)
    assert endless.sent <= 110_000


def test_bytes_that_are_damaged_anywhere_are_an_entry_or_an_error_of_ours() -> None:
    whole, dice = entry(), random.Random(20261127)
    outcomes = set()
    for _ in range(3000):
        damaged = bytearray(whole)
        for _ in range(dice.choice((1, 1, 2, 8))):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        try:
            found = replies._entry(bytes(damaged), NUMBER, {})
            if found is not None:
                EntryReader(LdapResource()).record(found)
            outcomes.add("read" if found else "left to the library")
        except (ValueError, IndexError, BadReply) as error:
            outcomes.add(type(error).__name__)
    assert {"read", "left to the library", "ValueError", "BadReply"} <= outcomes


class Strategy:
    """The part of the library's that a reader asks."""

    def __init__(self) -> None:
        from ldap3 import Connection, Server

        self.library: Any = Connection(Server("127.0.0.1")).strategy
        self.decode_response_fast = self.library.decode_response_fast
        self._get_response: Any = None


class Connected:
    def __init__(self, content: bytes, pieces: int) -> None:
        self.strategy, self.auto_range = Strategy(), True
        self.socket, far = socket.socketpair()
        step = max(1, len(content) // pieces)
        for at in range(0, len(content), step):
            far.sendall(content[at : at + step])
        far.close()


class Slowly:
    """A connection on which the content comes in parts of so many bytes."""

    def __init__(self, content: bytes, part: int) -> None:
        self.strategy, self.auto_range, self.socket = Strategy(), True, self
        self._content, self._part, self.sent = content, part, 0

    def recv(self, size: int) -> bytes:
        found = self._content[self.sent : self.sent + min(size, self._part)]
        self.sent += len(found)
        return found


def read(content: bytes, pieces: int = 1) -> list[Any]:
    connection = Connected(content, pieces)
    try:
        return answered(connection)
    finally:
        connection.socket.close()


def answered(connection: Any) -> list[Any]:
    replies.read_entries_quickly(connection)
    return list(connection.strategy._get_response(NUMBER, None))

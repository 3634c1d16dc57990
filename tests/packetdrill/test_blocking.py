"""Calls that block, each in a thread of its own."""

import os
from contextlib import suppress

import pytest

from halfopen.packetdrill.blocking import Waiters
from halfopen.packetdrill.posix import WouldBlock


def test_a_call_that_waits_is_asked_for_until_it_is_over() -> None:
    reader, writer = os.pipe()
    waiters = Waiters()
    with pytest.raises(WouldBlock):
        waiters.served(reader, bytes, lambda: os.read(reader, 10))
    os.write(writer, b"now")
    taken = b""
    while not taken:
        with suppress(WouldBlock):
            taken = waiters.served(reader, bytes, lambda: b"another call")
    assert taken == b"now"
    os.close(reader)
    os.close(writer)


def test_what_a_call_fails_with_is_told_by_who_asks() -> None:
    waiters = Waiters()
    reader, writer = os.pipe()
    os.close(reader)
    os.close(writer)
    with pytest.raises(OSError, match="Bad file descriptor"):
        waiters.served(reader, bytes, lambda: os.read(reader, 10))


def test_a_waiting_call_can_be_woken_and_forgotten() -> None:
    reader, writer = os.pipe()
    waiters = Waiters()
    with pytest.raises(WouldBlock):
        waiters.served(reader, bytes, lambda: os.read(reader, 10))
    waiters.end(reader, lambda: os.close(writer))
    assert waiters.served(reader, int, lambda: 7) == 7
    os.close(reader)

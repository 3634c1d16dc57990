"""How long calls wait, and for how much."""

import errno

import pytest

from halfopen.base.clock import MILLISECOND, SECOND
from halfopen.packetdrill.virtual_posix.patience import emit_timeout, parse_timeout
from tests.packetdrill.playing import SERVER, plays


def test_a_time_is_seconds_and_microseconds() -> None:
    octets = (1).to_bytes(8, "little") + (500_000).to_bytes(8, "little")
    assert parse_timeout(octets) == 1500 * MILLISECOND
    assert emit_timeout(1500 * MILLISECOND) == octets
    assert parse_timeout((-3 & (1 << 64) - 1).to_bytes(8, "little") + bytes(8)) == 0


@pytest.mark.parametrize(("octets", "number"), [(bytes(8), errno.EINVAL), (bytes(8) + b"\xff" * 8, errno.EDOM)])
def test_what_is_no_time_is_refused(octets: bytes, number: int) -> None:
    with pytest.raises(OSError, match=r"[a-z]") as told:
        parse_timeout(octets)
    assert told.value.errno == number


def test_a_reader_waits_for_enough_and_no_longer_than_it_may() -> None:
    plays(
        SERVER
        + """
+0 fcntl(4, F_SETFL, O_RDWR) = 0
+0 setsockopt(4, SOL_SOCKET, SO_RCVTIMEO, {tv_sec=0, tv_usec=200000}, 16) = 0
+0 getsockopt(4, SOL_SOCKET, SO_RCVTIMEO, {tv_sec=0, tv_usec=200000}, [16]) = 0
+0...0.2 recv(4, ..., 100, MSG_WAITALL) = 60
+.1 < P. 1:61(60) ack 1 win 32792
* > . 1:1(0) ack 61
+.2...0.4 read(4, ..., 100) = -1 EAGAIN
"""
    )


def test_a_writer_is_woken_by_the_end_of_the_connection() -> None:
    plays(
        SERVER
        + """
+0 fcntl(4, F_SETFL, O_RDWR) = 0
+0 setsockopt(4, SOL_SOCKET, SO_SNDBUF, [4000], 4) = 0
+0...0.1 write(4, ..., 1000000) = 26000
+.1 < R. 1:1(0) ack 1 win 0
+0 write(4, ..., 10) = -1 ECONNRESET
+0 write(4, ..., 10) = -1 EPIPE
"""
    )


def test_time_is_measured_in_seconds() -> None:
    assert emit_timeout(2 * SECOND)[0] == 2

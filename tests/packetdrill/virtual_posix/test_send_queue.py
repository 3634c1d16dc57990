"""How much a program may write."""

from tests.packetdrill.playing import SERVER, plays


def test_a_super_segment_that_is_begun_is_filled() -> None:
    plays(
        SERVER
        + """
+0 setsockopt(4, SOL_SOCKET, SO_SNDBUF, [1000], 4) = 0
+0 write(4, ..., 100000) = 26000
+0 write(4, ..., 100000) = -1 EAGAIN
+0 poll([{fd=4, events=POLLOUT, revents=0}], 1, 0) = 0
"""
    )


def test_a_bsd_takes_octets_as_many_as_were_asked_for() -> None:
    plays(
        SERVER
        + """
+0 setsockopt(4, SOL_SOCKET, SO_SNDBUF, [5000], 4) = 0
+0 write(4, ..., 100000) = 5000
""",
        profile="freebsd",
    )

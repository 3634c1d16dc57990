"""The urgent octet."""

from halfopen.packetdrill.virtual_posix.urgent import Urgent
from halfopen.tcp.receiving import ReceiveSpace
from tests.packetdrill.playing import SERVER, plays


def test_where_nothing_is_urgent_everything_is_of_the_stream() -> None:
    rcv = ReceiveSpace(0, 1000, 0)
    rcv.queue.append(b"12345")
    urgent = Urgent()
    urgent.attend(rcv)
    assert (urgent.readable(rcv), urgent.before(rcv), urgent.is_here(rcv)) == (5, 5, False)


def test_after_the_end_announced_octets_are_not_waited_for() -> None:
    plays(
        SERVER
        + """
+0 < UF. 1:11(10) ack 1 win 32792 urg 15
* > . 1:1(0) ack 12
+0 recv(4, ..., 10, MSG_OOB) = 0
+0 recv(4, ..., 10, MSG_OOB|MSG_PEEK) = 0
"""
    )


def test_a_look_at_the_stream_leaves_the_urgent_octet_out() -> None:
    plays(
        SERVER
        + """
+0 < U. 1:11(10) ack 1 win 32792 urg 1
+0 > . 1:1(0) ack 11
+0 recv(4, ..., 100, MSG_PEEK) = 9
+0 recv(4, ..., 0, MSG_OOB) = 0
+0 read(4, ..., 100) = 9
"""
    )

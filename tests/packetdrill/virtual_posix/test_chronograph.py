"""What holds text up."""

from tests.packetdrill.playing import SERVER, plays

BUFFER = """
+0 setsockopt(4, SOL_SOCKET, SO_SNDBUF, [1000], 4) = 0
+0 write(4, ..., 30000) = 26000
* > P. 1:10001(10000) ack 1
"""


def test_text_that_the_window_has_no_room_for_counts_as_limited_by_it() -> None:
    plays(
        SERVER
        + """
+0 < . 1:1(0) ack 1 win 0
+0 write(4, ..., 1000) = 1000
+.1 %{ assert tcpi_rwnd_limited == tcpi_busy_time == 100000, (tcpi_rwnd_limited, tcpi_busy_time) }%
+0 < . 1:1(0) ack 1 win 5000
+0 > P. 1:1001(1000) ack 1
+.1 < . 1:1(0) ack 1001 win 5000
+.1 %{ assert 199000 <= tcpi_busy_time <= 201000 and tcpi_rwnd_limited <= 101000, (tcpi_rwnd_limited, tcpi_busy_time) }%
"""
    )


def test_a_full_buffer_counts_when_all_of_it_is_in_flight_and_the_window_is_not_the_limit() -> None:
    plays(
        SERVER
        + """
+0 < . 1:1(0) ack 1 win 60000
+0 write(4, ..., 10000) = 10000
+0 > P. 1:10001(10000) ack 1
+.1 < . 1:1(0) ack 10001 win 60000
+0 write(4, ..., 20000) = 20000
* > P. 10001:30001(20000) ack 1
+.1 < . 1:1(0) ack 30001 win 60000
+0 setsockopt(4, SOL_SOCKET, SO_SNDBUF, [3000], 4) = 0
+0 write(4, ..., 6000) = 6000
+0 write(4, ..., 6000) = -1 EAGAIN
+0 > P. 30001:36001(6000) ack 1
+.1 < . 1:1(0) ack 36001 win 60000
+0 %{ assert tcpi_sndbuf_limited <= 101000, tcpi_sndbuf_limited }%
"""
    )

"""SO_MEMINFO."""

from tests.packetdrill.playing import SERVER, plays


def test_what_waits_on_both_sides_is_told_by_what_it_costs() -> None:
    plays(
        SERVER
        + """
+0 < P. 1:1001(1000) ack 1 win 32792
+0 > . 1:1(0) ack 1001
+0 write(4, ..., 100) = 100
+0 > P. 1:101(100) ack 1001
+0 %{ assert (SK_MEMINFO_RMEM_ALLOC, SK_MEMINFO_WMEM_QUEUED, SK_MEMINFO_DROPS) == (2304, 932, 0) }%
+0 getsockopt(4, SOL_SOCKET, SO_MEMINFO, [2304], [4]) = 0
"""
    )

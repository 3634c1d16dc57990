"""Counts of what has gone over the device, as TCP_INFO tells them."""

from tests.packetdrill.playing import CLIENT, SERVER, plays


def test_a_server_counts_from_the_syn_but_not_its_answer() -> None:
    plays(
        SERVER
        + """
+0 %{ assert (tcpi_segs_in, tcpi_segs_out) == (2, 0) }%
+0 < P. 1:101(100) ack 1 win 32792
+0 > . 1:1(0) ack 101
+0 %{ assert (tcpi_segs_in, tcpi_data_segs_in, tcpi_segs_out) == (3, 1, 1) }%
"""
    )


def test_a_client_counts_its_syn() -> None:
    plays(
        CLIENT
        + """
+.1 < S. 0:0(0) ack 1 win 32792 <mss 1000>
+0 > . 1:1(0) ack 1
+0 %{ assert (tcpi_segs_in, tcpi_segs_out) == (1, 2) }%
"""
    )


def test_a_syn_that_goes_again_is_a_retransmission() -> None:
    plays(
        CLIENT
        + """
+1 > S 0:0(0) <...>
+0 %{ assert (tcpi_segs_out, tcpi_total_retrans) == (2, 1) }%
+.1 < S. 0:0(0) ack 1 win 32792 <mss 1000>
+0 > . 1:1(0) ack 1
+0 %{ assert (tcpi_bytes_retrans, tcpi_total_retrans) == (0, 1) }%
"""
    )


def test_retransmissions_are_octets_that_were_sent_before() -> None:
    plays(
        SERVER
        + """
+0 write(4, ..., 1000) = 1000
+0 > P. 1:1001(1000) ack 1
+.3~+.5 > P. 1:1001(1000) ack 1
+0 %{ assert (tcpi_bytes_sent, tcpi_bytes_retrans, tcpi_total_retrans) == (2000, 1000, 1) }%
"""
    )


def test_who_hears_only_acknowledgments_knows_how_long_ago_text_came() -> None:
    plays(
        SERVER
        + """
+0 < P. 1:101(100) ack 1 win 32792
+0 > . 1:1(0) ack 101
+.2 < . 101:101(0) ack 1 win 3000
+.1 %{ assert (tcpi_last_data_recv, tcpi_last_ack_recv) == (300, 100) }%
""",
        ip_version="ipv6",
    )

"""Text before the handshake, as Linux's calls have it (RFC 7413)."""

from dataclasses import replace

from halfopen.packetdrill.profiles import LINUX
from halfopen.tcp.config import FastOpenConfig, TcpConfig
from tests.packetdrill.playing import plays

ASKING = """
0 `sysctl -q net.ipv4.tcp_fastopen=0x1`
+0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK) = 0
+0 sendto(3, ..., 1000, MSG_FASTOPEN, ..., ...) = -1 EINPROGRESS (Operation now in progress)
+0 > S 0:0(0) <mss 1460,sackOK,TS val 100 ecr 0,nop,wscale 8,FO,nop,nop>
+.01 < S. 123:123(0) ack 1 win 5840 <mss 1040,nop,nop,sackOK,nop,wscale 6,FO abcd1234,nop,nop>
+0 > . 1:1(0) ack 1
+0 close(3) = 0
+0 > F. 1:1(0) ack 1
+.01 < F. 1:1(0) ack 2 win 92
+0 > . 2:2(0) ack 2
""".replace("<mss 1460,sackOK,TS val 100 ecr 0,nop,wscale 8,FO,nop,nop>", "<...>")


def test_without_a_cookie_nothing_is_taken_and_one_is_asked_for() -> None:
    plays(ASKING)


def test_with_a_cookie_the_syn_takes_text() -> None:
    plays(
        ASKING
        + """
+0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 4
+0 fcntl(4, F_SETFL, O_RDWR|O_NONBLOCK) = 0
+0 sendto(4, ..., 1000, MSG_FASTOPEN, ..., ...) = 1000
+0 > S 0:1000(1000) <...>
+.01 < S. 1234:1234(0) ack 1001 win 5840 <mss 1040,nop,nop,sackOK,nop,wscale 6>
+0 > . 1001:1001(0) ack 1
+0 sendto(4, ..., 10, MSG_FASTOPEN, ..., ...) = 10
+0 > P. 1001:1011(10) ack 1
+0 sendto(4, ..., 10, MSG_FASTOPEN, ..., ...) = -1 EISCONN
"""
    )


def test_a_connect_that_may_wait_returns_at_once_and_the_write_opens() -> None:
    plays(
        ASKING
        + """
+0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 4
+0 fcntl(4, F_SETFL, O_RDWR|O_NONBLOCK) = 0
+0 setsockopt(4, SOL_TCP, TCP_FASTOPEN_CONNECT, [1], 4) = 0
+0 connect(4, ..., ...) = 0
+0 connect(4, ..., ...) = -1 EISCONN
+0 poll([{fd=4, events=POLLOUT, revents=POLLOUT}], 1, 0) = 1
+0 write(4, ..., 500) = 500
+0 > S 0:500(500) <...>
+.01 < S. 1234:1234(0) ack 501 win 5840 <mss 1040,nop,nop,sackOK,nop,wscale 6>
+0 > . 501:501(0) ack 1
"""
    )


def test_a_host_that_does_not_do_it_says_so() -> None:
    plays(
        """
0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 sendto(3, ..., 1000, MSG_FASTOPEN, ..., ...) = -1 EOPNOTSUPP
+0 setsockopt(3, SOL_TCP, TCP_FASTOPEN_CONNECT, [1], 4) = -1 EOPNOTSUPP
""",
        profile=replace(LINUX, stack=replace(LINUX.stack, tcp=TcpConfig(fast_open=FastOpenConfig(client=False)))),
    )


def test_keys_have_16_octets_or_twice_as_many() -> None:
    plays(
        r"""
0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 setsockopt(3, SOL_TCP, TCP_FASTOPEN_KEY, "0123456789abcdef", 16) = 0
+0 getsockopt(3, SOL_TCP, TCP_FASTOPEN_KEY, "0123456789abcdef", [16]) = 0
+0 setsockopt(3, SOL_TCP, TCP_FASTOPEN_KEY, "0123456789", 10) = -1 EINVAL
+0 setsockopt(3, SOL_TCP, TCP_FASTOPEN, [-1], 4) = -1 EINVAL
"""
    )

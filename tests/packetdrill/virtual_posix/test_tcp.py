"""Calls on TCP sockets, as Linux answers them."""

import pytest

from tests.packetdrill.playing import CLIENT, SERVER, plays


def test_a_reset_is_told_once_and_then_the_stream_has_ended() -> None:
    plays(
        SERVER
        + """
+0 < R. 1:1(0) ack 1 win 0
+0 poll([{fd=4, events=POLLIN|POLLRDHUP, revents=POLLIN|POLLRDHUP|POLLERR|POLLHUP}], 1, 0) = 1
+0 read(4, ..., 1000) = -1 ECONNRESET (Connection reset by peer)
+0 read(4, ..., 1000) = 0
+0 write(4, ..., 1000) = -1 EPIPE (Broken pipe)
+0 shutdown(4, SHUT_WR) = -1 ENOTCONN
+0 close(4) = 0
"""
    )


def test_a_reset_after_the_peers_fin_is_a_broken_pipe() -> None:
    plays(
        SERVER
        + """
+0 < F. 1:1(0) ack 1 win 1000
+0 > . 1:1(0) ack 2
+0 read(4, ..., 1000) = 0
+0 < R. 2:2(0) ack 1 win 0
+0 getsockopt(4, SOL_SOCKET, SO_ERROR, [EPIPE], [4]) = 0
+0 getsockopt(4, SOL_SOCKET, SO_ERROR, [0], [4]) = 0
"""
    )


def test_octets_that_wait_can_be_read_after_a_reset() -> None:
    plays(
        SERVER
        + """
+0 < P. 1:101(100) ack 1 win 1000
+0 > . 1:1(0) ack 101
+0 < R. 101:101(0) ack 1 win 0
+0 read(4, ..., 1000) = 100
+0 read(4, ..., 1000) = -1 ECONNRESET
"""
    )


def test_accept_and_read_would_block() -> None:
    plays(
        """
0 socket(..., SOCK_STREAM|SOCK_NONBLOCK, IPPROTO_TCP) = 3
+0 fcntl(3, F_GETFL) = 0x802 (flags O_RDWR|O_NONBLOCK)
+0 accept(3, ..., ...) = -1 EINVAL
+0 bind(3, ..., ...) = 0
+0 bind(3, ..., ...) = -1 EINVAL
+0 listen(3, 1) = 0
+0 accept(3, ..., ...) = -1 EAGAIN
+0 connect(3, ..., ...) = -1 EISCONN
+0 read(3, ..., 10) = -1 ENOTCONN
+0 ioctl(3, SIOCINQ, [0]) = -1 EINVAL
+0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 4
+0 bind(4, ..., ...) = -1 EADDRINUSE
+0 read(4, ..., 10) = -1 ENOTCONN
+0 write(4, ..., 10) = -1 EPIPE
+0 shutdown(4, SHUT_WR) = -1 ENOTCONN
+0 poll([{fd=4, events=POLLIN|POLLOUT, revents=POLLOUT|POLLHUP}], 1, 0) = 1
+0 close(4) = 0
+0 close(4) = -1 EBADF
"""
    )


def test_a_refused_attempt_is_told_once_and_ends_the_attempt() -> None:
    plays(
        CLIENT
        + """
+0 connect(3, ..., ...) = -1 EALREADY
+0 poll([{fd=3, events=POLLOUT, revents=0}], 1, 0) = 0
+0 write(3, ..., 10) = -1 EAGAIN
+.1 < R. 0:0(0) ack 1 win 0
+0 getsockopt(3, SOL_SOCKET, SO_ERROR, [ECONNREFUSED], [4]) = 0
+0 connect(3, ..., ...) = -1 ECONNABORTED
+0 connect(3, ..., ...) = -1 EINPROGRESS
"""
    )


def test_an_established_attempt_is_told_once() -> None:
    plays(
        CLIENT
        + """
+.1 < S. 0:0(0) ack 1 win 1000 <mss 1000>
+0 > . 1:1(0) ack 1
+0 connect(3, ..., ...) = 0
+0 connect(3, ..., ...) = -1 EISCONN
+0 listen(3, 1) = -1 EINVAL
"""
    )


def test_a_blocking_connect_returns_with_the_handshake() -> None:
    plays(
        """
0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
0...0.1 connect(3, ..., ...) = 0
+0 > S 0:0(0) <...>
+.1 < S. 0:0(0) ack 1 win 1000 <mss 1000>
+0 > . 1:1(0) ack 1
+0...0.2 read(3, ..., 1000) = 10
+.2 < P. 1:11(10) ack 1 win 1000
"""
    )


def test_taking_a_connection_back_resets_it_and_the_socket_can_connect_anew() -> None:
    plays(
        CLIENT
        + """
+.1 < S. 0:0(0) ack 1 win 1000 <mss 1000>
+0 > . 1:1(0) ack 1
+0 connect(3, AF_UNSPEC, ...) = 0
+0 connect(3, ..., ...) = -1 EINPROGRESS
+0 > S 0:0(0) <...>
"""
    )


def test_a_half_that_is_shut_down_sends_no_more_and_reads_on() -> None:
    plays(
        SERVER
        + """
+0 shutdown(4, SHUT_WR) = 0
+0 > F. 1:1(0) ack 1
+0 write(4, ..., 10) = -1 EPIPE
+0 poll([{fd=4, events=POLLIN|POLLOUT, revents=POLLOUT}], 1, 0) = 1
+0 < P. 1:11(10) ack 2 win 1000
+0 > . 2:2(0) ack 11
+0 ioctl(4, SIOCINQ, [10]) = 0
+0 read(4, ..., 1000) = 10
+0 read(4, ..., 1000) = -1 EAGAIN
+0 < F. 11:11(0) ack 2 win 1000
+0 > . 2:2(0) ack 12
+0 read(4, ..., 1000) = 0
"""
    )


def test_text_for_whom_both_halves_are_shut_down_is_reset() -> None:
    plays(
        SERVER
        + """
+0 shutdown(4, SHUT_RDWR) = 0
+0 > F. 1:1(0) ack 1
+0 read(4, ..., 10) = 0
+0 < P. 1:101(100) ack 2 win 1000
+0 > R 2:2(0)
+0 poll([{fd=4, events=POLLIN, revents=POLLIN|POLLERR|POLLHUP}], 1, 0) = 1
+0 read(4, ..., 10) = -1 ECONNRESET
+0 read(4, ..., 10) = 0
"""
    )


def test_a_half_that_is_not_read_still_takes_text() -> None:
    plays(
        SERVER
        + """
+0 shutdown(4, SHUT_RD) = 0
+0 < P. 1:101(100) ack 1 win 1000
+0 > . 1:1(0) ack 101
+0 read(4, ..., 1000) = 100
+0 read(4, ..., 1000) = 0
"""
    )


def test_peeked_octets_stay_and_cut_ones_do_not() -> None:
    plays(
        SERVER
        + """
+0 < P. 1:501(500) ack 1 win 1000
+0 > . 1:1(0) ack 501
+0 recv(4, ..., 200, MSG_PEEK) = 200
+0 recv(4, ..., 200, MSG_TRUNC) = 200
+0 recv(4, ..., 1000, MSG_DONTWAIT) = 300
"""
    )


def test_queues_are_counted_until_they_are_acknowledged() -> None:
    plays(
        SERVER
        + """
+0 write(4, ..., 1000) = 1000
+0 > P. 1:1001(1000) ack 1
+0 ioctl(4, SIOCOUTQ, [1000]) = 0
+.1 < . 1:1(0) ack 1001 win 1000
+0 ioctl(4, SIOCOUTQ, [0]) = 0
"""
    )


def test_the_octets_that_are_left_come_as_ancillary_data() -> None:
    plays(
        SERVER
        + """
+0 setsockopt(4, SOL_TCP, TCP_INQ, [1], 4) = 0
+0 < P. 1:2001(2000) ack 1 win 1000
+0 > . 1:1(0) ack 2001
+0 recvmsg(4, {msg_name(...)=..., msg_iov(1)=[{..., 1000}], msg_flags=0,
               msg_control=[{cmsg_level=SOL_TCP, cmsg_type=TCP_CM_INQ, cmsg_data=1000}]}, 0) = 1000
+0 < F. 2001:2001(0) ack 1 win 1000
+.04 > . 1:1(0) ack 2002
+0 recvmsg(4, {msg_name(...)=..., msg_iov(1)=[{..., 1000}], msg_flags=0,
               msg_control=[{cmsg_level=SOL_TCP, cmsg_type=TCP_CM_INQ, cmsg_data=1}]}, 0) = 1000
"""
    )


def test_a_close_lingers_until_the_rest_is_acknowledged() -> None:
    plays(
        SERVER
        + """
+0 setsockopt(4, SOL_SOCKET, SO_LINGER, {onoff=1, linger=5}, 8) = 0
+0 write(4, ..., 1000) = 1000
+0 > P. 1:1001(1000) ack 1
+0...+0.05 close(4) = 0
+0 > F. 1001:1001(0) ack 1
+.05 < . 1:1(0) ack 1002 win 1000
"""
    )


def test_a_close_without_linger_time_resets() -> None:
    plays(
        SERVER
        + """
+0 setsockopt(4, SOL_SOCKET, SO_LINGER, {onoff=1, linger=0}, 8) = 0
+0 close(4) = 0
+0 > R. 1:1(0) ack 1
"""
    )


def test_a_blocking_write_waits_for_room() -> None:
    plays(
        """
0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 setsockopt(3, SOL_SOCKET, SO_SNDBUF, [5000], 4) = 0
+0 getsockopt(3, SOL_SOCKET, SO_SNDBUF, [10000], [4]) = 0
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
+0 < S 0:0(0) win 2000 <mss 1000>
+0 > S. 0:0(0) ack 1 <...>
+.1 < . 1:1(0) ack 1 win 2000
+0 accept(3, ..., ...) = 4
+0...0.1 write(4, ..., 8000) = 8000
+.1 < . 1:1(0) ack 2001 win 6000
+.1 < . 1:1(0) ack 6001 win 6000
"""
    )


@pytest.mark.parametrize("ip_version", ["ipv4", "ipv4-mapped-ipv6"])
def test_sockets_of_both_families_serve_ipv4(ip_version: str) -> None:
    plays(
        SERVER + "+0 < P. 1:11(10) ack 1 win 1000\n+0 > . 1:1(0) ack 11\n+0 read(4, ..., 10) = 10\n",
        ip_version=ip_version,
    )


def test_an_icmp_error_ends_an_attempt_on_linux() -> None:
    plays(
        CLIENT.replace("+0 connect", "+0 setsockopt(3, SOL_IP, IP_RECVERR, [1], 4) = 0\n+0 connect")
        + """
+.1 < icmp unreachable host_unreachable [0:0(0)]
+0 recvmsg(3, {msg_name(...)=..., msg_iov(1)=[{..., 0}], msg_flags=MSG_ERRQUEUE|MSG_TRUNC, msg_control=[
    {cmsg_level=SOL_IP, cmsg_type=IP_RECVERR, cmsg_data={ee_errno=EHOSTUNREACH, ee_origin=SO_EE_ORIGIN_ICMP,
     ee_type=ICMP_DEST_UNREACH, ee_code=ICMP_HOST_UNREACH, ee_info=0, ee_data=0}}]}, MSG_ERRQUEUE) = 0
"""
    )


def test_an_icmp_error_on_a_connection_is_only_remembered() -> None:
    plays(
        SERVER
        + """
+0 write(4, ..., 1000) = 1000
+0 > P. 1:1001(1000) ack 1
+0 < icmp unreachable host_unreachable [1:1001(1000)]
+0 read(4, ..., 1000) = -1 EAGAIN
+0 getsockopt(4, SOL_SOCKET, SO_ERROR, [EHOSTUNREACH], [4]) = 0
+0 getsockopt(4, SOL_SOCKET, SO_ERROR, [0], [4]) = 0
"""
    )


def test_a_corked_rest_leaves_when_more_comes() -> None:
    plays(
        SERVER
        + """
+0 send(4, ..., 400, MSG_MORE) = 400
+.01 send(4, ..., 100, 0) = 100
+0 > P. 1:501(500) ack 1
"""
    )


def test_unsent_octets_are_limited_for_writers_and_pollers() -> None:
    plays(
        SERVER
        + """
+0 setsockopt(4, SOL_TCP, TCP_NOTSENT_LOWAT, [1000], 4) = 0
+0 poll([{fd=4, events=POLLOUT, revents=POLLOUT}], 1, 0) = 1
+0 write(4, ..., 200000) = 26000
+0 poll([{fd=4, events=POLLOUT, revents=0}], 1, 0) = 0
+0 write(4, ..., 1000) = -1 EAGAIN
"""
    )


@pytest.mark.parametrize(("asked", "taken"), [(5000, 26000), (20000, 42000), (50000, 106000)])
def test_the_send_buffer_is_charged_as_linux_charges_it(asked: int, taken: int) -> None:
    plays(
        SERVER
        + f"+0 setsockopt(4, SOL_SOCKET, SO_SNDBUF, [{asked}], 4) = 0\n+0 write(4, ..., 500000) = {taken}\n"
        + "+0 write(4, ..., 1000) = -1 EAGAIN\n"
    )


def test_freebsd_has_its_own_numbers_and_errors() -> None:
    plays(
        """
0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 setsockopt(3, SOL_SOCKET, SO_SNDBUF, [5000], 4) = 0
+0 getsockopt(3, SOL_SOCKET, SO_SNDBUF, [5000], [4]) = 0
+0 fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK) = 0
+0 fcntl(3, F_GETFL) = 6
+0 write(3, ..., 10) = -1 ENOTCONN
+0 connect(3, ..., ...) = -1 EINPROGRESS
+0 > S 0:0(0) <...>
+0 write(3, ..., 10) = -1 ENOTCONN
""",
        profile="freebsd",
    )

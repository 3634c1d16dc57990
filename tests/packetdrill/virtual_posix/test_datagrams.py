"""UDP sockets."""

from tests.packetdrill.playing import plays


def test_datagrams_go_out_and_come_in() -> None:
    plays(
        """
0 socket(..., SOCK_DGRAM, IPPROTO_UDP) = 3
+0 bind(3, ..., ...) = 0
+0 connect(3, ..., ...) = 0
+0 write(3, ..., 100) = 100
+0 > udp (100)
+.1 < udp (60)
+0 ioctl(3, FIONREAD, [60]) = 0
+0 poll([{fd=3, events=POLLIN|POLLOUT, revents=POLLIN|POLLOUT}], 1, 0) = 1
+0 recv(3, ..., 20, MSG_PEEK) = 20
+0 recv(3, ..., 20, MSG_TRUNC) = 60
+0 recv(3, ..., 20, MSG_DONTWAIT) = -1 EAGAIN
"""
    )


def test_a_closed_port_is_told_with_the_next_call() -> None:
    plays(
        """
0 socket(..., SOCK_DGRAM, IPPROTO_UDP) = 3
+0 write(3, ..., 100) = -1 EDESTADDRREQ
+0 connect(3, ..., ...) = 0
+0 write(3, ..., 100) = 100
+0 > udp (100)
+.1 < icmp unreachable port_unreachable [udp (100)]
+0 write(3, ..., 100) = -1 ECONNREFUSED
+0 write(3, ..., 100) = 100
+0 listen(3, 1) = -1 EOPNOTSUPP
"""
    )

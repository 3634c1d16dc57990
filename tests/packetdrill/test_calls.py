"""Calls of scripts: how they are understood, compared, and refused."""

import pytest

from tests.packetdrill.playing import SERVER, message_of, plays


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("read(4, ..., 10) = 10", "should have returned 10, but returned -1 EAGAIN"),
        ("read(4, ..., 10) = -1 ECONNRESET", "should have returned -1 ECONNRESET, but returned -1 EAGAIN"),
        ("write(4, ..., 10) = -1 EPIPE", "should have returned -1 EPIPE, but returned 10"),
        ("getsockopt(4, SOL_SOCKET, SO_ERROR, [5], [4]) = 0", "the value should have been 5, but was 0"),
        ("getsockopt(4, SOL_SOCKET, SO_ERROR, [0], [8]) = 0", "the length should have been 8, but was 4"),
        ("ioctl(4, SIOCINQ, [9]) = 0", "the value should have been 9, but was 0"),
        ("poll([{fd=4, events=POLLOUT, revents=POLLIN}], 1, 0) = 1", "revents should have been 0x1, but was 0x4"),
        ("setsockopt(4, SOL_SOCKET, SO_LINGER, {onoff=1, linger=2}, 8) = 5", "should have returned 5, but returned 0"),
        ("launch(4) = 0", "launch(): there is no such call here"),
        ("fcntl(4, F_UNHEARD_OF) = 0", "F_UNHEARD_OF: there is no such symbol here"),
        ("read(4, ..., 10) = -1 EFOO", "EFOO is not the name of an error"),
        ("read(4) = 0", "read() takes more than 1 arguments"),
        ("read(4, ..., -1) = 0", "more than a script can mean"),
        ("poll(4, 1, 0) = 0", "a list of struct pollfd is expected"),
        ("sendmsg(4, 5, 0) = 0", "a struct msghdr is expected"),
        ('bind(4, "here", 5) = 0', "a socket address is expected"),
        ("socket(..., SOCK_STREAM, IPPROTO_TCP) = -1", "descriptor"),
    ],
)
def test_what_does_not_hold_is_told_in_words(line: str, said: str) -> None:
    assert said in message_of(SERVER + f"+0 {line}\n")


def test_descriptors_have_the_scripts_numbers() -> None:
    plays(
        """
0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 17
+0 bind(17, ..., ...) = 0
+0 close(17) = 0
+0 close(17) = -1 EBADF
"""
    )


def test_structures_come_back_member_by_member() -> None:
    plays(
        SERVER
        + """
+0 setsockopt(4, SOL_SOCKET, SO_LINGER, {onoff=1, linger=3}, 8) = 0
+0 getsockopt(4, SOL_SOCKET, SO_LINGER, {onoff=1, linger=3}, [8]) = 0
+0 getsockopt(4, SOL_TCP, TCP_INFO, {tcpi_state=TCP_ESTABLISHED, tcpi_unacked=0, tcpi_rtt=...}, [...]) = 0
"""
    )


def test_addresses_can_be_written_out() -> None:
    plays(
        """
0 socket(AF_INET, SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, {sa_family=AF_INET, sin_port=htons(8080), sin_addr=inet_addr("198.51.100.7")}, 16) = -1 EADDRNOTAVAIL
+0 bind(3, {sa_family=AF_INET, sin_port=htons(8080), sin_addr=inet_addr("192.168.0.1")}, 16) = 0
+0 socket(AF_INET6, SOCK_STREAM, IPPROTO_TCP) = 4
+0 socket(AF_UNIX, SOCK_STREAM, 0) = -1 EAFNOSUPPORT
+0 socket(AF_INET, SOCK_STREAM, IPPROTO_UDP) = -1 EPROTONOSUPPORT
"""
    )


def test_messages_in_pieces_are_one() -> None:
    plays(
        SERVER
        + """
+0 writev(4, [{..., 400}, {..., 600}], 2) = 1000
+0 > P. 1:1001(1000) ack 1
+.1 < P. 1:301(300) ack 1001 win 1000
+0 > . 1001:1001(0) ack 301
+0 readv(4, [{..., 100}, {..., 100}], 2) = 200
+0 sendmsg(4, {msg_name(...)=..., msg_iov(2)=[{..., 5}, {..., 6}], msg_flags=0}, 0) = 11
+0 > P. 1001:1012(11) ack 301
"""
    )

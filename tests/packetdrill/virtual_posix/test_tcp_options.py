"""Options of TCP sockets: what they read as, what they take, and what they do."""

import pytest

from tests.packetdrill.playing import SERVER, plays


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("SOL_TCP, TCP_MAXSEG", 1000),
        ("SOL_TCP, TCP_NOTSENT_LOWAT", 0),
        ("SOL_IP, IP_TTL", 64),
        ("SOL_IP, IP_MTU", 1500),
        ("SOL_IP, IP_MTU_DISCOVER", 1),
        ("SOL_SOCKET, SO_TYPE", 1),
        ("SOL_SOCKET, SO_PROTOCOL", 6),
        ("SOL_SOCKET, SO_DOMAIN", 2),
        ("SOL_SOCKET, SO_ACCEPTCONN", 0),
        ("SOL_SOCKET, SO_REUSEADDR", 1),
        ("SOL_SOCKET, SO_RCVLOWAT", 1),
        ("SOL_SOCKET, SO_SNDBUF", 46080),
        ("SOL_SOCKET, SO_RCVBUF", 131072),
    ],
)
def test_an_option_that_was_not_set_reads_as_linux_has_it(option: str, value: int) -> None:
    plays(SERVER + f"+0 getsockopt(4, {option}, [{value}], [4]) = 0\n")


@pytest.mark.parametrize(
    ("option", "value", "error"),
    [
        ("SOL_TCP, TCP_MAXSEG", 10, "EINVAL"),
        ("SOL_TCP, TCP_SYNCNT", 0, "EINVAL"),
        ("SOL_TCP, TCP_USER_TIMEOUT", -1, "EINVAL"),
        ("SOL_TCP, TCP_FASTOPEN", 5, "EINVAL"),
        ("SOL_IP, IP_TTL", 256, "EINVAL"),
        ("SOL_IP, IP_MTU_DISCOVER", 9, "EINVAL"),
        ("SOL_SOCKET, SO_ERROR", 1, "ENOPROTOOPT"),
        ("SOL_SOCKET, SO_TYPE", 1, "ENOPROTOOPT"),
        ("SOL_SOCKET, 9999", 1, "ENOPROTOOPT"),
    ],
)
def test_what_an_option_cannot_be_is_refused(option: str, value: int, error: str) -> None:
    plays(SERVER + f"+0 setsockopt(4, {option}, [{value}], 4) = -1 {error}\n")


@pytest.mark.parametrize(
    ("option", "value", "read"),
    [
        ("SOL_TCP, TCP_NODELAY", 1, 1),
        ("SOL_TCP, TCP_DEFER_ACCEPT", 5, 7),
        ("SOL_TCP, TCP_NOTSENT_LOWAT", -1, -1),
        ("SOL_IP, IP_TOS", 0x13, 0x10),
        ("SOL_SOCKET, SO_RCVBUF", 0, 2304),
        ("SOL_SOCKET, SO_SNDBUF", 0, 4608),
        ("SOL_SOCKET, SO_SNDBUF", 10000000, 8388608),
        ("SOL_SOCKET, SO_MARK", 7, 7),
    ],
)
def test_what_was_set_reads_as_linux_has_it(option: str, value: int, read: int) -> None:
    plays(
        SERVER + f"+0 setsockopt(4, {option}, [{value}], 4) = 0\n" + f"+0 getsockopt(4, {option}, [{read}], [4]) = 0\n"
    )


def test_the_ip_header_is_as_the_options_say() -> None:
    plays(
        SERVER
        + """
+0 setsockopt(4, SOL_IP, IP_TOS, [0x10], 4) = 0
+0 setsockopt(4, SOL_IP, IP_TTL, [77], 4) = 0
+0 write(4, ..., 10) = 10
+0 > (tos 0x10, ttl 77) P. 1:11(10) ack 1
""".replace("(tos 0x10, ttl 77)", "[tos 0x10]")
    )


def test_congestion_control_is_chosen_by_its_name() -> None:
    plays(
        SERVER
        + """
+0 setsockopt(4, SOL_TCP, TCP_CONGESTION, "reno", 4) = 0
+0 getsockopt(4, SOL_TCP, TCP_CONGESTION, "reno", [16]) = 0
+0 setsockopt(4, SOL_TCP, TCP_CONGESTION, "nobody", 6) = -1 ENOENT
"""
    )

"""FreeBSD's socket options, where scripts of tests/drill/freebsd say nothing of them."""

import pytest

from halfopen.packetdrill.parser import parse
from halfopen.packetdrill.profiles import FREEBSD
from halfopen.packetdrill.runner import run
from halfopen.packetdrill.settings import RunOptions

FRESH = "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n"


def plays(text: str, ip_version: str = "ipv4") -> None:
    verdict = run(parse(FRESH + text, "bsd.pkt"), RunOptions(profile=FREEBSD, ip_version=ip_version))
    assert verdict.verdict == "pass", verdict.message


@pytest.mark.parametrize(
    ("option", "value", "error"),
    [
        ("SOL_SOCKET, SO_SNDBUF", "[0]", "EINVAL"),
        ("SOL_SOCKET, SO_LINGER", "{onoff=1, linger=-1}", "EDOM"),
        ("SOL_SOCKET, SO_TYPE", "[1]", "ENOPROTOOPT"),
        ("IPPROTO_TCP, TCP_INFO", "[1]", "EINVAL"),
        ("IPPROTO_TCP, TCP_KEEPIDLE", "[4294968]", "EINVAL"),
    ],
)
def test_what_makes_no_sense_is_refused(option: str, value: str, error: str) -> None:
    plays(f"+0 setsockopt(3, {option}, {value}, {8 if value[0] == '{' else 4}) = -1 {error}\n")


@pytest.mark.parametrize("name", ["TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPINIT", "TCP_KEEPCNT", "TCP_MAXUNACKTIME"])
def test_what_was_set_is_read(name: str) -> None:
    plays(f"+0 setsockopt(3, IPPROTO_TCP, {name}, [3], 4) = 0\n+0 getsockopt(3, IPPROTO_TCP, {name}, [3], [4]) = 0\n")


def test_keep_alive_for_all_cannot_be_taken_back() -> None:
    plays(
        "+0 setsockopt(3, SOL_SOCKET, SO_KEEPALIVE, [0], 4) = 0\n"
        "+0 getsockopt(3, SOL_SOCKET, SO_KEEPALIVE, [0], [4]) = 0\n"
    )


def test_fast_open_has_to_be_chosen_before_the_connection() -> None:
    plays(
        "+0 fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK) = 0\n"
        "+0 connect(3, ..., ...) = -1 EINPROGRESS\n"
        "+0 setsockopt(3, IPPROTO_TCP, TCP_FASTOPEN, [1], 4) = -1 EINVAL\n"
    )


def test_a_listener_takes_no_early_text_where_servers_may_not() -> None:
    plays(
        "+0 bind(3, ..., ...) = 0\n+0 listen(3, 1) = 0\n"
        "+0 setsockopt(3, IPPROTO_TCP, TCP_FASTOPEN, [1], 4) = -1 EPERM\n"
    )


def test_the_default_mss_is_that_of_its_version_of_ip() -> None:
    plays("+0 getsockopt(3, IPPROTO_TCP, TCP_MAXSEG, [1220], [4]) = 0\n", "ipv6")


def test_sending_may_open_and_end_a_connection_at_once() -> None:
    plays(
        "+0 fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK) = 0\n"
        "+0 sendto(3, ..., 10, 0, ..., ...) = 10\n"
        "+0 > S 0:0(0) win 65535 <...>\n"
        "+.1 < S. 0:0(0) ack 1 win 65535 <mss 1460>\n"
        "+0 > P. 1:11(10) ack 1\n"
    )

"""The options table against the kernel's own sockets: what is refused, and what `getsockopt` says afterwards."""

import errno
import socket
import struct

import pytest

from halfopen.aio.options import OPTIONS, TCP_CONGESTION, TCP_NOTSENT_LOWAT
from halfopen.tcp.config import DEFAULT, TcpConfig

TCP, SOCKET = socket.IPPROTO_TCP, socket.SOL_SOCKET


def ours(level: int, name: int, value: int | bytes, config: TcpConfig = DEFAULT) -> int | bytes | None:
    """What `getsockopt` says after `setsockopt`; None if that is refused with EINVAL."""
    setter, getter = OPTIONS[level, name]
    try:
        return getter(setter(config, value))
    except OSError as error:
        assert error.errno == errno.EINVAL
        return None


def theirs(level: int, name: int, value: int | bytes) -> int | bytes | None:
    with socket.socket() as sock:
        try:
            sock.setsockopt(level, name, value)
        except OSError as error:
            assert error.errno == errno.EINVAL
            return None
        return sock.getsockopt(level, name) if isinstance(value, int) else sock.getsockopt(level, name, len(value))


@pytest.mark.parametrize(
    ("level", "name", "values"),
    [
        pytest.param(TCP, socket.TCP_NODELAY, (0, 1, 2), id="TCP_NODELAY"),
        pytest.param(TCP, socket.TCP_CORK, (0, 1, 2), id="TCP_CORK"),
        pytest.param(TCP, socket.TCP_MAXSEG, (0, 87, 88, 1000, 32767, 32768), id="TCP_MAXSEG"),
        pytest.param(TCP, socket.TCP_KEEPIDLE, (-1, 0, 1, 32767, 32768), id="TCP_KEEPIDLE"),
        pytest.param(TCP, socket.TCP_KEEPINTVL, (-1, 0, 1, 32767, 32768), id="TCP_KEEPINTVL"),
        pytest.param(TCP, socket.TCP_KEEPCNT, (-1, 0, 1, 127, 128), id="TCP_KEEPCNT"),
        pytest.param(TCP, socket.TCP_SYNCNT, (0, 1, 127, 128), id="TCP_SYNCNT"),
        pytest.param(TCP, socket.TCP_LINGER2, (0, 1, 120), id="TCP_LINGER2"),
        pytest.param(TCP, socket.TCP_DEFER_ACCEPT, (0, 1, 2, 3, 4, 8, 60), id="TCP_DEFER_ACCEPT"),
        pytest.param(TCP, socket.TCP_WINDOW_CLAMP, (0, 2000, 100_000), id="TCP_WINDOW_CLAMP"),
        pytest.param(TCP, socket.TCP_USER_TIMEOUT, (-1, 0, 1, 1500), id="TCP_USER_TIMEOUT"),
        pytest.param(TCP, TCP_NOTSENT_LOWAT, (1, 16384), id="TCP_NOTSENT_LOWAT"),
        pytest.param(TCP, socket.TCP_QUICKACK, (0, 1), id="TCP_QUICKACK"),
        pytest.param(SOCKET, socket.SO_KEEPALIVE, (0, 1, 5), id="SO_KEEPALIVE"),
        pytest.param(SOCKET, socket.SO_RCVBUF, (0, 1, 1152, 1153, 4096, 100_000), id="SO_RCVBUF"),
        pytest.param(SOCKET, socket.SO_SNDBUF, (0, 1, 2304, 2305, 4096, 100_000), id="SO_SNDBUF"),
        pytest.param(
            SOCKET,
            socket.SO_LINGER,
            (struct.pack("ii", 0, 0), struct.pack("ii", 1, 0), struct.pack("ii", 1, 7)),
            id="SO_LINGER",
        ),
    ],
)
def test_an_option_takes_and_gives_what_the_kernel_does(level: int, name: int, values: tuple[int | bytes, ...]) -> None:
    assert [ours(level, name, value) for value in values] == [theirs(level, name, value) for value in values]


def test_octets_count_as_a_number() -> None:
    assert ours(TCP, socket.TCP_KEEPCNT, struct.pack("i", 3)) == 3


def test_linger_takes_no_number() -> None:
    assert ours(SOCKET, socket.SO_LINGER, 1) is None


def test_a_congestion_control_has_a_name_that_is_known() -> None:
    assert ours(TCP, TCP_CONGESTION, b"reno\0") == b"reno".ljust(16, b"\0")
    with pytest.raises(FileNotFoundError, match="congestion control 'psychic'"):
        OPTIONS[TCP, TCP_CONGESTION][0](DEFAULT, b"psychic")


def test_less_than_no_time_in_fin_wait_2_is_none() -> None:
    assert ours(TCP, socket.TCP_LINGER2, -1) == 0
    assert ours(TCP, socket.TCP_LINGER2, 121) == 120


def test_an_unlimited_amount_of_unsent_octets_is_the_default() -> None:
    setter, getter = OPTIONS[TCP, TCP_NOTSENT_LOWAT]
    assert getter(DEFAULT) == getter(setter(setter(DEFAULT, 5), -1)) == -1


def test_quick_ack_is_thrown_each_time_it_is_set() -> None:
    setter = OPTIONS[TCP, socket.TCP_QUICKACK][0]
    once = setter(DEFAULT, 1)
    assert once.acks.quick == setter(once, 1).acks.quick == DEFAULT.acks.quick
    assert (once.acks.switched, setter(once, 1).acks.switched) == (1, 2)

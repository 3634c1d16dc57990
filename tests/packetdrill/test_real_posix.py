"""The calls on the kernel's sockets, over loopback."""

import errno
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

import pytest

from halfopen.base.clock import NEVER
from halfopen.packetdrill.posix import EpollEvent, Message, SocketName, WouldBlock
from halfopen.packetdrill.real_posix import RealPosix
from halfopen.packetdrill.tcp_info_layout import unpack_tcp_info

O_RDWR, O_NONBLOCK, F_GETFL, F_SETFL, POLLIN, POLLOUT = 2, 0o4000, 3, 4, 1, 4
Result = TypeVar("Result")
LOOPBACK = b"\x7f\0\0\1"


def patiently(call: Callable[[], Result]) -> Result:
    """The call, until it need not wait."""
    while True:
        with suppress(WouldBlock):
            return call()


@contextmanager
def connected() -> Iterator[tuple[RealPosix, int, socket.socket]]:
    """A connection: the calls, our descriptor, and the other end."""
    posix = RealPosix()
    with socket.create_server(("127.0.0.1", 0)) as server:
        fd = posix.socket(socket.AF_INET, socket.SOCK_STREAM, 0)
        name = SocketName(socket.AF_INET, LOOPBACK, server.getsockname()[1])
        patiently(lambda: posix.connect(fd, name))
        peer, _ = server.accept()
        with peer:
            yield posix, fd, peer
            posix.close(fd)


def test_octets_go_both_ways_and_waiting_is_told() -> None:
    with connected() as (posix, fd, peer):
        assert posix.write(fd, Message(b"hello")) == 5
        assert peer.recv(10) == b"hello"
        with pytest.raises(WouldBlock):
            posix.read(fd, 10)
        peer.sendall(b"hi")
        assert patiently(lambda: posix.read(fd, 10)) == b"hi"


def test_what_does_not_block_says_so_and_keeps_its_flags() -> None:
    with connected() as (posix, fd, _):
        assert posix.fcntl(fd, F_GETFL) == O_RDWR
        posix.fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK)
        assert posix.fcntl(fd, F_GETFL) == O_RDWR | O_NONBLOCK
        with pytest.raises(BlockingIOError):
            posix.read(fd, 10)


def test_polls_do_not_stand_still() -> None:
    with connected() as (posix, fd, peer):
        assert posix.poll([(fd, POLLIN | POLLOUT)], NEVER) == [POLLOUT]
        with pytest.raises(WouldBlock):
            posix.poll([(fd, POLLIN)], NEVER)
        epoll = posix.epoll_create()
        posix.epoll_ctl(epoll, 1, fd, EpollEvent(POLLIN, 77))
        with pytest.raises(WouldBlock):
            posix.epoll_wait(epoll, 1, NEVER)
        peer.sendall(b"hi")
        assert posix.epoll_wait(epoll, 1, NEVER) == [EpollEvent(POLLIN, 77)]
        posix.close(epoll)


def test_the_state_of_a_connection_is_told_by_name() -> None:
    with connected() as (posix, fd, _):
        facts = posix.tcp_info(fd)
        assert facts["tcpi_state"] == 1
        assert facts["tcpi_snd_cwnd"] == 10
        assert unpack_tcp_info(bytes(104))["tcpi_total_retrans"] == 0


def test_a_connection_is_taken_back() -> None:
    with connected() as (posix, fd, peer):
        posix.connect(fd, None)
        with pytest.raises(ConnectionResetError):
            peer.recv(1)


def test_nothing_is_touched_that_was_not_opened_here() -> None:
    posix = RealPosix()
    with pytest.raises(OSError, match="Bad file descriptor") as told:
        posix.read(0, 1)
    assert told.value.errno == errno.EBADF
    with pytest.raises(OSError, match="Bad file descriptor"):
        posix.close(1)


def test_pipes_and_files_of_the_scripts_own() -> None:
    posix = RealPosix()
    reader, writer = posix.pipe()
    file = posix.open("/etc/hostname", 0)
    assert posix.read(file, 100) == bytes(5)
    assert posix.write(writer, Message(b"12345")) == 5
    assert posix.read(reader, 3) == b"123"
    for fd in (reader, writer, file):
        posix.close(fd)


def test_a_call_that_waits_for_its_time_out_fails_as_the_kernel_has_it() -> None:
    with connected() as (posix, fd, _):
        posix.setsockopt(fd, socket.SOL_SOCKET, socket.SO_RCVTIMEO, (0).to_bytes(8, "little") + b"\x10\x27" + bytes(6))
        with pytest.raises(BlockingIOError):
            patiently(lambda: posix.read(fd, 10))


def test_a_descriptor_is_closed_while_a_call_waits_for_it() -> None:
    with connected() as (posix, fd, _), pytest.raises(WouldBlock):
        posix.read(fd, 10)

import errno
import socket

import pytest

from halfopen.aio.connected import Connected
from halfopen.aio.host import Host
from halfopen.aio.unconnected import NOWHERE, Listening, Unconnected
from halfopen.base.addresses import IPV4_ANY, parse_address
from tests.aio.world import two_hosts, until

pytestmark = pytest.mark.asyncio
SERVER = parse_address("192.0.2.2")


async def listen(host: Host, port: int = 7) -> Listening:
    fresh = Unconnected(host)
    fresh.bind((IPV4_ANY, port))
    listening = fresh.listen(5)
    assert isinstance(listening, Listening)
    return listening


async def test_a_fresh_socket_becomes_a_listening_one_and_another_a_connection() -> None:
    async with two_hosts() as (client, server):
        listening = await listen(server)
        assert listening.names.getsockname() == ("0.0.0.0", 7)
        with pytest.raises(BlockingIOError):
            listening.accept()
        state = Unconnected(client).connect((SERVER, 7))
        assert isinstance(state, Connected)
        accepted = await listening.until_served(listening.accept)
        await state.until_served(state.finish_connecting)
        assert accepted.names.getpeername() == state.names.getsockname()
        with pytest.raises(OSError, match="already connected"):
            listening.connect((SERVER, 7))
        for each in (state, accepted, listening):
            each.close()


async def test_what_was_set_before_holds_afterwards() -> None:
    async with two_hosts() as (client, server):
        listening = await listen(server)
        fresh = Unconnected(client)
        fresh.names.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        fresh.names.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        state = fresh.connect((SERVER, 7))
        assert state.names.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        assert state.names.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR) == 1
        state.close()
        listening.close()


async def test_a_bound_port_is_given_back() -> None:
    async with two_hosts() as (client, _):
        fresh = Unconnected(client)
        fresh.bind((IPV4_ANY, 4000))
        with pytest.raises(OSError, match="in use"):
            Unconnected(client).bind((IPV4_ANY, 4000))
        fresh.close()
        fresh.close()
        again = Unconnected(client)
        again.bind((IPV4_ANY, 4000))
        again.close()


async def test_what_a_fresh_socket_cannot_do() -> None:
    async with two_hosts() as (client, _):
        fresh = Unconnected(client)
        assert fresh.names.local == NOWHERE
        assert fresh.is_readable
        assert fresh.is_writable
        assert not fresh.is_in_use
        assert fresh.take_error() == 0
        for call, number in (
            (lambda: fresh.receive(1), errno.ENOTCONN),
            (lambda: fresh.receive_from(1), errno.ENOTCONN),
            (lambda: fresh.send(b"!"), errno.EPIPE),
            (lambda: fresh.send_to(b"!", NOWHERE), errno.EPIPE),
            (lambda: fresh.shutdown(socket.SHUT_RD), errno.ENOTCONN),
            (fresh.accept, errno.EINVAL),
            (lambda: fresh.bind((SERVER, 0)), errno.EADDRNOTAVAIL),
            (lambda: fresh.connect((parse_address("203.0.113.1"), 7)), errno.ENETUNREACH),
        ):
            with pytest.raises(OSError) as caught:  # the number is looked at
                call()
            assert caught.value.errno == number


async def test_closing_a_listening_socket_resets_who_was_not_accepted() -> None:
    async with two_hosts() as (client, server):
        listening = await listen(server)
        state = Unconnected(client).connect((SERVER, 7))
        assert isinstance(state, Connected)
        await until(lambda: listening.is_readable)
        assert listening.is_in_use
        listening.close()
        assert not listening.is_in_use
        with pytest.raises(ConnectionResetError):
            await state.until_served(lambda: state.receive(1))
        state.close()
        with pytest.raises(OSError, match="Bad file descriptor"):
            await listening.until_served(listening.accept)

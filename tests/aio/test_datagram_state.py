import errno

import pytest

from halfopen.aio.datagram_state import Datagrams
from halfopen.base.addresses import IPV4_ANY, parse_address
from tests.aio.world import two_hosts, until

pytestmark = pytest.mark.asyncio
SERVER = parse_address("192.0.2.2")


async def test_datagrams_are_received_one_by_one_with_their_sender() -> None:
    async with two_hosts() as (client, server):
        far, near = Datagrams(server), Datagrams(client)
        far.bind((IPV4_ANY, 53))
        assert not near.is_in_use
        for letter in (b"one", b"two"):
            assert near.send_to(letter, (SERVER, 53)) == 3
        sender = ("192.0.2.1", near.names.local[1])
        assert await far.until_served(lambda: far.receive_from(100, peek=True)) == (b"one", sender)
        assert far.receive_from(2) == (b"on", sender)
        assert await far.until_served(lambda: far.receive(100)) == b"two"
        with pytest.raises(BlockingIOError):
            far.receive(1)
        assert near.is_in_use
        near.close()
        far.close()
        assert not near.is_in_use


async def test_a_connected_socket_hears_of_errors_and_another_does_not() -> None:
    async with two_hosts() as (client, _):
        alone, pair = Datagrams(client), Datagrams(client)
        alone.send_to(b"?", (SERVER, 9))
        assert pair.connect((SERVER, 9)) is pair
        pair.send(b"?")
        await until(lambda: pair.is_readable)
        with pytest.raises(ConnectionRefusedError):
            pair.receive(1)
        pair.send(b"?")
        await until(lambda: pair.is_readable)
        assert pair.take_error() == errno.ECONNREFUSED
        assert pair.take_error() == 0
        assert not alone.is_readable
        assert alone.is_writable
        alone.close()
        pair.close()


async def test_what_a_datagram_socket_cannot_do() -> None:
    async with two_hosts() as (client, _):
        state = Datagrams(client)
        for call, number in (
            (lambda: state.send(b"!"), errno.EDESTADDRREQ),
            (lambda: state.shutdown(0), errno.ENOTCONN),
            (lambda: state.bind((SERVER, 0)), errno.EADDRNOTAVAIL),
            (lambda: state.listen(1), errno.EINVAL),
        ):
            with pytest.raises(OSError) as caught:  # the number is looked at
                call()
            assert caught.value.errno == number
        state.bind((IPV4_ANY, 0))
        with pytest.raises(OSError, match="Invalid"):
            state.bind((IPV4_ANY, 0))
        state.close()

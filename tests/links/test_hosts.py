import asyncio
import socket
import threading

import pytest

from halfopen.links.hosts import has_interface, in_good_order, is_quiet, neighbor_of, open_tap, tap_host
from halfopen.links.namespaces import Namespace
from tests.aio.world import two_hosts


@pytest.mark.parametrize(
    ("ours", "kernel"),
    [
        ("192.0.2.2/24", "192.0.2.1/24"),
        ("192.0.2.1/24", "192.0.2.2/24"),
        ("198.51.100.30/28", "198.51.100.17/28"),
        ("203.0.113.1/30", "203.0.113.2/30"),
    ],
)
def test_the_kernels_end_gets_the_first_address_that_is_not_ours(ours: str, kernel: str) -> None:
    assert neighbor_of(ours) == kernel


@pytest.mark.asyncio
async def test_connections_get_a_moment_to_end_and_no_more() -> None:
    async with two_hosts() as (client, server):
        # An asyncio.Protocol closes its direction when the peer has closed.
        await server.create_server(asyncio.Protocol, None, 7)
        tcp = await client.connect("server", 7)
        async with in_good_order(client):
            assert not is_quiet(client)
            tcp.close(client.pump.now())
            client.pump.kick()
        assert is_quiet(client)
        await client.connect("server", 7)
        async with in_good_order(client):
            assert not is_quiet(client)
        assert not is_quiet(client)


@pytest.mark.root
@pytest.mark.device("/dev/net/tun")
def test_a_host_on_a_tap_talks_to_the_kernel_in_a_few_lines(namespace: Namespace) -> None:
    answers: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(connection.recv(100)[::-1])

    async def main() -> None:
        async with tap_host("192.0.2.2/24", "ours0") as host:
            assert has_interface("ours0")
            reader, writer = await host.open_connection("192.0.2.1", 7)
            writer.write(b"olleh")
            answers.append(await reader.read())
            writer.close()
            await writer.wait_closed()
        assert not has_interface("ours0")

    with namespace.enter(), socket.socket() as listener:
        listener.bind(("0.0.0.0", 7))
        listener.listen()
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        asyncio.run(main())
        thread.join()
    assert answers == [b"hello"]


@pytest.mark.root
@pytest.mark.device("/dev/net/tun")
def test_a_device_whose_set_up_fails_is_closed_again(namespace: Namespace) -> None:
    with namespace.enter():
        with pytest.raises(ValueError, match="cannot have 40"):
            open_tap("192.0.2.2/40", "ours0")
        assert not has_interface("ours0")

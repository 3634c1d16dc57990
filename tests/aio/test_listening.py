"""The sockets that a server shows."""

import socket

import pytest

from halfopen.tcp.config import TcpConfig
from tests.aio.test_server import hold
from tests.aio.world import two_hosts

pytestmark = pytest.mark.asyncio

TCP = socket.IPPROTO_TCP


async def test_options_of_a_listening_socket_are_for_connections_to_come() -> None:
    async with two_hosts() as (client, server), await server.start_server(hold, "192.0.2.2", 0) as listening:
        (sock,) = listening.sockets
        assert sock.config == TcpConfig()
        _, before = await client.open_connection(*sock.getsockname())
        sock.setsockopt(TCP, socket.TCP_MAXSEG, 500)
        sock.setsockopt(TCP, socket.TCP_KEEPIDLE, 7)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        assert listening.sockets[0].getsockopt(TCP, socket.TCP_MAXSEG) == 500
        _, after = await client.open_connection(*sock.getsockname())
        taken = sorted(
            each.config.keep_alive.idle // 1_000_000_000
            for each in server.stack.tcp.sockets()
            if each.config.options.mss == 500 or each.row.state == "ESTAB"
        )
        assert taken == [7, 7, 7200]  # the listener, the connection that came after, and the one from before
        for writer in (before, after):
            writer.close()
            await writer.wait_closed()

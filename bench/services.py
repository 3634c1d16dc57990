"""The services that every stack offers to the same client: discard, chargen, and one answer to each request.

`python -m bench.services STACK [ARGUMENT ...]` serves them inside the network namespace it is started in, prints
"ready" when it listens, and ends when it is ended. The native stacks beside this file in ``others`` serve the same.
"""

import asyncio
import socket
import sys
import threading
from collections.abc import Callable

from bench.peers import CHUNK, Answering

DISCARD = 9
"""Takes what comes, and closes when the client has ended (RFC 863)."""

CHARGEN = 19
"""Sends until the client has gone (RFC 864); zeros, as characters cost the same."""

ANSWER = 80
"""`bench.peers.RESPONSE` to each request."""

SECONDS = 120
"""Nobody serves for longer, whatever became of the client."""


class Discarding(asyncio.BufferedProtocol):
    """Has one buffer, and forgets what is in it."""

    def __init__(self) -> None:
        self._buffer = bytearray(CHUNK)

    def get_buffer(self, sizehint: int) -> bytearray:
        """The one."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Enough is known."""


class Generating(asyncio.Protocol):
    """Writes whenever the transport takes more."""

    def __init__(self) -> None:
        self._chunk = bytes(CHUNK)
        self._may_write = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begins."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._fill()

    def pause_writing(self) -> None:
        """The transport has enough."""
        self._may_write = False

    def resume_writing(self) -> None:
        """It takes more; not yet in this call, in which asyncio does not expect to find the connection reset."""
        self._may_write = True
        asyncio.get_running_loop().call_soon(self._fill)

    def _fill(self) -> None:
        while self._may_write and not self._transport.is_closing():
            self._transport.write(self._chunk)


PROTOCOLS: dict[int, Callable[[], asyncio.BaseProtocol]] = {
    DISCARD: Discarding,
    CHARGEN: Generating,
    ANSWER: Answering,
}


def on_halfopen(offload: str) -> None:
    """On a TUN, with offloads if ``offload`` is "1"."""
    from bench.worlds import OURS, make_host, open_tun  # Only here: the other roles measure a kernel without it.

    async def main() -> None:
        with open_tun(offload=offload == "1") as link:
            host = make_host(link)
            for port, protocol in PROTOCOLS.items():
                await host.create_server(protocol, OURS, port, backlog=1024)
            await _until_ended()

    asyncio.run(main())


def on_asyncio() -> None:
    """With asyncio, on the kernel's sockets."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        servers = [
            await loop.create_server(protocol, "0.0.0.0", port, backlog=1024) for port, protocol in PROTOCOLS.items()
        ]
        await _until_ended()
        for server in servers:
            server.close()

    asyncio.run(main())


def on_sockets() -> None:
    """With blocking calls on the kernel's sockets, one connection after the other; only discard and chargen."""
    for port, serve in ((DISCARD, _discard), (CHARGEN, _generate)):
        listener = socket.create_server(("0.0.0.0", port))
        threading.Thread(target=_serve_each, args=(listener, serve), daemon=True).start()
    print("ready", flush=True)
    threading.Event().wait(SECONDS)


async def _until_ended() -> None:
    print("ready", flush=True)
    await asyncio.sleep(SECONDS)


def _serve_each(listener: socket.socket, serve: Callable[[socket.socket], None]) -> None:
    while True:
        with listener.accept()[0] as connection:
            serve(connection)


def _discard(connection: socket.socket) -> None:
    buffer = bytearray(CHUNK)
    while connection.recv_into(buffer):
        pass


def _generate(connection: socket.socket) -> None:
    octets = bytes(CHUNK)
    try:
        while True:
            connection.sendall(octets)
    except OSError:
        return


ROLES: dict[str, Callable[..., None]] = {
    "halfopen": on_halfopen,
    "asyncio": on_asyncio,
    "sockets": on_sockets,
}

if __name__ == "__main__":
    ROLES[sys.argv[1]](*sys.argv[2:])

"""The kernel's side of each measurement: small programs over the socket module, each in a process of its own.

`python -m bench.peers ROLE ...` prints "ready" where something has to listen first, and its figure at the end.
"""

import asyncio
import select
import socket
import struct
import sys
import time
from collections.abc import Callable

PORT = 7000
CHUNK = 1 << 18
PATIENCE = 20.0
"""Seconds without a single octet after which a stack has stalled."""
REQUEST = b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n"
RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

_BREAK_OFF = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: closing sends a reset."""


def sink() -> None:
    """Takes one connection and prints its rate, in octets per second."""
    with _accept() as connection:
        print(_drain(connection), flush=True)


def source(seconds: str) -> None:
    """Takes one connection and fills it for so long."""
    with _accept() as connection:
        _fill(connection, float(seconds))


def send(host: str, seconds: str) -> None:
    """Opens a connection and fills it for so long."""
    with socket.create_connection((host, PORT)) as connection:
        _fill(connection, float(seconds))


def take(host: str) -> None:
    """Opens a connection and prints its rate, in octets per second."""
    with socket.create_connection((host, PORT)) as connection:
        print(_drain(connection), flush=True)


def push(host: str, port: str, seconds: str) -> None:
    """Fills a connection for so long, and prints the octets per second until the other side has taken them all."""
    octets = bytes(CHUNK)
    total = 0
    with socket.create_connection((host, int(port)), PATIENCE) as connection:
        started = time.monotonic()
        while time.monotonic() < started + float(seconds):
            connection.sendall(octets)
            total += len(octets)
        connection.shutdown(socket.SHUT_WR)
        if connection.recv(1):
            raise ConnectionError("discard has answered")
        print(total / (time.monotonic() - started), flush=True)


def pull(host: str, port: str, seconds: str) -> None:
    """Takes what comes for so long from the first octets on, prints the octets per second, and breaks off."""
    buffer = bytearray(CHUNK)
    with socket.create_connection((host, int(port)), PATIENCE) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _BREAK_OFF)
        total = connection.recv_into(buffer)
        started = time.monotonic()
        while (elapsed := time.monotonic() - started) < float(seconds):
            if not (count := connection.recv_into(buffer)):
                raise ConnectionError("chargen has ended")
            total += count
        print(total / elapsed, flush=True)


def ask(host: str, seconds: str, at_once: str, port: str = str(PORT)) -> None:
    """Connects, asks, takes the answer and closes, so many at once; prints how many a second were answered."""
    print(Asking((host, int(port)), int(at_once)).run(float(seconds)), flush=True)


def serve() -> None:
    """The asyncio server that halfopen is compared with, on the kernel's TCP, until it is ended."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Answering, "0.0.0.0", PORT, backlog=1024)
        print("ready", flush=True)
        await server.serve_forever()

    asyncio.run(main())


class Answering(asyncio.Protocol):
    """Answers a request; the client closes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """A request, as small as this one, comes in one piece."""
        self.transport.write(RESPONSE)


class Asking:
    """A client without a framework, so that it is the server that is measured."""

    def __init__(self, address: tuple[str, int], at_once: int) -> None:
        self._address = address
        self._at_once = at_once
        self._poll = select.epoll()
        self._open: dict[int, socket.socket] = {}
        self.answered = 0

    def run(self, seconds: float) -> float:
        """Connections per second."""
        started = time.monotonic()
        for _ in range(self._at_once):
            self._connect()
        while (elapsed := time.monotonic() - started) < seconds:
            for descriptor, events in self._poll.poll(0.1):
                self._on_event(self._open[descriptor], events)
        return self.answered / elapsed

    def _connect(self) -> None:
        connection = socket.socket()
        connection.setblocking(False)
        connection.connect_ex(self._address)
        self._open[connection.fileno()] = connection
        self._poll.register(connection, select.EPOLLOUT)

    def _on_event(self, connection: socket.socket, events: int) -> None:
        if events & (select.EPOLLERR | select.EPOLLHUP):
            raise ConnectionError(f"no answer: error {connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)}")
        if events & select.EPOLLOUT:
            connection.send(REQUEST)
            self._poll.modify(connection, select.EPOLLIN)
            return
        if connection.recv(4096) != RESPONSE:
            raise ConnectionError("not the answer that was expected")
        self.answered += 1
        del self._open[connection.fileno()]
        connection.close()
        self._connect()


def _accept() -> socket.socket:
    with socket.create_server(("0.0.0.0", PORT)) as listener:
        print("ready", flush=True)
        return listener.accept()[0]


def _fill(connection: socket.socket, seconds: float) -> None:
    octets = bytes(CHUNK)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        connection.sendall(octets)
    connection.shutdown(socket.SHUT_WR)
    connection.recv(1)


def _drain(connection: socket.socket) -> float:
    buffer = bytearray(CHUNK)
    total = connection.recv_into(buffer)
    started = time.monotonic()
    while count := connection.recv_into(buffer):
        total += count
    return total / (time.monotonic() - started)


ROLES: dict[str, Callable[..., None]] = {
    "sink": sink,
    "source": source,
    "send": send,
    "take": take,
    "push": push,
    "pull": pull,
    "ask": ask,
    "serve": serve,
}

if __name__ == "__main__":
    ROLES[sys.argv[1]](*sys.argv[2:])

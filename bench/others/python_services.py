"""The services on the TCP stacks of the Python package index: `python python_services.py STACK KERNEL OURS`.

Runs in the environment of those packages, so it imports nothing of halfopen; makes its device in the namespace that it
is started in.
"""

import asyncio
import contextlib
import importlib
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

DISCARD, CHARGEN, ANSWER = 9, 19, 80
RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNK = 1 << 16
SECONDS = 120
PLENTY = 1 << 25
"""More octets than a stack in Python without offloads sends in any of the measurements."""
DEVICE = "tap7"
"""PyTCP reads the MAC of its end out of the name."""

Socket = Any
"""Of another's package, without types."""


def set_up(device: str, kernel: str) -> None:
    """The kernel's end of the device."""
    for command in (
        f"ip address add {kernel}/24 dev {device}",
        f"ip link set {device} txqueuelen 10000 up",
    ):
        subprocess.run(command.split(), check=True)


def on_pytcp(kernel: str, ours: str) -> None:
    """PyTCP 2: threads, a TAP of 1500 octets."""
    config: Any = importlib.import_module("pytcp.config")
    config.LOG_CHANEL = set()
    stack = importlib.import_module("pytcp").TcpIpStack(interface=DEVICE, ip4_address=f"{ours}/24")
    config.IP6_SUPPORT = False
    set_up(DEVICE, kernel)
    stack.start()
    sockets = importlib.import_module("pytcp.lib.socket")
    serve_in_threads(lambda: sockets.socket(family=sockets.AF_INET4, type=sockets.SOCK_STREAM), ours)


def on_pmd_pytcp(kernel: str, ours: str) -> None:
    """PyTCP 3 under its name in the index: coroutines, a TAP of 1500 octets."""
    asyncio.run(serve_coroutines(kernel, ours))


async def serve_coroutines(kernel: str, ours: str) -> None:
    """A task for each port, and one for each connection."""
    package = importlib.import_module("pmd_pytcp")
    addresses = importlib.import_module("pmd_net_addr")
    logger: Any = importlib.import_module("pmd_pytcp.lib.logger")
    logger.LOG__CHANNEL = set()
    device = package.stack.initialize_interface__tap(DEVICE)
    package.stack.init(**device, ip4_host=addresses.Ip4IfAddr(f"{ours}/24"), ip4_dhcp=False, ip6_support=False)
    set_up(DEVICE, kernel)
    await package.stack.start()
    sockets = package.socket
    while not any(str(address) == ours for address in package.stack.local_ip4_unicast()):
        await asyncio.sleep(0.05)  # Until it has found that nobody else has the address (RFC 5227).
    tasks = []
    for port in (DISCARD, CHARGEN, ANSWER):
        listener = sockets.socket(family=sockets.AF_INET4, type=sockets.SOCK_STREAM)
        listener.bind((ours, port))
        listener.listen(backlog=1024)
        tasks.append(asyncio.create_task(accept_each(listener, port)))
    print("ready", flush=True)
    await asyncio.wait(tasks, timeout=SECONDS)


async def accept_each(listener: Socket, port: int) -> None:
    """Serves whoever comes."""
    tasks = set()
    while True:
        connection, _ = await listener.accept()
        task = asyncio.create_task(serve_coroutine(connection, port))
        tasks.add(task)
        task.add_done_callback(tasks.discard)


async def serve_coroutine(connection: Socket, port: int) -> None:
    """To the end of the connection, however it ends."""
    with contextlib.suppress(Exception):  # The package has exceptions of its own.
        if port == CHARGEN:
            await connection.send(bytes(PLENTY))
        while await connection.recv(CHUNK):
            if port == ANSWER:
                await connection.send(RESPONSE)
    connection.close()


def serve_in_threads(make: Callable[[], Socket], ours: str) -> None:
    """Blocking sockets: a thread for each port, and one for each connection."""
    for port, serve in ((DISCARD, discard), (CHARGEN, generate), (ANSWER, answer)):
        listener = make()
        listener.bind((ours, port))
        listener.listen()
        threading.Thread(target=accept, args=(listener, serve), daemon=True).start()
    print("ready", flush=True)
    threading.Event().wait(SECONDS)


def accept(listener: Socket, serve: Callable[[Socket], None]) -> None:
    """Serves whoever comes."""
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve_one, args=(connection, serve), daemon=True).start()


def serve_one(connection: Socket, serve: Callable[[Socket], None]) -> None:
    """To the end of the connection, however it ends."""
    with contextlib.suppress(Exception):  # Each of these packages has exceptions of its own.
        serve(connection)
    connection.close()


def discard(connection: Socket) -> None:
    """RFC 863."""
    while connection.recv(CHUNK):
        pass


def generate(connection: Socket) -> None:
    """RFC 864, but not without end: `send` takes anything and never waits."""
    connection.send(bytes(PLENTY))
    discard(connection)


def answer(connection: Socket) -> None:
    """One answer to each request."""
    while connection.recv(CHUNK):
        connection.send(RESPONSE)


def on_mitmproxy_rs(kernel: str, ours: str) -> None:
    """smoltcp in a wheel: asyncio streams for whatever address a client asks for."""
    asyncio.run(serve_streams(kernel))


async def serve_streams(kernel: str) -> None:
    """A task for each connection; the port says what it wants."""
    tun = importlib.import_module("mitmproxy_rs.tun")

    async def ignore(stream: Any) -> None:
        stream.close()

    device = await tun.create_tun_interface(serve_stream, ignore, DEVICE)
    set_up(device.tun_name(), kernel)
    print("ready", flush=True)
    await asyncio.sleep(SECONDS)


async def serve_stream(stream: Any) -> None:
    """Like the functions for sockets."""
    port = stream.get_extra_info("sockname")[1]
    octets = bytes(CHUNK)
    with contextlib.suppress(OSError):
        while port == CHARGEN:
            stream.write(octets)
            await stream.drain()
        while await stream.read(CHUNK):
            if port == ANSWER:
                stream.write(RESPONSE)
                await stream.drain()
        stream.close()


STACKS = {"pytcp": on_pytcp, "pmd-pytcp": on_pmd_pytcp, "mitmproxy-rs": on_mitmproxy_rs}

if __name__ == "__main__":
    STACKS[sys.argv[1]](*sys.argv[2:])

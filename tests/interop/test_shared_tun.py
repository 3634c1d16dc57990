"""Several processes have a queue each of one TUN, and listen at the same port of the same address."""

import os
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator

import pytest

from halfopen.links.interfaces import LinkSettings, configure
from halfopen.links.namespaces import Namespace
from tests.interop.world import KERNEL, NEEDS, OURS, PORT, kernel_namespace

pytestmark = NEEDS

WORKERS = 2
CONNECTIONS = 60
OCTETS = 300_000


@pytest.fixture(scope="module")
def kernel() -> Iterator[Namespace]:
    """With that many processes at work on a TUN in it."""
    with kernel_namespace() as namespace:
        command = [sys.executable, "-m", "tests.interop.queue_worker", "tun0", OURS, str(PORT)]
        workers = [namespace.popen(command, stdout=subprocess.PIPE) for _ in range(WORKERS)]
        try:
            for worker in workers:
                assert worker.stdout is not None
                assert worker.stdout.readline() == b"ready\n"
            with namespace.enter():
                configure("tun0", LinkSettings(addresses=(f"{KERNEL}/24",), ipv6=False))
            yield namespace
        finally:
            for worker in workers:
                worker.terminate()
                worker.communicate()


def _connect(kernel: Namespace) -> socket.socket:
    with kernel.enter():
        connection = socket.socket()
    connection.settimeout(20)
    connection.connect((OURS, PORT))
    return connection


def test_each_connection_is_served_by_one_of_them_and_all_have_some(kernel: Namespace) -> None:
    connections = [_connect(kernel) for _ in range(CONNECTIONS)]
    served = Counter(_exactly(connection, 8) for connection in connections)
    assert len(served) == WORKERS
    for connection in reversed(connections):
        connection.sendall(b"still you?")
        assert _exactly(connection, 10) == b"still you?"
        connection.close()


def test_streams_stay_whole_beside_each_other(kernel: Namespace) -> None:
    streams = [os.urandom(OCTETS) for _ in range(8)]
    connections = [_connect(kernel) for _ in streams]
    senders = [
        threading.Thread(target=connection.sendall, args=(octets,))
        for connection, octets in zip(connections, streams, strict=True)
    ]
    for sender in senders:
        sender.start()
    for connection, octets in zip(connections, streams, strict=True):
        _exactly(connection, 8)
        assert _exactly(connection, OCTETS) == octets
    for sender, connection in zip(senders, connections, strict=True):
        sender.join()
        connection.close()


def _exactly(connection: socket.socket, count: int) -> bytes:
    octets = bytearray()
    while len(octets) < count:
        more = connection.recv(count - len(octets))
        assert more
        octets += more
    return bytes(octets)

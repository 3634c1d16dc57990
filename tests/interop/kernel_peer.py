"""The kernel's end of a bulk transfer, as a program of its own inside a namespace.

``kernel_peer.py listen|connect send|receive ADDRESS PORT OCTETS`` prints what it saw as one JSON object; whoever
listens prints ``ready`` before. Tests import `blocks` to send the same stream from our end.
"""

import hashlib
import json
import socket
import sys
import time
from collections.abc import Iterator

BLOCK = hashlib.shake_128(b"interop").digest(1 << 18)


def blocks(octets: int) -> Iterator[bytes]:
    """A stream that looks random; each block begins with its number, so that one in the wrong place is noticed."""
    for number in range(-(-octets // len(BLOCK))):
        block = number.to_bytes(8, "big") + BLOCK[8:]
        yield block[: octets - number * len(BLOCK)]


def digest(octets: int) -> str:
    """SHA-256 of that stream."""
    summed = hashlib.sha256()
    for block in blocks(octets):
        summed.update(block)
    return summed.hexdigest()


def _open(role: str, address: str, port: int) -> socket.socket:
    if role == "connect":
        return socket.create_connection((address, port), timeout=60)
    with socket.create_server((address, port)) as listening:
        listening.settimeout(60)
        print("ready", flush=True)
        connection, _ = listening.accept()
    connection.settimeout(60)
    return connection


def _send(connection: socket.socket, octets: int) -> int:
    for block in blocks(octets):
        connection.sendall(block)
    connection.shutdown(socket.SHUT_WR)
    # The other end closes when it has everything.
    assert connection.recv(1) == b""
    return octets


def _receive(connection: socket.socket, summed: "hashlib._Hash") -> int:
    buffer = memoryview(bytearray(1 << 20))
    received = 0
    while octets := connection.recv_into(buffer):
        summed.update(buffer[:octets])
        received += octets
    return received


def main(role: str, action: str, address: str, port: str, octets: str) -> None:
    summed = hashlib.sha256()
    with _open(role, address, int(port)) as connection:
        started = time.monotonic()
        moved = _send(connection, int(octets)) if action == "send" else _receive(connection, summed)
        seconds = time.monotonic() - started
    print(json.dumps({"octets": moved, "seconds": seconds, "sha256": summed.hexdigest()}))


if __name__ == "__main__":
    main(*sys.argv[1:])

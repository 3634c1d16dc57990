"""A flood of SYNs, and those that it hits: programs for one measurement, each in a process of its own.

`python -m bench.flood ROLE ...` prints "ready" where something has to listen first, and its figure at the end. The
generator sends to interfaces that a measurement has made for itself and to no others: its namespace must be none that
existed before, must hold nothing but loopback and the measurement's own devices, and it stops after `MOST_SECONDS` or
`MOST_SYNS`, whichever comes first. Its sources are addresses of documentation (RFC 5737).
"""

import asyncio
import os
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from struct import Struct

import numpy as np
import numpy.typing as npt

from bench.peers import PORT
from bench.syn_rate import NOBODY, Closing
from bench.worlds import KERNEL, OURS
from halfopen.aio.host import Host
from halfopen.base.addresses import parse_address
from halfopen.base.counters import Counters
from halfopen.base.entropy import SystemRng
from halfopen.links.interfaces import statistics
from halfopen.links.link import LEFT_TO_LINK
from halfopen.links.packet_ring import PacketRing
from halfopen.links.packet_socket import open_packet_socket
from halfopen.links.real_pump import RealPump
from halfopen.links.rings import FRAME_AT, TP_STATUS_SEND_REQUEST, TransmitRing
from halfopen.links.syn_columns import folded
from halfopen.links.syn_gate import guard
from halfopen.stack.config import InterfaceConfig, StackConfig, TcpLayerConfig
from halfopen.stack.internet import default_route
from halfopen.stack.stack import Stack
from halfopen.stack.tcp_socket import TcpListener

MOST_SECONDS = 10.0
MOST_SYNS = 20_000_000
ETH_P_IP = 0x0800
KINDS = 1 << 15
"""Different SYNs; they are sent again and again."""
BATCH = 256
SLOTS = 4096
PAUSE = 0.0002
"""Before what the device did not take is tried again."""
SLOT_OCTETS = 128
OPTIONS = bytes.fromhex("020405b40402080a000030390000000001030307")
"""Those of Linux."""
_IP = Struct("!BBHHHBBH4s4s")
_TCP = Struct("!HHIIBBHHH")


def check_place(interface: str) -> None:
    """Refuses the namespace of who measures, any with devices of others, and every interface but a measurement's."""
    names = {name for _, name in socket.if_nameindex()}
    if os.readlink("/proc/self/ns/net") == os.readlink(f"/proc/{os.getppid()}/ns/net"):
        raise SystemExit("flood: this namespace is not one that a measurement has made")
    if not interface.startswith("bench") or any(not name.startswith("bench") for name in names - {"lo"}):
        raise SystemExit(f"flood: refuses {interface} beside {', '.join(sorted(names))}")


def make_syns(count: int, mac: bytes | None) -> npt.NDArray[np.uint8]:
    """So many SYNs to `OURS`, a row each; behind Ethernet to ``mac`` if there is one."""
    rng = np.random.default_rng(1)
    total = 40 + len(OPTIONS)
    ip = _IP.pack(0x45, 0, total, 0, 0x4000, 64, 6, 0, bytes(4), parse_address(OURS))
    header = _TCP.pack(0, PORT, 0, 0, (total - 20) << 2, 2, 64240, 0, 0) + OPTIONS
    words = np.tile(np.frombuffer(ip + header, np.uint32), (count, 1))
    networks = np.frombuffer(bytes((198, 51, 100, 0, 203, 0, 113, 0)), np.uint32)
    words[:, 3] = networks[rng.integers(0, 2, count)] | rng.integers(1, 255, count).astype(np.uint32) << 24
    words[:, 5] |= rng.integers(1024, 65535, count).astype(np.uint32)
    words[:, 6] = rng.integers(0, 1 << 32, count, np.uint32)
    words[:, 2] |= _checksum(words[:, :5].sum(axis=1, dtype=np.uint64)) << 16
    pseudo = np.uint64(6 << 8 | (total - 20) << 24)
    words[:, 9] |= _checksum(words[:, 3:].sum(axis=1, dtype=np.uint64) + pseudo)
    rows = words.view(np.uint8)
    if mac is None:
        return rows
    link = np.frombuffer(mac + NOBODY + b"\x08\x00", np.uint8)
    return np.hstack((np.tile(link, (count, 1)), rows))


def _checksum(total: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint32]:
    return (folded(total) ^ np.uint64(0xFFFF)).astype(np.uint32)


def _send_by_ring(interface: str, syns: npt.NDArray[np.uint8], end: float) -> int:
    """Until ``end``; how many were sent."""
    ring = TransmitRing(interface, Counters(), slots=SLOTS, slot_octets=SLOT_OCTETS)
    octets = np.frombuffer(ring.memory, np.uint8).reshape(SLOTS, SLOT_OCTETS)
    words = np.frombuffer(ring.memory, np.uint32).reshape(SLOTS, SLOT_OCTETS // 4)
    words[:, 1], words[:, 3] = syns.shape[1], FRAME_AT
    sent = 0
    while sent < MOST_SYNS and time.monotonic() < end:
        slots = slice(ring.next_slot, ring.next_slot + BATCH)
        if words[slots, 0].any():
            ring.flush()
            time.sleep(PAUSE)
            continue
        octets[slots, FRAME_AT : FRAME_AT + syns.shape[1]] = syns[sent % KINDS : sent % KINDS + BATCH]
        words[slots, 0] = TP_STATUS_SEND_REQUEST
        ring.advance(BATCH)
        ring.flush()
        sent += BATCH
    ring.close()
    return sent


def _send_singly(interface: str, syns: npt.NDArray[np.uint8], end: float) -> int:
    """The same with a system call each, for a device that drops: a ring without a queue stalls before a full TUN."""
    frames = [row.tobytes() for row in syns]
    sent = 0
    with open_packet_socket(interface) as plain:
        plain.bind((interface, ETH_P_IP))
        while sent < MOST_SYNS and time.monotonic() < end:
            for frame in frames[sent % KINDS : sent % KINDS + BATCH]:
                _try(plain, frame)
            sent += BATCH
    return sent


def _try(plain: socket.socket, frame: bytes) -> None:
    """What the device drops is lost."""
    with suppress(OSError):
        plain.send(frame)


def flood(interface: str, mac: str, seconds: str) -> None:
    """Sends SYNs as fast as they are taken; prints how many answers a second came back while it did."""
    check_place(interface)
    syns = make_syns(KINDS, bytes.fromhex(mac) if mac != "-" else None)
    before, begin = statistics(interface)["rx_packets"], time.monotonic()
    end = begin + min(float(seconds), MOST_SECONDS)
    sent = (_send_singly if mac == "-" else _send_by_ring)(interface, syns, end)
    elapsed = time.monotonic() - begin
    answers = statistics(interface)["rx_packets"] - before
    print(f"{sent / elapsed} {answers / elapsed}", flush=True)


def kernel() -> None:
    """The kernel takes connections, and closes them, until this is ended."""
    with socket.create_server(("0.0.0.0", PORT), backlog=4096) as listener:
        print("ready", flush=True)
        while True:
            listener.accept()[0].close()


def gate(interface: str) -> None:
    """The same behind a gate, on rings."""

    async def main() -> None:
        with PacketRing(interface) as link:
            stack = Stack(
                StackConfig(tcp_layer=TcpLayerConfig(syn_cookies="always", keyed_hash="siphash")), SystemRng()
            )
            settings = InterfaceConfig(
                name=interface,
                kind="ethernet",
                mac=link.mac.hex(":"),
                addresses=(f"{OURS}/24",),
                mtu=link.mtu,
                offloads=LEFT_TO_LINK,
            )
            attached = stack.add_interface(settings)
            stack.routes.add(default_route(attached, parse_address(KERNEL)))
            pump = RealPump(stack, asyncio.get_running_loop(), {attached: link})
            await Host(stack, pump).create_server(Closing, OURS, PORT, backlog=4096)
            for each in stack.tcp.sockets():
                assert isinstance(each, TcpListener)
                guard(link, stack, each, pump.now())
            print("ready", flush=True)
            await asyncio.Event().wait()

    asyncio.run(main())


def clients(seconds: str) -> None:
    """Connects again and again, one at a time with a second's patience; prints which share was let in, and how fast."""
    tried = done = 0
    waits: list[float] = []
    end = time.monotonic() + min(float(seconds), MOST_SECONDS)
    while time.monotonic() < end:
        tried += 1
        begin = time.monotonic()
        try:
            with socket.create_connection((OURS, PORT), 1) as connection:
                done += connection.recv(1) == b""
            waits.append(time.monotonic() - begin)
        except OSError:
            continue
    waits.sort()
    print(f"{done / tried} {tried} {waits[len(waits) // 2] if waits else -1}", flush=True)


ROLES: dict[str, Callable[..., None]] = {"flood": flood, "kernel": kernel, "gate": gate, "clients": clients}

if __name__ == "__main__":
    ROLES[sys.argv[1]](*sys.argv[2:])

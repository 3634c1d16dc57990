"""How many SYNs a second are answered: one by one, by whole blocks, and beside the kernel's cookies.

The flood comes from a namespace of its own over a veth pair, or is put onto a TUN; see `bench.flood` for what keeps it
there. What counts is how many SYN,ACKs arrive where it came from.

Over the pair a SYN that the kernel answers is answered in the time of who sends it, on one core; to let the kernel use
the other as well (``rps_cpus``) makes it slower. So each subject is asked twice: with both cores, and on one.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from bench.peers import PORT
from bench.question import Question
from bench.worlds import KERNEL, OURS, SECONDS, cable, make_host, namespace, tun_world
from halfopen.links.interfaces import set_offloads, set_sysctl
from halfopen.links.namespaces import Namespace
from halfopen.links.tuntap import ask_device
from halfopen.stack.config import StackConfig, TcpLayerConfig

NOBODY = bytes.fromhex("020000000099")
"""Where the flood's frames claim to come from: the answers end at the generator's interface."""

FLOOD_SECONDS = 2.0
CORE = 0

SYSCTLS = {
    "net/ipv4/tcp_syncookies": "2",
    "net/ipv4/tcp_max_syn_backlog": "4096",
    "net/core/somaxconn": "4096",
    "net/ipv4/ip_forward": "0",
    "net/ipv4/conf/all/rp_filter": "0",
}
"""Cookies for every SYN: that is when the kernel answers most."""


class Closing(asyncio.Protocol):
    """Closes at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The end of it."""
        transport.close()


def _start(where: Namespace, *arguments: str, core: int | None = None) -> subprocess.Popen[bytes]:
    pinned = ["taskset", "-c", str(core)] if core is not None else []
    return where.popen([*pinned, sys.executable, "-m", "bench.flood", *arguments], stdout=subprocess.PIPE)


def _figures(process: subprocess.Popen[bytes]) -> list[float]:
    """What a program says at its end."""
    said = process.communicate(timeout=SECONDS)[0].split()
    if process.returncode:
        raise RuntimeError("a program of the measurement failed")
    return [float(word) for word in said]


def _start_flood(where: Namespace, interface: str, mac: str, core: int | None) -> subprocess.Popen[bytes]:
    return _start(where, "flood", interface, mac, str(FLOOD_SECONDS), core=core)


@contextmanager
def _pair(subject: str, core: int | None) -> Iterator[tuple[Namespace, str]]:
    """The generator's namespace, and the MAC of the subject, which listens at the other end of the pair."""
    with namespace() as outside, namespace() as inside:
        cable(outside, inside, (KERNEL, OURS), offload=False)
        with inside.enter():
            for name, value in SYSCTLS.items():
                set_sysctl(name, value)
            set_offloads("bench1", False)
            mac = ask_device("bench1").mac
        if subject == "gate":
            inside.run(["ip", "address", "flush", "dev", "bench1"])
            mac = bytes((mac[0] & 0xFC | 0x02, *mac[1:5], mac[5] ^ 0x80))
        else:
            stranger = NOBODY.hex(":")
            inside.run(["ip", "neighbour", "add", "192.0.2.9", "lladdr", stranger, "dev", "bench1"])
            inside.run(["ip", "route", "add", "default", "via", "192.0.2.9"])
        server = _start(inside, subject, *(["bench1"] if subject == "gate" else []), core=core)
        try:
            assert server.stdout is not None
            if server.stdout.readline() != b"ready\n":
                raise RuntimeError("a subject did not start")
            yield outside, mac.hex()
        finally:
            server.terminate()
            server.communicate(timeout=SECONDS)


def _answered(subject: str, core: int | None) -> float:
    with _pair(subject, core) as (outside, mac):
        return _figures(_start_flood(outside, "bench0", mac, core))[1]


def by_ring_and_gate() -> float:
    """A host of ours on rings, with a gate."""
    return _answered("gate", None)


def by_ring_and_gate_on_one_core() -> float:
    """The same, where the generator takes its share of the time."""
    return _answered("gate", CORE)


def by_the_kernel() -> float:
    """A socket of the kernel's, cookies for everybody."""
    return _answered("kernel", None)


def by_the_kernel_on_one_core() -> float:
    """The same on one core."""
    return _answered("kernel", CORE)


def _let_in(subject: str) -> float:
    with _pair(subject, None) as (outside, mac):
        flood = _start_flood(outside, "bench0", mac, None)
        share = _figures(_start(outside, "clients", str(FLOOD_SECONDS / 2)))[0]
        _figures(flood)
        return share


def let_in_by_gate() -> float:
    """The share of the kernel's clients that get in through the flood, and through the gate."""
    return _let_in("gate")


def let_in_by_kernel() -> float:
    """The same at a socket of the kernel's."""
    return _let_in("kernel")


def one_by_one() -> float:
    """Through a TUN and the whole stack; cookies for everybody."""

    async def run() -> float:
        host = make_host(link, StackConfig(tcp_layer=TcpLayerConfig(syn_cookies="always")))
        await host.create_server(Closing, OURS, PORT)
        figures = await asyncio.to_thread(_figures, _start_flood(kernel, link.name, "-", 1 - CORE))
        host.pump.close()
        return figures[1]

    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {CORE})
    try:
        with tun_world(offload=False) as (kernel, link):
            return asyncio.run(run())
    finally:
        os.sched_setaffinity(0, cores)


def gate_alone() -> float:
    """Blocks in memory, replies into memory."""
    # numpy takes its time to import, and is there with the extra `gate` only.
    from bench.gate_alone import measure

    return measure(FLOOD_SECONDS / 2)


QUESTIONS = (
    Question(
        name="syn-rate",
        says="SYNs answered per second with cookies, one by one through a TUN, one core",
        unit="1/s",
        subjects={"halfopen": one_by_one},
        target=120_000,
    ),
    Question(
        name="syn-rate-ring",
        says="SYNs answered per second by ring and gate over veth, two cores for generator and subject",
        unit="1/s",
        subjects={"halfopen": by_ring_and_gate, "kernel-cookies": by_the_kernel},
        least_ratio=2,
    ),
    Question(
        name="syn-rate-ring-one-core",
        says="the same, one core for both",
        unit="1/s",
        subjects={"halfopen": by_ring_and_gate_on_one_core, "kernel-cookies": by_the_kernel_on_one_core},
    ),
    Question(
        name="syn-rate-clients",
        says="share of real clients that connect through the same flood, two cores",
        unit="",
        subjects={"halfopen": let_in_by_gate, "kernel-cookies": let_in_by_kernel},
        target=1,
    ),
    Question(
        name="syn-rate-gate",
        says="SYNs answered per second by the gate alone, blocks in memory",
        unit="1/s",
        subjects={"halfopen": gate_alone},
        target=2_000_000,
    ),
)

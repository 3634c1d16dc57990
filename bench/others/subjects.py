"""Each stack with its services up: a namespace for the client, and the address that it finds them at."""

import contextlib
import os
import select
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial

from bench.machine import build
from bench.others.build import (
    COMPILED,
    HERE,
    INTERPRETED,
    LWIP,
    NETSTACK,
    PEERS,
    RESPONDER,
    Native,
    build_in,
    distribution,
    program,
    python,
    version,
)
from bench.question import Unavailable
from bench.services import ANSWER
from bench.worlds import FAR, FAR_ROUTER, KERNEL, MTU, OURS, READY_SECONDS, Program, namespace, tun_world, veth_world
from halfopen.base.addresses import format_mac
from halfopen.links.interfaces import LinkSettings, add_veth, configure, set_offloads
from halfopen.links.namespaces import Namespace
from halfopen.links.tuntap import ask_device

Place = tuple[Namespace, str]
"""Where the client runs, and whom it talks to."""

World = Callable[[], AbstractContextManager[Place]]

JUMBO = 65520
"""The largest MTU that a TUN, a TAP and the stacks agree on."""

USER_GATEWAY = "10.0.2.2"
"""What slirp4netns puts in the place of the host's loopback."""

PYTHON_SERVICES = str(HERE / "python_services.py")
PYTHON_DEVICE = "tap7"

SOL_PACKET = 263
PACKET_VNET_HDR = 15
ETH_P_ALL = 0x0003


@dataclass(frozen=True, kw_only=True)
class Subject:
    """``best`` and ``frames`` are the worlds in which it does what it can, and gets 1500-octet frames without offloads.

    One that is None is not asked for. ``answers`` says whether it serves requests too.
    """

    name: str
    build: Callable[[], str]
    best: World | None = None
    frames: World | None = None
    answers: bool = True


def services(stack: str) -> list[str]:
    """The command that serves on the kernel in Python."""
    return [sys.executable, "-m", "bench.services", stack]


@contextmanager
def _halfopen(environment: str, *, offload: bool) -> Iterator[Place]:
    command = [python(environment), "-m", "bench.services", "halfopen", str(int(offload))]
    with namespace() as kernel, Program(kernel, command) as server:
        server.wait_until_ready()
        yield kernel, OURS


@contextmanager
def _kernel(stack: str, *, offload: bool) -> Iterator[Place]:
    with veth_world(offload=offload) as (first, second), Program(first, services(stack)) as server:
        server.wait_until_ready()
        yield second, KERNEL


@contextmanager
def _native(native: Native, *arguments: str, offload: bool = False, mtu: int = MTU) -> Iterator[Place]:
    path = native.compiled()
    with tun_world(offload=offload, mtu=mtu) as (kernel, link):
        fd = link.fileno()
        with Program(kernel, [path, str(fd), str(mtu), *arguments], (fd,)) as server:
            server.wait_until_ready()
            yield kernel, OURS


@contextmanager
def _netstack_on_packet_socket() -> Iterator[Place]:
    """A veth pair whose one end has no address, so that the kernel there leaves all to the packet socket."""
    path = NETSTACK.compiled()
    with namespace() as client, namespace() as beside:
        with client.enter():
            add_veth("bench0", "bench1", beside.fileno())
            configure("bench0", LinkSettings(addresses=(f"{KERNEL}/24",), ipv6=False))
        with beside.enter():
            configure("bench1", LinkSettings(ipv6=False))
            mac = format_mac(ask_device("bench1").mac)
            frames = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        with frames:
            frames.bind(("bench1", ETH_P_ALL))
            frames.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
            command = [path, str(frames.fileno()), str(MTU), OURS, mac]
            with Program(beside, command, (frames.fileno(),)) as server:
                server.wait_until_ready()
                yield client, OURS


@contextmanager
def _host_behind() -> Iterator[tuple[Namespace, Namespace]]:
    """A namespace for the client, and one whose loopback has the services on kernel sockets."""
    with namespace() as client, namespace() as host, Program(host, services("asyncio")) as server:
        server.wait_until_ready()
        yield client, host


@contextmanager
def _slirp(mtu: int) -> Iterator[Place]:
    path = program("slirp4netns")
    with _host_behind() as (client, host):
        read, write = os.pipe()
        command = [path, "--configure", f"--mtu={mtu}", f"--ready-fd={write}", "--netns-type=path", client.path, "tap0"]
        with Program(host, command, (write,), quiet=True):
            os.close(write)
            is_ready = select.select([read], [], [], READY_SECONDS)[0] and os.read(read, 1)
            os.close(read)
            if not is_ready:
                raise Unavailable("slirp4netns does not start")
            yield client, USER_GATEWAY


@contextmanager
def _pasta(mtu: int) -> Iterator[Place]:
    """It copies the addresses of the host's way out, which has to exist; the gateway stands for the host itself."""
    path = program("pasta")
    with _host_behind() as (client, host):
        with host.enter():
            add_veth("up0", "up1")
            configure("up1")
            configure("up0", LinkSettings(addresses=(f"{FAR}/24",), routes=(("default", FAR_ROUTER),)))
        options = f"--foreground --quiet --runas 0 --config-net --ipv4-only --mtu {mtu} -t none -u none -T none -U none"
        fd = client.fileno()
        command = [path, *options.split(), "--ns-ifname", "tap0", "--netns", f"/proc/self/fd/{fd}"]
        with Program(host, command, (fd,), quiet=True):
            _wait_for(client, FAR_ROUTER)
            yield client, FAR_ROUTER


def _wait_for(client: Namespace, address: str) -> None:
    """Until somebody answers."""
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end:
        with client.enter():
            attempt = socket.socket()
        with attempt, contextlib.suppress(OSError):
            attempt.settimeout(1)
            attempt.connect((address, ANSWER))
            return
        time.sleep(0.05)
    raise Unavailable("nobody answers")


@contextmanager
def _in_python(name: str, *, offload: bool) -> Iterator[Place]:
    """A stack of the Python package index, which opens its own device in the client's namespace."""
    path = python(PEERS)
    with namespace() as kernel, Program(kernel, [path, PYTHON_SERVICES, name, KERNEL, OURS]) as server:
        server.wait_until_ready()
        if not offload:
            with kernel.enter():
                set_offloads(PYTHON_DEVICE, False)
        yield kernel, OURS


def _debian(package: str) -> Callable[[], str]:
    return lambda: f"{package} {version(package)}"


def _pypi(name: str) -> Subject:
    """A stack from the Python package index."""
    best, frames = (partial(_in_python, name, offload=offload) for offload in (True, False))
    return Subject(name=name, build=partial(distribution, name), best=best, frames=frames)


def _ours(name: str, environment: str) -> Subject:
    best, frames = (partial(_halfopen, environment, offload=offload) for offload in (True, False))
    return Subject(name=name, build=partial(build_in, environment), best=best, frames=frames)


SUBJECTS = (
    _ours("halfopen", COMPILED),
    _ours("halfopen-interpreted", INTERPRETED),
    Subject(
        name="kernel-veth",
        build=lambda: f"sockets of {build()}",
        best=partial(_kernel, "sockets", offload=True),
        frames=partial(_kernel, "sockets", offload=False),
        answers=False,
    ),
    Subject(
        name="kernel-asyncio",
        build=lambda: f"asyncio of {build()}",
        best=partial(_kernel, "asyncio", offload=True),
        frames=partial(_kernel, "asyncio", offload=False),
    ),
    Subject(
        name="c-responder",
        build=lambda: RESPONDER.build,
        best=partial(_native, RESPONDER, "1", offload=True),
        frames=partial(_native, RESPONDER, "0"),
    ),
    Subject(
        name="lwip",
        build=lambda: LWIP.build,
        best=partial(_native, LWIP, OURS),
        frames=partial(_native, LWIP, OURS),
    ),
    Subject(
        name="gvisor-tun",
        build=lambda: NETSTACK.build,
        best=partial(_native, NETSTACK, OURS, mtu=JUMBO),
        frames=partial(_native, NETSTACK, OURS),
    ),
    Subject(name="gvisor-packet-gso", build=lambda: NETSTACK.build, best=_netstack_on_packet_socket),
    Subject(
        name="slirp4netns",
        build=_debian("slirp4netns"),
        best=partial(_slirp, JUMBO),
        frames=partial(_slirp, MTU),
    ),
    Subject(name="pasta", build=_debian("passt"), best=partial(_pasta, JUMBO), frames=partial(_pasta, MTU)),
    *(_pypi(name) for name in ("mitmproxy-rs", "pmd-pytcp", "pytcp")),
)
"""In the order of the table."""

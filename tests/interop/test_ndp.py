"""Neighbor Discovery with the Linux kernel on a TAP: who is there, whose address it is, and what a router says."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from select import select

import pytest

from halfopen.base.addresses import Address, Prefix, format_address, format_mac, parse_address, parse_mac
from halfopen.base.rng import SeededRng
from halfopen.links.interfaces import LinkSettings, configure, set_sysctl
from halfopen.links.namespaces import Namespace
from halfopen.links.tuntap import TunTap
from halfopen.stack.config import InterfaceConfig, StackConfig
from halfopen.stack.config_ndp import AdvertiseConfig, NdpConfig, RouterConfig
from halfopen.stack.ndp import NdpLayer
from halfopen.stack.neighbor import REACHABLE
from halfopen.stack.stack import Stack
from tests.interop.world import NEEDS

pytestmark = [*NEEDS, pytest.mark.needs("ip")]

DEVICE = "ndp0"
KERNEL = "2001:db8::2"
OURS = "2001:db8::1"
NETWORK = Prefix.parse("2001:db8::/64")
OUR_MAC = "02:00:00:00:00:aa"
ROUTER = NdpConfig(
    router=RouterConfig(
        advertise=(AdvertiseConfig(interface=DEVICE, prefixes=(str(NETWORK),), mtu=1400, hop_limit=77),)
    )
)
PATIENCE_S = 10.0


class Wire:
    """The kernel in a namespace of its own at one end, a host of ours at the other."""

    def __init__(self, namespace: Namespace, link: TunTap, config: NdpConfig, *, probe: bool) -> None:
        self.namespace = namespace
        self._link = link
        self.stack = Stack(StackConfig(ndp=config), SeededRng("ndp"))
        described = InterfaceConfig(name=DEVICE, kind="ethernet", mac=OUR_MAC, addresses=(f"{OURS}/64",), probe=probe)
        self.interface = self.stack.add_interface(described, time.monotonic_ns())

    @property
    def ndp(self) -> NdpLayer:
        return self.stack.internet.ndp

    @property
    def own(self) -> list[Address]:
        return [address for address, _ in self.interface.addresses]

    def until(self, happened: Callable[[], bool]) -> None:
        """Lets packets pass until something has happened."""
        limit = time.monotonic() + PATIENCE_S
        while not happened():
            assert time.monotonic() < limit, self.stack.counters.snapshot()
            readable, _, _ = select([self._link.fileno()], [], [], 0.01)
            now = time.monotonic_ns()
            for packet in self._link.read(64) if readable else ():
                self.stack.receive(self.interface, packet, now)
            if self.stack.next_deadline() <= now:
                self.stack.on_deadline(now)
            while (transmission := self.stack.poll_transmit(now)) is not None:
                self._link.write(transmission[1])

    def ip(self, *words: str) -> str:
        return self.namespace.run(["ip", "-6", *words]).stdout

    @contextmanager
    def pinging(self, destination: str) -> Iterator[socket.socket]:
        """A socket of the kernel's with an echo request on its way."""
        with self.namespace.enter():
            sock = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        with sock:
            sock.setblocking(False)
            sock.connect((destination, 0))
            sock.send(b"\x80\0\0\0\0\x07\0\x01hello")
            yield sock


@contextmanager
def wire(config: NdpConfig | None = None, *, probe: bool = False, address: str | None = KERNEL) -> Iterator[Wire]:
    with Namespace() as namespace:
        with namespace.enter():
            link = TunTap(DEVICE, "ethernet", mtu=1500, offload=False)
            set_sysctl(f"net/ipv6/conf/{DEVICE}/disable_ipv6", "0")
            set_sysctl(f"net/ipv6/conf/{DEVICE}/accept_dad", "1" if address is None else "0")
            configure(DEVICE, LinkSettings(addresses=(f"{address}/64",) if address else ()))
        try:
            yield Wire(namespace, link, config or NdpConfig(), probe=probe)
        finally:
            link.close()


def answered(sock: socket.socket) -> bool:
    try:
        return sock.recv(1000)[:1] == b"\x81"
    except BlockingIOError:
        return False


@pytest.mark.rfc("4861", "4861.2")
def test_the_kernel_finds_us_and_pings_us() -> None:
    with wire() as world, world.pinging(OURS) as sock:
        world.until(lambda: answered(sock))
        assert f"{OURS} dev {DEVICE} lladdr {OUR_MAC}" in world.ip("neigh")
        entry = world.ndp.neighbors.table.get(world.interface, parse_address(KERNEL))
        assert entry is not None
        assert format_mac(entry.mac) in world.ip("link", "show", "dev", DEVICE)


@pytest.mark.rfc("4861", "4861.3")
def test_we_find_the_kernel_and_it_confirms_that_it_is_there() -> None:
    with wire() as world:
        now = time.monotonic_ns()
        world.stack.icmp.send_echo(parse_address(KERNEL), 7, 1, b"hello", now)
        world.until(lambda: world.stack.icmp.has_replies)
        entry = world.ndp.neighbors.table.get(world.interface, parse_address(KERNEL))
        assert entry is not None
        assert entry.state_at(time.monotonic_ns()) is REACHABLE
        assert format_address(entry.address) == KERNEL


@pytest.mark.rfc("4861", "4861.8")
@pytest.mark.rfc("4862", "4862.2")
def test_the_kernel_configures_itself_from_our_advertisements() -> None:
    with wire(ROUTER, address=None) as world:
        world.until(lambda: "scope global dynamic" in world.ip("addr", "show", "dev", DEVICE))
        routes = world.ip("route")
        (gateway,) = (format_address(address) for address in world.own if address not in NETWORK)
        assert f"default via {gateway} dev {DEVICE} proto ra" in routes
        assert "mtu 1400 hoplimit 77" in routes
        assert f"{gateway} dev {DEVICE} lladdr {OUR_MAC} router" in world.ip("neigh")


@pytest.mark.rfc("4862", "4862.1")
def test_the_kernel_does_not_use_an_address_that_is_ours() -> None:
    with wire(address=None) as world:
        world.ip("addr", "add", f"{OURS}/64", "dev", DEVICE)
        world.until(lambda: "dadfailed" in world.ip("addr", "show", "dev", DEVICE))
        assert parse_address(OURS) in world.own


@pytest.mark.rfc("4862", "4862.1")
def test_we_do_not_use_an_address_that_is_the_kernels() -> None:
    with wire(probe=True, address=OURS) as world:
        world.until(lambda: world.stack.counters["NdpAddressesLost"] == 1)
        conflict = world.ndp.claims.poll_conflict()
        assert conflict is not None
        assert (conflict.address, conflict.lost) == (parse_address(OURS), True)
        assert conflict.claimant != parse_mac(OUR_MAC)
        assert parse_address(OURS) not in world.own

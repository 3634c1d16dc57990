"""Two hosts on one wire in virtual time, with a look at every packet and a chance to lose it."""

from collections.abc import Callable

from halfopen.base.addresses import parse_address
from halfopen.base.clock import MILLISECOND, NEVER, Instant
from halfopen.base.counters import Counters
from halfopen.base.rng import SeededRng
from halfopen.stack.config import InterfaceConfig, StackConfig, TcpLayerConfig
from halfopen.stack.interface import Interface, Offloads
from halfopen.stack.ports import Owner
from halfopen.stack.stack import Stack
from halfopen.stack.tcp_socket import TcpListener, TcpSocket
from halfopen.tcp.config import TcpConfig
from halfopen.wire.packet import Packet

US = parse_address("192.0.2.1")
PEER = parse_address("192.0.2.2")
CLIENT = Owner("client", 1, "test")
SERVER = Owner("server", 2, "test")
PORT = 8000
DELAY = 5 * MILLISECOND


class Wire:
    """`near` at 192.0.2.1 and `far` at 192.0.2.2; `log` has every packet, `lose` says which do not arrive."""

    def __init__(
        self, config: TcpConfig | None = None, offloads: Offloads | None = None, layer: TcpLayerConfig | None = None
    ) -> None:
        self.now: Instant = 0
        settings = StackConfig(tcp=config or TcpConfig(), tcp_layer=layer or TcpLayerConfig())
        self.near, self.near_interface = _host("near", "192.0.2.1/24", settings, offloads)
        self.far, self.far_interface = _host("far", "192.0.2.2/24", settings, offloads)
        self.log: list[tuple[str, Packet]] = []
        self.lose: Callable[[Packet], bool] = lambda packet: False
        self._flying: list[tuple[Instant, Stack, Interface, Packet]] = []

    def put_on_wire(self) -> None:
        for name, stack, peer, interface in (
            ("near", self.near, self.far, self.far_interface),
            ("far", self.far, self.near, self.near_interface),
        ):
            while (item := stack.poll_transmit(self.now)) is not None:
                self.log.append((name, item[1]))
                if not self.lose(item[1]):
                    self._flying.append((self.now + DELAY, peer, interface, item[1]))

    def run(self, until: Instant = NEVER) -> None:
        """Lets packets fly and timers expire until nothing happens any more, or until ``until``."""
        while True:
            self.put_on_wire()
            arrival = self._flying[0][0] if self._flying else NEVER
            when = min(arrival, self.near.next_deadline(), self.far.next_deadline())
            if when > until or when == NEVER:
                self.now = max(self.now, until) if until < NEVER else self.now
                return
            self.now = max(self.now, when)
            while self._flying and self._flying[0][0] <= self.now:
                _, stack, interface, packet = self._flying.pop(0)
                stack.receive(interface, packet, self.now)
            for stack in (self.near, self.far):
                if stack.next_deadline() <= self.now:
                    stack.on_deadline(self.now)

    def settle(self, duration: Instant = 200 * MILLISECOND) -> None:
        """A short while."""
        self.run(self.now + duration)

    def establish(self) -> tuple[TcpSocket, TcpSocket, TcpListener]:
        """A connection from near to far."""
        listener = self.far.tcp.listen((PEER, PORT), SERVER)
        near = self.near.tcp.connect((PEER, PORT), CLIENT, self.now)
        self.settle()
        far = listener.accept()
        assert far is not None
        return near, far, listener


def _host(name: str, address: str, config: StackConfig, offloads: Offloads | None) -> tuple[Stack, Interface]:
    stack = Stack(config, SeededRng(name))
    settings = InterfaceConfig(name="tun0", kind="ip", addresses=(address,), offloads=offloads or Offloads())
    return stack, stack.add_interface(settings)


def received(socket: TcpSocket, now: Instant) -> bytes:
    return b"".join(socket.receive(1 << 30, now))


def only_counters(counters: Counters, *names: str) -> dict[str, int]:
    return {name: counters[name] for name in names}

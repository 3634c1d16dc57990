"""A router that hides what is inside behind one address outside: traditional NAT with ports (RFC 3022 2.2, RFC 4787).

Datagrams are translated where they leave by the outside interface and where they come in there, so that routing, and
everything that the host itself says, goes on with the addresses inside.
"""

from collections import OrderedDict
from functools import partial

from halfopen.aio.names import Names
from halfopen.base.addresses import Address, is_multicast
from halfopen.base.clock import Instant
from halfopen.base.errors import Malformed
from halfopen.sim.host import SimHost
from halfopen.sim.loop import SimLoop
from halfopen.sim.nat_table import INWARD, OUTWARD, RESET, Endpoint, NatFlow, NatPolicy, NatTable
from halfopen.sim.pump import SimPump
from halfopen.sim.rewriting import DESTINATION, SOURCE, Datagram, gathered, look, look_quoted, rewrite, rewrite_error
from halfopen.stack.interface import Interface
from halfopen.stack.stack import Stack
from halfopen.tcp.resets import reset_for
from halfopen.wire import ipv4, tcp
from halfopen.wire.checksum import pseudo_header_sum
from halfopen.wire.ethernet import ETHERTYPE_IPV4
from halfopen.wire.icmpv4 import ECHO_REPLY, ECHO_REQUEST
from halfopen.wire.ipv4 import PROTOCOL_ICMP, PROTOCOL_TCP, PROTOCOL_UDP, Ipv4
from halfopen.wire.packet import CHECKSUM_PARTIAL, Packet
from halfopen.wire.tcp import ACK, RST, SYN

FRAGMENTED = 64
"""Datagrams of which later fragments are known by their identification."""

DEFAULT_POLICY = NatPolicy()

_NAMES = {PROTOCOL_TCP: "tcp", PROTOCOL_UDP: "udp"}

FragmentKey = tuple[int, Address, Address, int, int]


class Translator:
    """Translates at the outside interface of one NAT.

    Counters: ``NatNoState`` (segments of forgotten connections), ``NatResets`` (those that were answered by RST),
    ``NatInNoMapping`` (from outside, and nobody inside has asked for it), ``NatNoPorts``, ``NatFragments`` (fragments
    that came before the first), ``NatUnknownProtocol``, and those of `Malformed`.
    """

    def __init__(self, pump: SimPump, policy: NatPolicy) -> None:
        self.table = NatTable(policy)
        self._pump = pump
        self._fragments: OrderedDict[FragmentKey, Address] = OrderedDict()

    def outward(self, interface: Interface, packet: Packet, now: Instant) -> Packet | None:
        """What is sent outside instead of ``packet``; None for nothing."""
        return self._translate(interface, packet, now, OUTWARD)

    def inward(self, interface: Interface, packet: Packet, now: Instant) -> Packet | None:
        """What comes in instead of ``packet``; None for nothing."""
        return self._translate(interface, packet, now, INWARD)

    def _translate(self, interface: Interface, packet: Packet, now: Instant, direction: int) -> Packet | None:
        if interface.is_ethernet and packet.head[12:14] != ETHERTYPE_IPV4.to_bytes(2, "big"):
            return packet
        outside = ipv4_address_of(interface)
        try:
            packet = gathered(packet, interface.link_octets)
            datagram = look(packet, interface.link_octets)
            if not datagram.is_first:
                return self._later_fragment(packet, datagram, direction)
            if direction == OUTWARD:
                translated = self._outward(packet, datagram, outside, now)
            else:
                translated = self._inward(packet, datagram, outside, now)
        except Malformed as error:
            self._pump.stack.counters.add(error.reason)
            return None
        if translated is not None and datagram.header.more_fragments:
            at = interface.link_octets + (12 if direction == OUTWARD else 16)
            self._remember_fragments(datagram, direction, translated.head[at : at + 4])
        return translated

    def _outward(self, packet: Packet, datagram: Datagram, outside: Address, now: Instant) -> Packet | None:
        header = datagram.header
        if datagram.is_error:
            return self._error_outward(packet, datagram, outside, now)
        if header.source == outside and self._is_our_answer(datagram, outside):
            return packet
        if datagram.protocol not in _NAMES and not (datagram.is_echo and datagram.word == ECHO_REQUEST):
            raise Malformed("NatUnknownProtocol")
        inside, remote = (header.source, datagram.ports[0]), _remote(header.destination, datagram, datagram.ports[1])
        flow = self.table.find_inside(datagram.protocol, inside, remote, now)
        if flow is None:
            if datagram.protocol == PROTOCOL_TCP and datagram.word & (SYN | ACK | RST) != SYN:
                if self.table.policy.on_expire == RESET:
                    self._reset(packet, datagram, now)
                raise Malformed("NatNoState")
            flow = self.table.open(
                datagram.protocol, inside, remote, partial(self._is_free, datagram.protocol, outside), now
            )
            if flow is None:
                raise Malformed("NatNoPorts")
        self._passes(flow, OUTWARD, datagram, now)
        return rewrite(packet, datagram, SOURCE, outside, flow.outside_port)

    def _inward(self, packet: Packet, datagram: Datagram, outside: Address, now: Instant) -> Packet | None:
        header = datagram.header
        if is_multicast(header.destination) or header.destination in self._pump.stack.ip.addresses.broadcasts:
            return packet
        if header.destination != outside:
            raise Malformed("NatInNoMapping")
        if datagram.is_error:
            return self._error_inward(packet, datagram, now)
        if datagram.protocol not in _NAMES and not datagram.is_echo:
            raise Malformed("NatUnknownProtocol")
        remote = _remote(header.source, datagram, datagram.ports[0])
        flow = self.table.find_outside(datagram.protocol, datagram.ports[1], remote, now)
        if flow is None or (datagram.is_echo and datagram.word == ECHO_REQUEST):
            if not self._is_for_us(datagram, outside):
                raise Malformed("NatInNoMapping")
            return packet
        self._passes(flow, INWARD, datagram, now)
        return rewrite(packet, datagram, DESTINATION, *flow.inside)

    def _error_outward(self, packet: Packet, error: Datagram, outside: Address, now: Instant) -> Packet | None:
        """About a datagram that came in: it quotes the end inside, which nobody outside knows."""
        quoted = look_quoted(packet, error)
        inside = (quoted.header.destination, quoted.ports[1])
        remote = _remote(quoted.header.source, quoted, quoted.ports[0])
        flow = self.table.find_inside(quoted.protocol, inside, remote, now)
        if flow is None:
            if error.header.source != outside:
                raise Malformed("NatNoState")
            return packet
        return rewrite_error(packet, error, quoted, SOURCE, (outside, flow.outside_port))

    def _error_inward(self, packet: Packet, error: Datagram, now: Instant) -> Packet | None:
        """About a datagram that we have translated: for whom inside has sent it (RFC 5508 4.2)."""
        quoted = look_quoted(packet, error)
        remote = _remote(quoted.header.destination, quoted, quoted.ports[1])
        flow = self.table.find_outside(quoted.protocol, quoted.ports[0], remote, now)
        if flow is None:
            return packet  # Of something that the NAT itself has sent; else its stack counts it.
        return rewrite_error(packet, error, quoted, DESTINATION, flow.inside)

    def _later_fragment(self, packet: Packet, datagram: Datagram, direction: int) -> Packet | None:
        address = self._fragments.get(_fragment_key(datagram, direction))
        if address is None:
            raise Malformed("NatFragments")
        end = SOURCE if direction == OUTWARD else DESTINATION
        return rewrite(packet, datagram, end, address, None)

    def _remember_fragments(self, datagram: Datagram, direction: int, address: Address) -> None:
        self._fragments[_fragment_key(datagram, direction)] = address
        if len(self._fragments) > FRAGMENTED:
            self._fragments.popitem(last=False)

    def _passes(self, flow: NatFlow, direction: int, datagram: Datagram, now: Instant) -> None:
        flags = datagram.word if datagram.protocol == PROTOCOL_TCP else 0
        self.table.passes(flow, direction, flags, now)

    def _is_for_us(self, datagram: Datagram, outside: Address) -> bool:
        """Whether the NAT itself serves at that port, or is asked whether it is there."""
        if datagram.protocol == PROTOCOL_ICMP:
            return datagram.word == ECHO_REQUEST
        return not self._is_free(datagram.protocol, outside, datagram.ports[1])

    def _is_our_answer(self, datagram: Datagram, outside: Address) -> bool:
        """What answers one that was `_is_for_us`."""
        if datagram.protocol == PROTOCOL_ICMP:
            return datagram.word == ECHO_REPLY
        return not self._is_free(datagram.protocol, outside, datagram.ports[0])

    def _is_free(self, protocol: int, outside: Address, port: int) -> bool:
        """Whether no program on the NAT has bound ``port``."""
        name = _NAMES.get(protocol)
        return name is None or self._pump.stack.ports.owner_of(name, outside, port) is None

    def _reset(self, packet: Packet, datagram: Datagram, now: Instant) -> None:
        """Answers a segment of a connection that we have forgotten, or never knew, as if its peer had done so."""
        header = datagram.header
        reset = reset_for(tcp.parse(packet, datagram.transport, header.total_octets - header.header_octets))
        if reset is None:
            return
        source, destination = header.destination, header.source
        path = self._pump.stack.ip.find_path(destination, None, now)
        segment = tcp.emit(reset, pseudo_header_sum(source, destination, PROTOCOL_TCP, tcp.HEADER_OCTETS))
        head = ipv4.emit(Ipv4(source, destination, PROTOCOL_TCP), len(segment))
        self._pump.stack.counters.add("NatResets")
        start = len(head)
        self._pump.stack.ip.transmit(path, Packet(head + segment, (), CHECKSUM_PARTIAL, start, 16), now)


class NatPump(SimPump):
    """Translates what passes the interface called ``outside``."""

    def __init__(self, stack: Stack, loop: SimLoop, name: str, policy: NatPolicy) -> None:
        super().__init__(stack, loop, name)
        self.outside = policy.outside
        self.translator = Translator(self, policy)

    def send(self, interface: Interface, packet: Packet) -> None:
        """What leaves by the outside interface has the NAT's address."""
        if interface.name == self.outside and interface.addresses:
            translated = self.translator.outward(interface, packet, self.now())
            if translated is None:
                return
            packet = translated
        super().send(interface, packet)

    def take(self, interface: Interface, packet: Packet) -> None:
        """What comes in by the outside interface is for somebody inside, or for nobody."""
        if self.is_on and interface.name == self.outside and interface.addresses:
            translated = self.translator.inward(interface, packet, self.now())
            if translated is None:
                return
            packet = translated
        super().take(interface, packet)

    def boot(self, stack: Stack) -> None:
        """Nothing is remembered."""
        super().boot(stack)
        self.translator = Translator(self, self.translator.table.policy)


class Nat(SimHost):
    """A host that forwards and translates; its stack's configuration must have forwarding on.

    Everything but the interface ``policy.outside`` is inside. Datagrams from outside pass if they belong to a flow that
    somebody inside began with just that peer (RFC 4787 5, "address and port-dependent filtering").

    Deviation: no hairpinning (RFC 4787 REQ-9): to those inside, the address outside is the NAT itself.
    """

    def __init__(
        self,
        stack: Stack,
        loop: SimLoop,
        name: str,
        names: Names,
        policy: NatPolicy = DEFAULT_POLICY,
    ) -> None:
        self._policy = policy
        super().__init__(stack, loop, name, names)

    def make_pump(self, stack: Stack, name: str) -> SimPump:
        """One that translates."""
        self._nat_pump = NatPump(stack, self.loop, name, self._policy)
        return self._nat_pump

    def table(self) -> str:
        """The flows that are remembered, as ``conntrack -L`` shows them."""
        pump = self._nat_pump
        now = pump.now()
        table = pump.translator.table
        table.sweep(now)
        outside = ipv4_address_of(next(each for each in self.stack.interfaces if each.name == pump.outside))
        return "\n".join(flow.line(outside, now) for flow in table)


def _remote(address: Address, datagram: Datagram, port: int) -> Endpoint:
    """An echo has one identifier, which belongs to the end inside."""
    return address, 0 if datagram.protocol == PROTOCOL_ICMP else port


def _fragment_key(datagram: Datagram, direction: int) -> FragmentKey:
    header = datagram.header
    return direction, header.source, header.destination, header.protocol, header.identification


def ipv4_address_of(interface: Interface) -> Address:
    """What a NAT hides others behind; IPv6 it only forwards."""
    return next(address for address, _ in interface.addresses if len(address) == 4)

"""A SYN proxy for a router: the server behind it hears of a handshake when it is over (RFC 4987 3.8).

::

    client                       router                       server
      | SYN        irs             |                             |
      |--------------------------->|  nothing is kept            |
      | SYN,ACK    cookie, win 0   |                             |
      |<---------------------------|                             |
      | ACK        cookie + 1      |                             |
      |--------------------------->|  SYN       irs              |
      |                            |---------------------------->|
      |                            |  SYN,ACK   iss              |
      | ACK        win             |<----------------------------|
      |<---------------------------|  ACK       iss + 1          |
      |                            |---------------------------->|
      | what the server numbers from iss on, the client numbers from cookie on; timestamps likewise

The cookies are those of `halfopen.tcp.cookies`. To the client the router has already promised options, which must be
those that the server has; ``config`` says which.
"""

from collections.abc import Iterable

from halfopen.base.addresses import Address
from halfopen.base.clock import MINUTE, SECOND, Duration, Instant
from halfopen.base.counters import Counters
from halfopen.base.errors import Malformed, NetworkUnreachable
from halfopen.base.rng import Rng
from halfopen.lab.proxied import BOTH, BY_CLIENT, BY_SERVER, Promise, Proxied, make_datagram
from halfopen.sim.cable import CableEnd, Filter
from halfopen.sim.host import SimHost
from halfopen.stack.demux import Flow, local_of, make_flow, remote_of
from halfopen.stack.interface import Interface
from halfopen.stack.path import Path
from halfopen.tcp.config import DEFAULT, TcpConfig
from halfopen.tcp.cookies import Cookies, date
from halfopen.tcp.seqnum import wrap
from halfopen.tcp.timestamps import clock_value
from halfopen.wire import ipv4, tcp
from halfopen.wire.checksum import pseudo_header_sum
from halfopen.wire.ethernet import ETHERTYPE_IPV4
from halfopen.wire.ipv4 import PROTOCOL_TCP, Ipv4
from halfopen.wire.packet import CHECKSUM_NONE, Packet
from halfopen.wire.tcp import ACK, FIN, RST, SYN, Segment

PATHS = 4096
MOST = 65536
"""Connections that are translated at one time."""
IDLE: Duration = 7440 * SECOND
"""As a NAT (RFC 5382 5)."""
CLOSED: Duration = 1 * MINUTE
"""How long a connection is translated after both FINs, or a RST."""

_IPV4 = ETHERTYPE_IPV4.to_bytes(2, "big")


class SynProxy(Filter):
    """Stands before some ports of one server, on a router.

    Counters: ``ProxySyns`` (answered by a cookie), ``ProxyOpened``, ``ProxyBadCookies``, ``ProxyStrangers`` (segments
    of no connection), ``ProxyRefused`` (the server answered RST), ``ProxyMismatches`` (the server lacks an option that
    was promised), ``ProxyFull``, ``ProxyFragments``, ``ProxyBadChecksums``, ``ProxyNoRoutes``, and those of Malformed.

    # Deviation: ICMP errors pass as they are, so that nobody believes their numbers; pf and netfilter translate these.
    # Deviation: there is no timer. A SYN to the server that was lost is sent again with the client's next segment.
    """

    def __init__(
        self, router: SimHost, server: Address, ports: Iterable[int], rng: Rng, config: TcpConfig = DEFAULT
    ) -> None:
        self.counters = Counters()
        self.connections: dict[Flow, Proxied] = {}
        self._config = config
        self._router = router
        self._server = server
        self._ports = frozenset(ports)
        self._cookies = Cookies(rng)
        self._paths: dict[Address, Path] = {}

    def install(self, ends: Iterable[CableEnd]) -> None:
        """Looks from now on at all that comes to the router by these."""
        for end in ends:
            end.filters.append(self)

    def on_arrival(self, interface: Interface, packet: Packet, now: Instant) -> Packet | None:
        """As `Filter.on_arrival`: segments of protected ports are translated, answered or dropped."""
        start = interface.link_octets
        head = packet.head
        if interface.is_ethernet and head[12:14] != _IPV4:
            return packet
        if self._server not in (head[start + 12 : start + 16], head[start + 16 : start + 20]):
            return packet
        try:
            header = ipv4.parse(head, start, packet.octets - start)
            segment = self._segment(header, packet, start)
        except Malformed as error:
            self.counters.add(error.reason)
            return None
        if segment is None:
            return packet
        translated = self._translate(header, segment, now)
        if translated is None:
            return None
        whole = make_datagram(header, translated)
        whole.head = head[:start] + whole.head
        whole.checksum_start += start
        return whole

    def _segment(self, header: Ipv4, packet: Packet, start: int) -> Segment | None:
        """A segment of a protected port; None for what is not our business. Raises Malformed."""
        if header.protocol != PROTOCOL_TCP:
            return None
        if header.more_fragments or header.fragment_offset:
            raise Malformed("ProxyFragments")
        at, octets = start + header.header_octets, header.total_octets - header.header_octets
        segment = tcp.parse(packet, at, octets, header.tos & 3)
        by_client = header.destination == self._server
        if (segment.destination_port if by_client else segment.source_port) not in self._ports:
            return None
        if packet.checksum == CHECKSUM_NONE:
            pseudo = pseudo_header_sum(header.source, header.destination, PROTOCOL_TCP, octets)
            if not tcp.verify(packet, at, octets, pseudo):
                raise Malformed("ProxyBadChecksums")
        return segment

    def _translate(self, header: Ipv4, segment: Segment, now: Instant) -> Segment | None:
        """What the other end is to see of it; None if nothing."""
        if header.destination == self._server:
            flow = make_flow(header.source, segment.source_port, header.destination, segment.destination_port)
            return self._from_client(flow, segment, now)
        flow = make_flow(header.destination, segment.destination_port, header.source, segment.source_port)
        return self._from_server(flow, segment, now)

    def _from_client(self, flow: Flow, segment: Segment, now: Instant) -> Segment | None:
        if segment.flags & (SYN | ACK | RST) == SYN:
            self.counters.add("ProxySyns")
            promise = Promise(self._config, self._path(self._server, now).mtu - 40)
            self._to_client(flow, promise.syn_ack(flow, segment, self._cookies, now), now)
            return None
        found = self._find(flow, now)
        if found is None or found.fins == BOTH:
            opened = self._open(flow, segment, now)
            if found is None or opened:
                return None
        if found.is_open:
            return found.towards_server(self._passing(found, segment, BY_CLIENT, now))
        if segment.flags & RST:
            del self.connections[flow]
        else:
            self._to_server(flow, found.syn(), now)
        return None

    def _from_server(self, flow: Flow, segment: Segment, now: Instant) -> Segment | None:
        found = self._find(flow, now)
        if found is None:
            self.counters.add("ProxyStrangers")
        elif not found.is_open:
            self._on_answer(found, segment, now)
        elif segment.flags & SYN:
            self._to_server(flow, found.last(segment), now)  # the one before was lost
        else:
            return found.towards_client(self._passing(found, segment, BY_SERVER, now))
        return None

    def _open(self, flow: Flow, segment: Segment, now: Instant) -> bool:
        """The ACK of a stranger: if it brings back a cookie, the server is asked."""
        if segment.flags & (ACK | RST) != ACK:
            self.counters.add("ProxyStrangers")
            return False
        record = self._cookies.check(flow, segment, now)
        if record is None or not date(record, segment, clock_value(self._cookies.offset(flow), now), now):
            self.counters.add("ProxyBadCookies")
            return False
        if len(self.connections) >= MOST:
            for lapsed in [each for each in self.connections.values() if _is_lapsed(each, now)]:
                del self.connections[lapsed.flow]
        if len(self.connections) >= MOST:
            self.counters.add("ProxyFull")
            return False
        self.counters.add("ProxyOpened")
        syn = segment.copy()
        syn.payload, syn.octets = (), 0
        found = self.connections[flow] = Proxied(flow, record, syn, now)
        self._to_server(flow, found.syn(), now)
        return True

    def _on_answer(self, found: Proxied, segment: Segment, now: Instant) -> None:
        """What the server says to the SYN; the client may send from now on, or hears that there is nobody."""
        if segment.ack != wrap(found.record.irs + 1):
            self.counters.add("ProxyStrangers")
        elif segment.flags & RST:
            self._give_up(found, "ProxyRefused", now)
        elif segment.flags & SYN and not found.suits(segment):
            self._to_server(found.flow, found.reset_server(), now)
            self._give_up(found, "ProxyMismatches", now)
        elif segment.flags & SYN:
            found.join(segment)
            self._to_server(found.flow, found.last(segment), now)
            self._to_client(found.flow, found.update(segment), now)

    def _give_up(self, found: Proxied, reason: str, now: Instant) -> None:
        """The port had seemed open (RFC 4987 3.8)."""
        self.counters.add(reason)
        self._to_client(found.flow, found.reset_client(), now)
        del self.connections[found.flow]

    def _passing(self, found: Proxied, segment: Segment, side: int, now: Instant) -> Segment:
        """Notes what passes."""
        found.used = now
        if segment.flags & RST:
            found.fins = BOTH
        elif segment.flags & FIN:
            found.fins |= side
        return segment

    def _find(self, flow: Flow, now: Instant) -> Proxied | None:
        found = self.connections.get(flow)
        return None if found is None or _is_lapsed(found, now) else found

    def _path(self, destination: Address, now: Instant) -> Path:
        path = self._paths.get(destination)
        if path is None or path.is_stale:
            path = self._router.stack.ip.find_path(destination, None, now)
            if len(self._paths) >= PATHS:
                self._paths.clear()
            self._paths[destination] = path
        return path

    def _to_client(self, flow: Flow, segment: Segment, now: Instant) -> None:
        self._send(Ipv4(local_of(flow)[0], remote_of(flow)[0], PROTOCOL_TCP), segment, now)

    def _to_server(self, flow: Flow, segment: Segment, now: Instant) -> None:
        self._send(Ipv4(remote_of(flow)[0], local_of(flow)[0], PROTOCOL_TCP), segment, now)

    def _send(self, header: Ipv4, segment: Segment, now: Instant) -> None:
        """In the name of an end: neither knows of the router."""
        try:
            path = self._path(header.destination, now)
        except NetworkUnreachable:
            self.counters.add("ProxyNoRoutes")
            return
        self._router.stack.ip.transmit(path, make_datagram(header, segment), now)
        self._router.pump.kick()


def _is_lapsed(found: Proxied, now: Instant) -> bool:
    return now - found.used > (CLOSED if found.fins == BOTH else IDLE)

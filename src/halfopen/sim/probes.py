"""Figures of every connection and queue of a simulated network, as they change: what captures do not tell."""

from contextvars import Context

from halfopen.aio.tcp_info import PHASES
from halfopen.base.clock import SECOND, Duration
from halfopen.base.samples import Sample
from halfopen.capture.record import Direction
from halfopen.sim.cable import Cable, CableEnd, Observer
from halfopen.sim.network import Network
from halfopen.sim.pump import SimPump
from halfopen.sim.sniffer import EPOCH
from halfopen.stack.ports import format_endpoint
from halfopen.stack.tcp_socket import TcpSocket
from halfopen.tcp.congestion.base import INFINITE
from halfopen.tcp.in_network import pipe
from halfopen.tcp.state import State
from halfopen.tcp.tcb import Tcb
from halfopen.wire.packet import Packet

Figures = dict[str, float]


class Probe(Observer):
    """Notes `samples` of a network whenever packets move; with ``interval``, in seconds, no more often than that.

    Of each connection: ``cwnd``, ``ssthresh`` (once there is one), ``in_flight``, ``rwnd`` (the peer's window), and in
    seconds ``srtt`` and ``rto``; ``phase`` in Linux's numbers (0 open, 3 recovery, 4 loss). Of each queue that has ever
    been used: ``queue_packets`` and ``queue_octets``. Times are those of captures. What stays as it was is not noted.
    """

    def __init__(self, network: Network, interval: float | None = None) -> None:
        self.samples: list[Sample] = []
        self._network = network
        self._interval: Duration = 0 if interval is None else max(1, round(interval * SECOND))
        self._last: dict[TcpSocket | CableEnd, tuple[str, Figures]] = {}
        self._touched: dict[SimPump, None] = {}
        self._is_waiting = False
        self._context = Context()
        network.observe(self)

    def on_packet(
        self, when: int, end: CableEnd, packet: Packet, direction: Direction, comment: str | None = None
    ) -> None:
        """Something happens at a host: looks at it when it has dealt with all that comes at this instant."""
        self._touched[end.pump] = None
        if self._is_waiting:
            return
        self._is_waiting = True
        if self._interval:
            self._network.loop.scheduler.at(when - when % self._interval + self._interval, self._look)
        else:
            self._network.loop.call_soon(self._wait, context=self._context)

    def _wait(self) -> None:
        """What has come out of a cable is taken in this turn of the loop, and this may have come before it."""
        self._network.loop.call_soon(self._look, context=self._context)

    def _look(self) -> None:
        self._is_waiting = False
        touched, self._touched = self._touched, {}
        for pump in touched:
            for socket in pump.stack.tcp.sockets():
                if isinstance(socket, TcpSocket):
                    self._note(socket, self._subject(pump, socket), figures_of(socket.connection.tcb))
        self._forget_closed()
        for cable in self._network.cables:
            for end in cable.ends:
                packets, octets = end.backlog
                if packets or end in self._last:
                    self._note(end, queue_of(cable, end), {"queue_packets": packets, "queue_octets": octets})

    def _subject(self, pump: SimPump, socket: TcpSocket) -> str:
        known = self._last.get(socket)
        if known is not None:
            return known[0]
        names = {
            address: host.name
            for host in self._network.hosts.values()
            for interface in host.stack.interfaces
            for address, _ in interface.addresses
        }
        remote = names.get(socket.remote_address)
        far = format_endpoint(socket.remote_address, socket.remote_port)
        return f"{pump.name}:{socket.local_port}>{f'{remote}:{socket.remote_port}' if remote else far}"

    def _forget_closed(self) -> None:
        for thing in list(self._last):
            if isinstance(thing, TcpSocket) and thing.connection.state is State.CLOSED:
                del self._last[thing]

    def _note(self, thing: TcpSocket | CableEnd, subject: str, figures: Figures) -> None:
        when = self._network.loop.scheduler.now + EPOCH
        before = self._last[thing][1] if thing in self._last else {}
        for name, value in figures.items():
            if before.get(name) != value:
                self.samples.append(Sample(when, subject, name, value))
        self._last[thing] = subject, figures


def figures_of(tcb: Tcb) -> Figures:
    """What there is to know of a sender now."""
    figures: Figures = {"cwnd": tcb.congestion.cwnd}
    if tcb.congestion.ssthresh < INFINITE:
        figures["ssthresh"] = tcb.congestion.ssthresh
    figures["in_flight"] = pipe(tcb)
    figures["rwnd"] = tcb.snd.wnd
    if tcb.rtt.srtt:
        figures["srtt"] = tcb.rtt.srtt / SECOND
    figures["rto"] = tcb.rtt.rto / SECOND
    figures["phase"] = PHASES[tcb.recovery.phase]
    return figures


def queue_of(cable: Cable, end: CableEnd) -> str:
    """``"a-b>b"`` for the queue of cable a-b towards b; ``"a>lan"`` for that of a's port of a switch."""
    return end.towards if len(cable.ends) == 2 else f"{end.pump.name}>{cable.title}"

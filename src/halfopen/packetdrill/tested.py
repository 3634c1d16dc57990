"""The socket under test: of all that a script does, packets are about one connection at a time."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from halfopen.packetdrill.addressing import FIRST_REMOTE_PORT, Addressing
from halfopen.packetdrill.captured import Captured, segment_of
from halfopen.packetdrill.mapping import FlowLabels, SequenceNumbers, Timestamps
from halfopen.packetdrill.script import Applied, Call, Structure, TcpLine, Value, Word
from halfopen.wire.ipv4 import PROTOCOL_ICMP, PROTOCOL_TCP, PROTOCOL_UDP
from halfopen.wire.ipv6 import PROTOCOL_ICMPV6
from halfopen.wire.tcp import ACK, SYN

_PORTS = frozenset({"sin_port", "sin6_port"})


@dataclass(slots=True, eq=False)
class UnderTest:
    """One socket, and the connection that it is an end of. A port that is None is not known yet."""

    descriptor: int | None
    """The script's number; None as long as a connection is not accepted."""
    is_passive: bool = False
    """Made by a packet to a listener (or to nobody)."""
    is_listening: bool = False
    is_connecting: bool = False
    local_port: int | None = None
    remote_port: int | None = None
    numbers: SequenceNumbers = field(default_factory=SequenceNumbers)


class Tracker:
    """Follows the socket under test by the calls and packets of a script.

    It is what the last ``socket()`` has made, until a segment comes while it listens: then it is the new connection.
    """

    def __init__(self, addressing: Addressing, timestamps: Timestamps) -> None:
        self.addressing = addressing
        self.timestamps = timestamps
        self.labels = FlowLabels()
        self.md5_secret: str | None = None
        """``--tcp_md5_secret``."""
        self.tested: UnderTest | None = None
        self._sockets: list[UnderTest] = []
        self._next_remote_port = FIRST_REMOTE_PORT

    def on_call(self, call: Call, result: int) -> None:
        """A call has returned ``result``, in the script's numbers."""
        if call.name == "socket" and result >= 0:
            self._add(UnderTest(result))
        elif call.name == "accept" and result >= 0:
            self._accept(result)
        elif call.name == "listen" and result == 0 and (socket := self._find(call.arguments)) is not None:
            socket.is_listening = True
        elif call.name == "bind" and result == 0 and (socket := self._find(call.arguments)) is not None:
            socket.local_port = _written_port(call) or self.addressing.bind_port

    def on_connect(self, call: Call) -> None:
        """A call is about to be made that may send a first packet: ``connect()`` and ``sendto()``."""
        socket = self._find(call.arguments)
        if socket is None or call.name not in ("connect", "sendto", "sendmsg"):
            return
        if call.name == "connect" and Word("AF_UNSPEC") in _words(call.arguments):
            socket.is_connecting, socket.local_port, socket.remote_port = False, None, None
            socket.numbers = SequenceNumbers()
        elif not socket.is_connecting and not socket.is_passive:
            socket.is_connecting = True
            socket.remote_port = _written_port(call) or self.addressing.connect_port

    def on_inbound(self, line: TcpLine | None) -> UnderTest:
        """A packet is about to arrive; a TCP segment makes a new connection where none is under test yet."""
        tested = self.tested
        if tested is None or not (tested.is_passive or tested.is_connecting):
            seq = line.start if line is not None else None
            descriptor = None if tested is None or tested.is_listening else tested.descriptor
            port = self.addressing.bind_port if tested is None else tested.local_port or self.addressing.bind_port
            tested = UnderTest(descriptor, is_passive=True, local_port=port)
            tested.numbers = SequenceNumbers(seq)
            tested.remote_port = self._next_remote_port
            self._next_remote_port += 1
            self._add(tested)
        elif line is not None and line.flags & SYN:
            tested.numbers.meet(line.start)
        return tested

    def takes(self, captured: Captured) -> bool:
        """Whether a datagram of the host belongs to the connection under test; it may tell our port."""
        addressing = self.addressing
        if captured.source != addressing.local or captured.destination != addressing.remote:
            return False
        if captured.protocol in (PROTOCOL_ICMP, PROTOCOL_ICMPV6):
            return True
        tested = self.tested
        if tested is None or captured.protocol not in (PROTOCOL_TCP, PROTOCOL_UDP) or len(captured.octets) < 4:
            return False
        local_port, remote_port = captured.ports
        if tested.remote_port != remote_port:
            return False
        if tested.local_port is None and _opens(captured):
            tested.local_port = local_port
        return tested.local_port == local_port

    def learn(self, line: TcpLine, seq: int) -> None:
        """An outbound line is compared with a segment that begins at ``seq``: our first SYN tells our ISN."""
        tested = self.tested
        if tested is not None and line.flags & SYN:
            tested.numbers.learn(line.start, seq)

    def suppose(self, captured: Captured) -> None:
        """A datagram of the connection under test was sent, which no line has asked for yet."""
        tested = self.tested
        if tested is None or captured.protocol != PROTOCOL_TCP:
            return
        segment = segment_of(captured)
        if segment.flags & SYN:
            tested.numbers.suppose(segment.seq)

    def _add(self, tested: UnderTest) -> None:
        self.tested = tested
        self._sockets.append(tested)

    def _accept(self, descriptor: int) -> None:
        for each in reversed(self._sockets):
            if each.is_passive and each.descriptor is None:
                each.descriptor = descriptor
                return

    def _find(self, arguments: Sequence[Value]) -> UnderTest | None:
        if not arguments or not isinstance(arguments[0], int):
            return None
        return next((each for each in reversed(self._sockets) if each.descriptor == arguments[0]), None)


def _words(arguments: Sequence[Value]) -> list[Value]:
    """The symbols among the arguments, in a structure's fields too."""
    found: list[Value] = []
    for each in arguments:
        found.append(each)
        if isinstance(each, Structure):
            found += [value for _, value in each.fields]
    return found


def _written_port(call: Call) -> int:
    """The port in a socket address that is written out: ``sin_port=htons(80)``; 0 if there is none."""
    for argument in call.arguments:
        for name, value in argument.fields if isinstance(argument, Structure) else ():
            if name in _PORTS and isinstance(value, Applied) and isinstance(value.arguments[0], int):
                return value.arguments[0]
    return 0


def _opens(captured: Captured) -> bool:
    """Whether a datagram is the first of a flow of ours: a SYN without ACK, or any of UDP's."""
    return captured.protocol == PROTOCOL_UDP or segment_of(captured).flags & (SYN | ACK) == SYN

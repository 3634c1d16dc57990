"""What waits to be read of a stream, and the urgent octet beside it."""

from halfopen.base.clock import Instant
from halfopen.packetdrill.virtual_posix.urgent import Urgent
from halfopen.stack.tcp_socket import TcpSocket


class Incoming:
    """Octets that have come in order; those that are urgent are told apart unless ``urgent`` is None."""

    def __init__(self, tcp: TcpSocket, urgent: Urgent | None) -> None:
        self._tcp = tcp
        self.urgent = urgent

    def attend(self) -> None:
        """Something may have come."""
        if self.urgent is not None:
            self.urgent.attend(self._tcp.connection.tcb.rcv)

    @property
    def readable(self) -> int:
        """Octets of the stream that can be read."""
        rcv = self._tcp.connection.tcb.rcv
        return self._tcp.readable_octets if self.urgent is None else self.urgent.readable(rcv)

    def take(self, octets: int, now: Instant, *, peek: bool) -> bytes:
        """Up to ``octets`` of the stream."""
        rcv = self._tcp.connection.tcb.rcv
        skipped = 0
        if self.urgent is not None and octets:
            skipped = self.urgent.skipped(rcv)
            if not self.urgent.is_next(rcv):
                octets = min(octets, self.urgent.before(rcv) - skipped)
        if peek:
            queue = rcv.queue
            return b"".join(queue.peek(queue.start + skipped, octets))
        if skipped:
            self._tcp.receive(skipped, now)
        return b"".join(self._tcp.receive(octets, now)) if octets else b""

    @property
    def has_urgent(self) -> bool:
        """POLLPRI."""
        return self.urgent is not None and self.urgent.is_here(self._tcp.connection.tcb.rcv)

    @property
    def waiting(self) -> int:
        """SIOCINQ: octets that are read without passing what is urgent."""
        rcv = self._tcp.connection.tcb.rcv
        return self._tcp.readable_octets if self.urgent is None else self.urgent.waiting(rcv)

    @property
    def is_at_mark(self) -> bool:
        """SIOCATMARK."""
        return self.urgent is not None and self.urgent.is_next(self._tcp.connection.tcb.rcv)

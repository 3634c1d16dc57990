"""What a program has written: how much is taken, and when there is room again (``tcp_sendmsg_locked()``)."""

from halfopen.packetdrill.virtual_posix.kernel import Kernel
from halfopen.packetdrill.virtual_posix.room import charged, corked, has_memory, segment_goal
from halfopen.stack.tcp_socket import TcpSocket
from halfopen.tcp.send_queue import APART, MORE, RECORD


class SendQueue:
    """Octets that have not been acknowledged, as a socket's buffer is charged for them."""

    def __init__(self, kernel: Kernel, tcp: TcpSocket) -> None:
        self._kernel = kernel
        self.tcp = tcp
        self._is_more = False
        self.lacks_room = False
        """Somebody has found that there was none (``SOCK_NOSPACE``): is told when there is."""
        self.rooms = 0
        """How often that was so."""
        self._pushed = tcp.connection.tcb.snd.nxt
        """How far what was queued has been pushed (``pushed_seq``)."""

    def attend(self, sndbuf: int) -> None:
        """Something may have been acknowledged."""
        if self.lacks_room and self.is_writable(sndbuf):
            self.lacks_room = False
            self.rooms += 1

    def put(self, octets: memoryview, how: int, sndbuf: int, *, is_established: bool) -> int:
        """As much as there is room for: how many octets."""
        if self._kernel.traits.counts_overhead and is_established:
            return self._put_runs(octets, how, sndbuf)
        room = len(octets)
        if not self._kernel.traits.counts_overhead:
            room = min(room, max(0, sndbuf - self.tcp.connection.queued_octets))
        if room:
            self.cork(more=bool(how & MORE))
            self.tcp.send(bytes(octets[:room]), self._kernel.now, how=how if room == len(octets) else how & ~RECORD)
        return room

    def _put_runs(self, octets: memoryview, how: int, sndbuf: int) -> int:
        """Linux fills one super-segment after the other, and sends of each what may go before it begins the next."""
        snd, now = self.tcp.connection.tcb.snd, self._kernel.now
        goal, at, is_pushed = segment_goal(self.tcp), 0, True
        while at < len(octets):
            room, apart = goal - snd.tail, 0
            if room <= 0 or (is_pushed and not snd.tail):  # else it is filled up again as fast as it is sent
                if not has_memory(self.tcp, sndbuf):
                    break
                room, apart = goal, APART * (snd.tail > 0)
            if not at:
                self.cork(more=bool(how & MORE))
            piece = bytes(octets[at : at + room])
            at += len(piece)
            is_pushed = snd.queue.stop + len(piece) > self._pushed + snd.max_wnd // 2
            if at == len(octets):
                self.tcp.send(piece, now, how=how | apart)
                is_pushed = not how & MORE
            else:
                self.tcp.send(piece, now, how=(0 if is_pushed else MORE) | apart)
                self._kernel.transmit(is_pushed)
            if is_pushed:
                self._pushed = snd.queue.stop
        if 0 < at < len(octets) and snd.tail:
            snd.queue.is_pushed = True
            self._pushed = snd.queue.stop
        return at

    def cork(self, *, more: bool) -> None:
        """MSG_MORE: a segment that is not full waits for more, or for the next ACK."""
        config = self.tcp.config
        if more and not config.acks.cork:
            self._is_more = True
            self.tcp.configure(corked(config, cork=True))
        elif not more and self._is_more:
            self._is_more = False
            self.tcp.configure(corked(config, cork=False))

    def is_writable(self, sndbuf: int) -> bool:
        """Room for a third of the buffer, and half of TCP_NOTSENT_LOWAT (``__sk_stream_is_writeable``)."""
        queued = self.tcp.connection.queued_octets
        low = self.tcp.config.buffers.unsent_low
        if low is not None and 2 * self.tcp.unsent_octets >= low:
            return False
        used = charged(self.tcp) if self._kernel.traits.counts_overhead else queued
        return sndbuf - used >= used // 2

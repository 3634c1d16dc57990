"""What the user of a host holds: a TCP connection with its addresses, or a port that takes connections."""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from halfopen.base.addresses import Address
from halfopen.base.clock import Instant
from halfopen.base.native import trait
from halfopen.base.octets import Buffer, Buffers
from halfopen.stack.deadlines import Timed
from halfopen.stack.demux import Flow, local_of, make_flow, remote_of
from halfopen.stack.path import Path
from halfopen.stack.ports import Owner, PortRow, any_address
from halfopen.tcp.calls import accept
from halfopen.tcp.config import TcpConfig
from halfopen.tcp.connection import Connection
from halfopen.tcp.events import Event
from halfopen.tcp.listener import Listener
from halfopen.tcp.send_queue import URGENT
from halfopen.tcp.state import State
from halfopen.wire.checksum import pseudo_header_sum
from halfopen.wire.ipv4 import PROTOCOL_TCP


@dataclass(slots=True, frozen=True)
class Marks:
    """What the user chooses about the IP headers of a connection: DSCP (MUST-48) and TTL (MUST-49)."""

    dscp: int = 0
    ttl: int = 64


DEFAULT_MARKS: Final = Marks()


@trait
class Attention(ABC):
    """Who is told that something was done to a socket, so that its output will be polled."""

    @abstractmethod
    def mark(self, socket: "TcpSocket", *, with_news: bool = True) -> None:
        """The socket may have segments or another deadline now, and events or octets unless not ``with_news``."""

    @abstractmethod
    def forget(self, listener: "TcpListener", now: Instant) -> None:
        """The listener is closed."""


class TcpSocket(Timed):
    """One connection and where it leads. Every command marks it, so that the next transmit asks it for segments."""

    __slots__ = (
        "_attention",
        "connection",
        "flow",
        "has_news",
        "is_dirty",
        "is_orphan",
        "marks",
        "owner",
        "path",
        "pseudo_sum",
        "wants_room",
    )

    def __init__(self, attention: Attention, connection: Connection, flow: Flow, path: Path, owner: Owner) -> None:
        super().__init__()
        self._attention = attention
        self.connection = connection
        self.flow = flow
        self.path = path
        self.owner = owner
        self.marks = DEFAULT_MARKS
        self.pseudo_sum = pseudo_header_sum(path.source, path.destination, PROTOCOL_TCP, 0)
        self.is_dirty = False
        self.has_news = False
        self.is_orphan = False
        """The user has closed and will not ask again."""
        self.wants_room = False
        """The user waits for unsent octets to be sent: each time some have been, the socket has news."""

    @property
    def local_address(self) -> Address:
        """Our end's address."""
        return local_of(self.flow)[0]

    @property
    def local_port(self) -> int:
        """Our end's port."""
        return local_of(self.flow)[1]

    @property
    def remote_address(self) -> Address:
        """The peer's address."""
        return remote_of(self.flow)[0]

    @property
    def remote_port(self) -> int:
        """The peer's port."""
        return remote_of(self.flow)[1]

    @property
    def readable_octets(self) -> int:
        """Octets that `receive` would return."""
        queue = self.connection.tcb.rcv.queue
        return queue.stop - queue.start

    @property
    def unsent_octets(self) -> int:
        """Octets of the user's that have never been sent."""
        return self.connection.unsent_octets

    @property
    def send_room(self) -> int:
        """Octets that `send` finds room for now (``SO_SNDBUF``, ``TCP_NOTSENT_LOWAT``). It takes more all the same."""
        buffers = self.config.buffers
        if buffers.unsent_low is not None and self.unsent_octets >= buffers.unsent_low:
            return 0
        return max(0, buffers.send - self.connection.queued_octets)

    @property
    def row(self) -> PortRow:
        """The connection in a listing."""
        state = self.connection.state
        word = "ESTAB" if state is State.ESTABLISHED else state.value
        return make_row(self.flow, word, self.owner, (self.readable_octets, self.connection.queued_octets))

    @property
    def config(self) -> TcpConfig:
        """What was last chosen with `configure`."""
        return self.connection.tcb.user.config

    @property
    def is_deferred(self) -> bool:
        """An active OPEN whose SYN waits for text (RFC 7413)."""
        early = self.connection.tcb.user.early
        return early is not None and early.is_deferred

    def send(self, data: Buffer, now: Instant, *, urgent: bool = False, how: int = 0) -> None:
        """SEND (RFC 9293 3.10.2); ``data`` is kept, not copied; ``how`` as in `halfopen.tcp.sending`."""
        self.connection.send(data, now, how | URGENT if urgent else how)
        self._attention.mark(self)

    def receive(self, limit: int, now: Instant) -> Buffers:
        """RECEIVE (RFC 9293 3.10.3): up to ``limit`` octets, nothing if none wait; opens the window."""
        connection = self.connection
        taken = connection.receive(limit, now)
        self._attention.mark(self, with_news=connection.tcb.user.reading)
        return taken

    def shutdown(self, now: Instant) -> None:
        """CLOSE (RFC 9293 3.10.4): FIN after what is queued; reading goes on."""
        self.connection.shutdown(now)
        self._attention.mark(self)

    def close(self, now: Instant) -> None:
        """The user is gone (SHLD-3): what is queued is still sent, unread data resets."""
        self.is_orphan = True
        self.connection.close(now)
        self._attention.mark(self)

    def abort(self, now: Instant) -> None:
        """ABORT (RFC 9293 3.10.5)."""
        self.is_orphan = True
        self.connection.abort(now)
        self._attention.mark(self)

    def configure(self, config: TcpConfig) -> None:
        """Another configuration for the rest of the connection, which takes effect at once."""
        self.connection.configure(config)
        self._attention.mark(self)

    def poll_event(self) -> Event | None:
        """The oldest event that has not been taken."""
        user = self.connection.tcb.user
        return user.poll_event() if user.events else None

    def ignore_acknowledgments(self) -> None:
        """From now on there is no news, and no Writable, when all that has happened is that text was acknowledged."""
        self.connection.tcb.user.minds_room = False

    def put_back(self, events: Sequence[Event]) -> None:
        """Whoever takes the socket over hears of these as if they had not been taken yet."""
        user = self.connection.tcb.user
        user.events = [*events, *user.events]


class TcpListener(Timed):
    """A port in LISTEN: the protocol's listener, and the connections that wait to be accepted."""

    __slots__ = (
        "_attention",
        "accepted",
        "address",
        "addresses",
        "backlog",
        "has_news",
        "is_closed",
        "listener",
        "owner",
        "port",
    )

    def __init__(self, attention: Attention, listener: Listener, local: tuple[Address, int], owner: Owner) -> None:
        super().__init__()
        self._attention = attention
        self.listener = listener
        self.address, self.port = local
        self.addresses: tuple[Address, ...] = (self.address,)
        """Where the port is taken: in both versions of IP, if `address` stands for all of both."""
        self.owner = owner
        self.backlog = 1
        self.accepted: deque[TcpSocket] = deque()
        self.has_news = False
        self.is_closed = False

    @property
    def is_full(self) -> bool:
        """Whether as many connections wait as may."""
        return len(self.accepted) >= self.backlog

    @property
    def makes_wait(self) -> bool:
        """Whether new peers go unanswered until connections have been accepted."""
        return self.is_full and self.listener.config.listening.overflow == "wait"

    @property
    def row(self) -> PortRow:
        """The port in a listing; its queues are of connections."""
        anybody = make_flow(any_address(self.address), 0, self.address, self.port)
        return make_row(anybody, "LISTEN", self.owner, (len(self.accepted), self.backlog))

    def rows(self) -> Iterator[PortRow]:
        """The port and its half-open peers in a listing."""
        yield self.row
        for record in self.listener.half_open:
            yield make_row(record.flow, State.SYN_RECEIVED.value, self.owner)

    @property
    def config(self) -> TcpConfig:
        """What connections that are made from now on begin with."""
        return self.listener.config

    def configure(self, config: TcpConfig) -> None:
        """Another configuration for connections from now on, those too that only wait for their peer's last ACK."""
        self.listener.config = config

    def accept(self) -> TcpSocket | None:
        """The oldest established connection that nobody has taken."""
        if not self.accepted:
            return None
        socket = self.accepted.popleft()
        accept(socket.connection.tcb)
        return socket

    def close(self, now: Instant) -> None:
        """Leaves LISTEN: half-open peers are forgotten, connections that nobody has accepted reset."""
        if not self.is_closed:
            self.is_closed = True
            self._attention.forget(self, now)


def make_row(flow: Flow, state: str, owner: Owner, queues: tuple[int, int] = (0, 0)) -> PortRow:
    """One line of a listing: the ends of ``flow``; ``queues`` are Recv-Q and Send-Q."""
    local, local_port = local_of(flow)
    remote, remote_port = remote_of(flow)
    return PortRow(
        netid="tcp",
        state=state,
        recv_q=queues[0],
        send_q=queues[1],
        local=local,
        local_port=local_port,
        remote=remote,
        remote_port=remote_port,
        owner=owner,
    )

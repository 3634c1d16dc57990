"""The calls that a program makes on its host, with Python's types: sockets, pipes, files, and waiting for them.

Numbers (levels, options, flags, families) are the host's own. A call that fails raises OSError, whose ``errno`` is
Linux's whatever the host; one that would have to wait raises `WouldBlock` and is to be made again, just as it was.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from halfopen.base.addresses import Address
from halfopen.base.clock import NEVER, Instant


class WouldBlock(Exception):
    """A blocking descriptor is not ready. ``until`` is when waiting ends though nothing happens."""

    def __init__(self, until: Instant = NEVER) -> None:
        super().__init__(until)
        self.until = until


@dataclass(slots=True, frozen=True)
class SocketName:
    """A socket address: of AF_INET with 4 octets, of AF_INET6 with 16."""

    family: int
    address: Address
    port: int


@dataclass(slots=True, frozen=True)
class ControlMessage:
    """Ancillary data (``struct cmsghdr``); ``data`` is laid out as the host's C does."""

    level: int
    type: int
    data: bytes


@dataclass(slots=True)
class Message:
    """What is to be sent. ``taken`` octets have been so far: a blocking call goes on from there.

    ``begun``: the call itself has opened the connection (MSG_FASTOPEN). ``pieces``: how long its parts are, if several
    have been given.
    """

    data: bytes
    flags: int = 0
    name: SocketName | None = None
    control: tuple[ControlMessage, ...] = ()
    taken: int = 0
    begun: bool = False
    pieces: tuple[int, ...] = ()


@dataclass(slots=True, frozen=True)
class Received:
    """What has been received: ``octets`` is the call's result, more than ``data`` has with MSG_TRUNC."""

    octets: int
    data: bytes = b""
    flags: int = 0
    control: tuple[ControlMessage, ...] = ()
    name: SocketName | None = None


@dataclass(slots=True, frozen=True)
class EpollEvent:
    """``struct epoll_event``."""

    events: int
    data: int


class Sockets(ABC):
    """The calls on sockets alone."""

    @abstractmethod
    def socket(self, family: int, kind: int, protocol: int) -> int:
        """A fresh socket; ``kind`` may have SOCK_NONBLOCK in it."""

    @abstractmethod
    def bind(self, fd: int, name: SocketName) -> None:
        """Takes a local address and port."""

    @abstractmethod
    def listen(self, fd: int, backlog: int) -> None:
        """Passive OPEN."""

    @abstractmethod
    def accept(self, fd: int, flags: int = 0) -> tuple[int, SocketName]:
        """A descriptor for the oldest connection that nobody has taken, and who it is with."""

    @abstractmethod
    def connect(self, fd: int, name: SocketName | None) -> None:
        """Active OPEN; None is AF_UNSPEC, which makes the socket a fresh one again."""

    @abstractmethod
    def receive(self, fd: int, octets: int, flags: int = 0, room: int = 0) -> Received:
        """``recvmsg()`` with space for ``octets`` of data and ``room`` of ancillary data."""

    @abstractmethod
    def send(self, fd: int, message: Message) -> int:
        """``sendmsg()``: how many octets have been taken."""

    @abstractmethod
    def shutdown(self, fd: int, how: int) -> None:
        """Ends one direction or both."""

    @abstractmethod
    def setsockopt(self, fd: int, level: int, option: int, value: bytes) -> None:
        """Sets an option."""

    @abstractmethod
    def tcp_info(self, fd: int) -> dict[str, int]:
        """``getsockopt(TCP_INFO)`` by the names of the members."""

    @abstractmethod
    def getsockopt(self, fd: int, level: int, option: int, octets: int) -> bytes:
        """An option's value, ``octets`` at most."""


class Waiting(ABC):
    """The calls that wait for several descriptors. ``deadline`` is an instant; NEVER waits for ever."""

    @abstractmethod
    def poll(self, entries: Sequence[tuple[int, int]], deadline: Instant) -> list[int]:
        """The ``revents`` of pairs of descriptor and ``events``."""

    @abstractmethod
    def epoll_create(self) -> int:
        """A descriptor for a set of descriptors."""

    @abstractmethod
    def epoll_ctl(self, epoll: int, operation: int, fd: int, event: EpollEvent) -> None:
        """EPOLL_CTL_ADD, MOD or DEL."""

    @abstractmethod
    def epoll_wait(self, epoll: int, most: int, deadline: Instant) -> list[EpollEvent]:
        """What has happened to descriptors of the set."""


class Posix(Sockets, Waiting):
    """All of them, with those on descriptors of any kind."""

    @abstractmethod
    def read(self, fd: int, octets: int) -> bytes:
        """Up to ``octets``; none at the end."""

    @abstractmethod
    def write(self, fd: int, message: Message) -> int:
        """How many octets have been taken."""

    @abstractmethod
    def close(self, fd: int) -> None:
        """The descriptor is gone, at the latest when lingering is over."""

    @abstractmethod
    def fcntl(self, fd: int, command: int, argument: int = 0) -> int:
        """F_GETFL, F_SETFL, F_GETFD, F_SETFD."""

    @abstractmethod
    def ioctl(self, fd: int, request: int, argument: int = 0) -> int:
        """What the call stores behind its third argument."""

    @abstractmethod
    def pipe(self) -> tuple[int, int]:
        """Descriptors for reading and for writing."""

    @abstractmethod
    def open(self, path: str, flags: int) -> int:
        """A descriptor for a file of the script's own; nothing of the machine's is opened."""

    @abstractmethod
    def sendfile(self, target: int, source: int, offset: int | None, octets: int) -> int:
        """Octets of a file into a socket; without ``offset`` from where the file stands."""

    @abstractmethod
    def splice(self, source: int, target: int, octets: int, flags: int) -> int:
        """Octets from or into a pipe."""

    @abstractmethod
    def attend(self) -> None:
        """The host has settled at an instant: looks at what has come of it."""

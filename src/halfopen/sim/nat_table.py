"""What a NAT remembers: who inside talks to whom outside, by which port, and until when (RFC 4787, RFC 5382)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from halfopen.base.addresses import Address, format_address
from halfopen.base.clock import NEVER, SECOND, Duration, Instant
from halfopen.base.errors import ConfigError
from halfopen.wire.ipv4 import PROTOCOL_ICMP, PROTOCOL_TCP, PROTOCOL_UDP
from halfopen.wire.tcp import ACK, FIN, RST, SYN

Endpoint = tuple[Address, int]

INWARD, OUTWARD = 1, 2

DROP, RESET = "drop", "rst"
"""What becomes of a segment of a forgotten flow."""

LOWEST_PORT, HIGHEST_PORT = 1024, 65535

_PROTOCOL_NAMES = {PROTOCOL_TCP: "tcp", PROTOCOL_UDP: "udp", PROTOCOL_ICMP: "icmp"}


@dataclass(slots=True, frozen=True, kw_only=True)
class NatPolicy:
    """How long a NAT remembers a flow over which nothing passes, in seconds, and what it does afterwards.

    ``idle_timeout`` is for established TCP: RFC 5382 5 wants 2 h 4 min at least, many have less than keep-alive takes.
    ``on_expire``: ``"drop"`` drops segments of a forgotten connection without a word, ``"rst"`` answers them.
    """

    outside: str = "eth1"
    """The interface behind which the others do not know who is inside."""
    idle_timeout: float = 7440
    transitory_timeout: float = 120
    """TCP that is opening or closing (Linux ``nf_conntrack_tcp_timeout_syn_sent``, ``..._fin_wait``)."""
    close_timeout: float = 10
    """TCP after RST (Linux ``nf_conntrack_tcp_timeout_close``)."""
    udp_timeout: float = 30
    icmp_timeout: float = 30
    on_expire: str = DROP

    def __post_init__(self) -> None:
        if self.on_expire not in (DROP, RESET):
            raise ConfigError(f"on_expire is {DROP!r} or {RESET!r}, not {self.on_expire!r}")
        times = (self.idle_timeout, self.transitory_timeout, self.close_timeout, self.udp_timeout, self.icmp_timeout)
        if min(times) <= 0:
            raise ConfigError("a NAT's timeouts are above zero")


@dataclass(slots=True, eq=False, kw_only=True)
class NatFlow:
    """One flow. For ICMP echo the port inside is the identifier, and that of the remote end 0."""

    protocol: int
    inside: Endpoint
    outside_port: int
    remote: Endpoint
    state: str = ""
    expires: Instant = NEVER
    is_answered: bool = False
    finished: int = 0
    """Which directions have had their FIN."""

    def line(self, outside: Address, now: Instant) -> str:
        """As ``conntrack -L`` shows it."""
        name = _PROTOCOL_NAMES[self.protocol]
        left = max(0, self.expires - now) // SECOND
        state = f" {self.state}" if self.state else ""
        original = self._ends(self.inside, self.remote, 8)
        reply = self._ends(self.remote, (outside, self.outside_port), 0)
        mark = "" if self.is_answered else " [UNREPLIED]"
        assured = " [ASSURED]" if self.state == "ESTABLISHED" else ""
        return f"{name:<8} {self.protocol} {left}{state} {original}{mark} {reply}{assured}"

    def _ends(self, source: Endpoint, destination: Endpoint, type: int) -> str:
        addresses = f"src={format_address(source[0])} dst={format_address(destination[0])}"
        if self.protocol == PROTOCOL_ICMP:
            return f"{addresses} type={type} code=0 id={source[1] or destination[1]}"
        return f"{addresses} sport={source[1]} dport={destination[1]}"


Key = tuple[int, Address, int, Address, int]


class NatTable:
    """Flows, and which port outside each end inside has: the same for all its peers (RFC 4787 REQ-1)."""

    __slots__ = ("_by_inside", "_by_outside", "_ports", "_sweep_at", "_users", "policy")

    def __init__(self, policy: NatPolicy) -> None:
        self.policy = policy
        self._by_inside: dict[Key, NatFlow] = {}
        self._by_outside: dict[tuple[int, int, Address, int], NatFlow] = {}
        self._ports: dict[tuple[int, Address, int], int] = {}
        self._users: dict[tuple[int, int], list[NatFlow]] = {}
        self._sweep_at = 64

    def find_inside(self, protocol: int, inside: Endpoint, remote: Endpoint, now: Instant) -> NatFlow | None:
        """The flow of a datagram from inside, or of one to there."""
        return self._living(self._by_inside.get((protocol, *inside, *remote)), now)

    def find_outside(self, protocol: int, port: int, remote: Endpoint, now: Instant) -> NatFlow | None:
        """The flow of a datagram that comes from ``remote`` to our ``port``."""
        return self._living(self._by_outside.get((protocol, port, *remote)), now)

    def open(
        self, protocol: int, inside: Endpoint, remote: Endpoint, is_free: Callable[[int], bool], now: Instant
    ) -> NatFlow | None:
        """A new flow; None if no port is left. ``is_free`` says which ports the NAT itself does not need."""
        if len(self._by_inside) >= self._sweep_at:
            self.sweep(now)
            self._sweep_at = max(64, 2 * len(self._by_inside))
        port = self._ports.get((protocol, *inside))
        if port is None:
            port = self._choose(protocol, inside[1], is_free, now)
        if port is None:
            return None
        flow = NatFlow(protocol=protocol, inside=inside, outside_port=port, remote=remote)
        self._by_inside[protocol, *inside, *remote] = flow
        self._by_outside[protocol, port, *remote] = flow
        self._ports[protocol, *inside] = port
        self._users.setdefault((protocol, port), []).append(flow)
        return flow

    def passes(self, flow: NatFlow, direction: int, flags: int, now: Instant) -> None:
        """A datagram of ``flow`` has passed: the flow lives on, for how long its state says (RFC 5382 5)."""
        policy = self.policy
        if direction == INWARD:
            flow.is_answered = True
        if flow.protocol == PROTOCOL_UDP:
            self._live_for(flow, policy.udp_timeout, now)
        elif flow.protocol == PROTOCOL_ICMP:
            self._live_for(flow, policy.icmp_timeout, now)
        else:
            self._follow(flow, direction, flags)
            if flow.state == "ESTABLISHED":
                self._live_for(flow, policy.idle_timeout, now)
            elif flow.state == "CLOSE":
                flow.expires = min(flow.expires, now + _duration(policy.close_timeout))
            else:
                self._live_for(flow, min(policy.transitory_timeout, policy.idle_timeout), now)

    def sweep(self, now: Instant) -> None:
        """Forgets what has expired."""
        for flow in [flow for flow in self._by_inside.values() if flow.expires <= now]:
            self._forget(flow)

    def __iter__(self) -> Iterator[NatFlow]:
        return iter(list(self._by_inside.values()))

    def __len__(self) -> int:
        return len(self._by_inside)

    def _follow(self, flow: NatFlow, direction: int, flags: int) -> None:
        """TCP's state as one who stands between can know it."""
        if flags & RST:
            flow.state = "CLOSE"
        elif flags & SYN:
            if direction == OUTWARD and not flags & ACK and flow.state in ("", "TIME_WAIT", "CLOSE"):
                flow.state, flow.finished, flow.is_answered, flow.expires = "SYN_SENT", 0, False, NEVER
            elif direction == INWARD and flow.state == "SYN_SENT":
                flow.state = "SYN_RECV"
        elif flags & FIN:
            flow.finished |= direction
            flow.state = "TIME_WAIT" if flow.finished == INWARD | OUTWARD else "FIN_WAIT"
        elif flow.state == "SYN_RECV" and direction == OUTWARD:
            flow.state = "ESTABLISHED"

    def _live_for(self, flow: NatFlow, seconds: float, now: Instant) -> None:
        flow.expires = now + _duration(seconds)

    def _living(self, flow: NatFlow | None, now: Instant) -> NatFlow | None:
        if flow is not None and flow.expires <= now:
            self._forget(flow)
            return None
        return flow

    def _forget(self, flow: NatFlow) -> None:
        del self._by_inside[flow.protocol, *flow.inside, *flow.remote]
        del self._by_outside[flow.protocol, flow.outside_port, *flow.remote]
        users = self._users[flow.protocol, flow.outside_port]
        users.remove(flow)
        if not users:
            del self._users[flow.protocol, flow.outside_port]
            del self._ports[flow.protocol, *flow.inside]

    def _choose(self, protocol: int, wanted: int, is_free: Callable[[int], bool], now: Instant) -> int | None:
        """The same port as inside if nobody has it (RFC 4787 4.2.1, "port preservation"), else the next one."""
        if self._is_unused(protocol, wanted, is_free):
            return wanted
        self.sweep(now)
        count = HIGHEST_PORT - LOWEST_PORT + 1
        for step in range(count):
            port = LOWEST_PORT + (wanted - LOWEST_PORT + step) % count
            if self._is_unused(protocol, port, is_free):
                return port
        return None

    def _is_unused(self, protocol: int, port: int, is_free: Callable[[int], bool]) -> bool:
        return (protocol, port) not in self._users and is_free(port)


def _duration(seconds: float) -> Duration:
    return round(seconds * SECOND)

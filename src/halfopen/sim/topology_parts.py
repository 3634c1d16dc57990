"""What a topology consists of: nodes, and the networks that they are members of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from halfopen.base.clock import Duration, format_duration
from halfopen.sim.sysctl import Value

HOST = "host"
ROUTER = "router"
NAT = "nat"
NODE_KINDS = (HOST, ROUTER, NAT)

LINK = "link"
SWITCH = "switch"
HUB = "hub"
SEGMENT_KINDS = (LINK, SWITCH, HUB)

IP_FORWARD = "net.ipv4.ip_forward"


@dataclass(slots=True, frozen=True, kw_only=True)
class Node:
    """A machine. ``addresses`` (``"192.0.2.1/24"``) are those of interfaces that are on no network yet.

    Of a NAT: a flow that is silent for ``idle_timeout`` is forgotten, and ``on_expire`` says what becomes of its
    packets then, ``"drop"`` or ``"rst"``.
    """

    name: str
    kind: str = HOST
    addresses: tuple[str, ...] = ()
    sysctl: Mapping[str, Value] = field(default_factory=dict)
    idle_timeout: Duration | None = None
    on_expire: str | None = None

    @property
    def forwards(self) -> bool:
        """Whether datagrams for others pass it."""
        return str(self.sysctl.get(IP_FORWARD, int(self.kind != HOST))) != "0"

    @property
    def remarks(self) -> list[str]:
        """What is particular about it, in words."""
        words = [f"{name}={value}" for name, value in self.sysctl.items()]
        if self.idle_timeout is not None:
            words.append(f"idle timeout {format_duration(self.idle_timeout)}")
        if self.on_expire is not None:
            words.append(f"then {self.on_expire}")
        return words


@dataclass(slots=True, frozen=True)
class Member:
    """A node on a network; without ``address`` it gets the next that is free."""

    node: str
    address: str | None = None


@dataclass(slots=True, frozen=True, kw_only=True)
class Segment:
    """A network: a link, switch or hub. ``words`` are netem's for what goes in, at each member.

    ``back`` is what a link does from its second member to the first, if that is not the same. Without ``prefix`` it is
    a network of its own.
    """

    name: str
    kind: str = LINK
    members: tuple[Member, ...] = ()
    words: str = ""
    back: str | None = None
    prefix: str | None = None
    mtu: int = 1500

    @property
    def title(self) -> str:
        """``"link a-b"``"""
        return f"{self.kind} {self.name}"

    @property
    def remarks(self) -> list[str]:
        """What it does to packets, in words."""
        words = [self.words] if self.words else []
        if self.back is not None:
            words.append(f"back: {self.back or 'nothing'}")
        if self.mtu != 1500:
            words.append(f"mtu {self.mtu}")
        return words


def addresses_of(node: Node, segments: Sequence[Segment]) -> list[str]:
    """``"192.0.2.1/24"`` for each address of a node, first those that it has on ``segments``."""
    on_networks = [
        f"{member.address}/{segment.prefix.partition('/')[2]}" if segment.prefix else member.address
        for segment in segments
        for member in segment.members
        if member.node == node.name and member.address
    ]
    return on_networks + list(node.addresses)

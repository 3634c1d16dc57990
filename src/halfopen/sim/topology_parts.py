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

IPV4, IPV6, BOTH = "ipv4", "ipv6", "both"
FAMILIES = {IPV4: (4,), IPV6: (16,), BOTH: (4, 16)}
"""Which versions of IP networks are of that are not told; with the octets of their addresses."""


@dataclass(slots=True, frozen=True, kw_only=True)
class Node:
    """A machine. ``addresses`` are those of interfaces that are on no network yet.

    Each is ``"192.0.2.1/24"``, or has one of each version: ``"192.0.2.1/24 2001:db8:1::1/64"``.
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
    """A node on a network; without ``address`` it gets the next that is free, of each version of the network's.

    ``address`` may be two, ``"192.0.2.1 2001:db8:1::1"``.
    """

    node: str
    address: str | None = None


@dataclass(slots=True, frozen=True, kw_only=True)
class Segment:
    """A network: a link, switch or hub. ``words`` are netem's for what goes in, at each member.

    ``back`` is what a link does from its second member to the first, if that is not the same. Without ``prefix`` it is
    a network of its own. ``prefix`` may be one of each version: ``"192.0.2.0/24 2001:db8:1::/64"``.
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
        f"{address}{_length_of(segment, address)}"
        for segment in segments
        for member in segment.members
        if member.node == node.name
        for address in split(member.address)
    ]
    return on_networks + [address for addresses in node.addresses for address in split(addresses)]


def _length_of(segment: Segment, address: str) -> str:
    """``"/24"``, of the network that an address of a member is on."""
    lengths = (prefix.partition("/") for prefix in split(segment.prefix))
    return next((f"/{length}" for network, _, length in lengths if is_ipv6(network) == is_ipv6(address)), "")


def split(text: str | None) -> list[str]:
    """The addresses or prefixes, one of each version at most, that stand in one text."""
    return (text or "").split()


def is_ipv6(text: str) -> bool:
    """Of which version an address or prefix is, as text."""
    return ":" in text

"""Each version of IP of one host, assembled: from its neighbours to its ICMP."""

from collections import deque
from dataclasses import dataclass

from halfopen.base.counters import Counters
from halfopen.base.rng import Rng
from halfopen.stack.arp import ArpLayer
from halfopen.stack.config import StackConfig
from halfopen.stack.forwarding import Forwarder
from halfopen.stack.fragments import Reassembler
from halfopen.stack.icmp import EchoReply
from halfopen.stack.icmpv4 import Icmpv4Layer
from halfopen.stack.icmpv6 import Icmpv6Layer
from halfopen.stack.identification import make_identifications
from halfopen.stack.ip import Commons
from halfopen.stack.ipv4 import Ipv4Layer
from halfopen.stack.ipv4_input import Ipv4Input
from halfopen.stack.ipv6 import Ipv6Layer
from halfopen.stack.ipv6_forwarding import Ipv6Forwarder
from halfopen.stack.ipv6_fragments import Ipv6Reassembler
from halfopen.stack.ipv6_input import Ipv6Input
from halfopen.stack.ndp import NdpLayer


@dataclass(slots=True, frozen=True)
class Version4:
    """IPv4 of one host."""

    ip: Ipv4Layer
    icmp: Icmpv4Layer
    forwarder: Forwarder
    input: Ipv4Input


@dataclass(slots=True, frozen=True)
class Version6:
    """IPv6 of one host."""

    ip: Ipv6Layer
    icmp: Icmpv6Layer
    forwarder: Ipv6Forwarder
    input: Ipv6Input


def make_version4(
    config: StackConfig, commons: Commons, arp: ArpLayer, rng: Rng, replies: deque[EchoReply]
) -> Version4:
    """IPv4 on top of ARP."""
    counters: Counters = arp.counters
    identifications = make_identifications(config.ip.ip_id, config.ip.permit, rng)
    ip = Ipv4Layer(commons, arp, identifications)
    icmp = Icmpv4Layer(ip, config.icmp, counters, replies)
    forwarder = Forwarder(ip, icmp, config.ip, counters)
    reassembler = Reassembler(config.fragments, counters)
    return Version4(ip, icmp, forwarder, Ipv4Input(ip, icmp, forwarder, reassembler, counters))


def make_version6(
    config: StackConfig, commons: Commons, discovery: NdpLayer, rng: Rng, replies: deque[EchoReply]
) -> Version6:
    """IPv6 on top of neighbor discovery."""
    counters: Counters = discovery.neighbors.counters
    ip = Ipv6Layer(commons, discovery, config.ipv6, rng)
    icmp = Icmpv6Layer(ip, config.icmp, counters, replies)
    forwarder = Ipv6Forwarder(ip, icmp, config.ip, counters)
    reassembler = Ipv6Reassembler(config.fragments, counters)
    return Version6(ip, icmp, forwarder, Ipv6Input(ip, icmp, forwarder, reassembler, counters))

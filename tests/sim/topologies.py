"""Topologies as hypothesis draws them."""

from hypothesis import strategies as st

from halfopen.base.addresses import format_address
from halfopen.sim.topology import Topology
from halfopen.sim.topology_parts import HOST, HUB, LINK, NAT, ROUTER, SWITCH, Member, Node, Segment

WORDS = ("", "delay 1ms", "3g", "rate 10mbit codel limit 100", "loss 1% 25%", "delay 5ms 1ms distribution normal")
SYSCTLS = {
    "net.ipv4.tcp_syn_retries": st.integers(1, 20),
    "net.ipv4.tcp_congestion_control": st.sampled_from(["reno", "cubic"]),
    "net.ipv4.ip_forward": st.integers(0, 1),
}


@st.composite
def topologies(draw: st.DrawFn, addressed: bool = True) -> Topology:
    """With all addresses given if ``addressed``, else with none."""
    names = [f"n{number}" for number in range(draw(st.integers(1, 6)))]
    segments = tuple(draw(segment(number, names, addressed)) for number in range(draw(st.integers(0, 5))))
    joined = [member.node for each in segments for member in each.members]
    return Topology(tuple(draw(node(name, joined.count(name))) for name in names), segments)


@st.composite
def node(draw: st.DrawFn, name: str, networks: int) -> Node:
    kind = draw(st.sampled_from([HOST, ROUTER, NAT] if networks > 1 else [HOST, ROUTER]))
    if kind == NAT:
        timeout = draw(st.none() | st.integers(1, 10**12))
        return Node(name=name, kind=NAT, idle_timeout=timeout, on_expire=draw(st.sampled_from([None, "drop", "rst"])))
    sysctl = draw(st.fixed_dictionaries({}, optional=SYSCTLS)) if kind == HOST else {}
    addresses = () if networks else draw(st.sampled_from([(), (f"10.{name[1:]}.0.1/16",)]))
    return Node(name=name, kind=kind, sysctl=sysctl, addresses=addresses)


@st.composite
def segment(draw: st.DrawFn, number: int, names: list[str], addressed: bool) -> Segment:
    order = draw(st.permutations(names))
    kind = draw(st.sampled_from([LINK, SWITCH, HUB] if len(names) > 1 else [SWITCH]))
    count = 2 if kind == LINK else draw(st.integers(1 if kind == SWITCH else 2, len(names)))
    members = [
        Member(name, format_address(bytes((172, 16, number, 2 * last + 1))) if addressed else None)
        for last, name in enumerate(order[:count])
    ]
    return Segment(
        name=f"s{number}",
        kind=kind,
        members=tuple(members),
        words=draw(st.sampled_from(WORDS)),
        back=draw(st.sampled_from((None, *WORDS))) if kind == LINK else None,
        prefix=f"172.16.{number}.0/27" if addressed else None,
        mtu=draw(st.sampled_from([1500, 576, 9000])),
    )

import json
from pathlib import Path

import pytest
from hypothesis import given

from halfopen.base.errors import ConfigError
from halfopen.sim.network import Network
from halfopen.sim.topology import Topology
from halfopen.sim.topology_parts import HUB, LINK, NAT, ROUTER, SWITCH, Member, Node, Segment
from tests.sim.topologies import topologies

LAB = """\
nodes:
  client:
  server: {sysctl: {net.ipv4.tcp_syn_retries: 3}, addresses: [192.0.2.2/24]}
  r1: {kind: router}
  home: {kind: nat, idle_timeout: 600s, on_expire: drop}
networks:
  lan: {kind: switch, members: [client, home], words: delay 1ms}
  uplink: {members: [home, r1], words: delay 20ms loss 1%, back: rate 1mbit, mtu: 1400}
  backbone: {kind: hub, members: {r1: 192.0.2.1, server: }, prefix: 192.0.2.0/24}
"""


def complaints(text: str) -> list[str]:
    """What is wrong with a file called ``lab.yaml``, without its name."""
    with pytest.raises(ConfigError) as caught:
        Topology.parse(text, "lab.yaml")
    lines = str(caught.value).splitlines()
    assert all(line.startswith("lab.yaml:") for line in lines)
    return [line.removeprefix("lab.yaml:") for line in lines]


def only(text: str) -> str:
    (line,) = complaints(text)
    return line


def test_everything_in_a_file_is_read() -> None:
    topology = Topology.parse(LAB)
    assert topology.nodes == (
        Node(name="client"),
        Node(name="server", sysctl={"net.ipv4.tcp_syn_retries": 3}, addresses=("192.0.2.2/24",)),
        Node(name="r1", kind=ROUTER),
        Node(name="home", kind=NAT, idle_timeout=600_000_000_000, on_expire="drop"),
    )
    lan, uplink, backbone = topology.segments
    assert lan == Segment(name="lan", kind=SWITCH, members=(Member("client"), Member("home")), words="delay 1ms")
    assert (uplink.kind, uplink.words, uplink.back, uplink.mtu) == (LINK, "delay 20ms loss 1%", "rate 1mbit", 1400)
    assert backbone.members == (Member("r1", "192.0.2.1"), Member("server"))
    assert (backbone.kind, backbone.prefix) == (HUB, "192.0.2.0/24")
    with Network(topology=topology) as network:
        assert network.topology.segments[2].members == (Member("r1", "192.0.2.1"), Member("server", "192.0.2.2"))


@given(topologies())
def test_a_description_in_yaml_gives_the_description(topology: Topology) -> None:
    """JSON is YAML."""
    nodes = {}
    for node in topology.nodes:
        timeout = None if node.idle_timeout is None else f"{node.idle_timeout}ns"
        nodes[node.name] = {
            "kind": node.kind,
            "addresses": node.addresses,
            "sysctl": node.sysctl,
            "idle_timeout": timeout,
            "on_expire": node.on_expire,
        }
    networks = {}
    for segment in topology.segments:
        networks[segment.name] = {
            "kind": segment.kind,
            "members": {member.node: member.address for member in segment.members},
            "words": segment.words,
            "back": segment.back,
            "prefix": segment.prefix,
            "mtu": segment.mtu,
        }
    assert Topology.parse(json.dumps({"nodes": nodes, "networks": networks}, indent=1)) == topology


def test_a_link_to_a_host_that_does_not_exist_is_told_with_a_close_name() -> None:
    text = "nodes:\n  a:\n  b:\nnetworks:\n  a-b:\n    words: delay 1ms\n    members: [a, bb]\n"
    assert only(text) == "7:18: link a-b names a host that does not exist: 'bb' (did you mean 'b'?)"


def test_all_errors_come_at_once_each_with_its_line_and_column() -> None:
    text = """\
nodes:
  client:
  b: {sysctl: {net.ipv4.tcp_sak: 0}}
  r1: {kind: rooter}
  client: {}
  home: {kind: nat, idle_timeout: 600, colour: red}
  gate: {idle_timeout: 600d, kind: nat}
networks:
  lan: {kind: switch, members: [client, bb], words: delay 1ms}
  uplink:
    members: [home, r1]
    words: rate 10mbt
  backbone: {members: {r1: 192.0.2.1, b: 192.0.2.1, client: 10.1.1.1}, prefix: 192.0.2.0/24}
  x: {mebmers: []}
  y: {members: [b, {a: 3}], mtu: big}
"""
    places = [line.split(": ")[0] for line in complaints(text)]
    assert places == [
        "3:34",
        "4:14",
        "5:3",
        "6:35",
        "6:40",
        "7:3",
        "7:24",
        "9:41",
        "12:12",
        "13:23",
        "13:42",
        "13:61",
        "14:6",
        "14:7",
        "15:16",
        "15:34",
    ]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "nodes: {a: , b: }\nnetworks: {ab: {members: [a, b], words: rate 10mbt}}",
            "2:41: link ab: rate '10mbt' has no",
        ),
        ("nodes: {a: , a: }", "1:14: 'a' is there already, in line 1"),
        ("nodes: {a: , A: }", "1:14: host 'A' is there twice"),
        ("nodes: {localhost: }", "host 'localhost' is a name that every host has for itself"),
        ("nodes: {'': }", "host '' needs a name"),
        ("nodes: {a: {kind: hosst}}", "1:19: a is a 'hosst': expected host, router or nat"),
        ("nodes: {a: {addresses: [10.0.0.1]}}", "1:25: host a: '10.0.0.1' is not an interface address"),
        (
            "nodes: {a: {addresses: [10.0.0.1/8]}, b: {addresses: [10.0.0.1/8]}}",
            "1:55: host b: 10.0.0.1 of 'b' belongs to 'a' already",
        ),
        ("nodes: {a: {addresses: [10.255.255.255/8]}}", "10.255.255.255 is a broadcast address of 10.0.0.0/8"),
        ("nodes: {a: {addresses: [224.0.0.1/8]}}", "224.0.0.1 is not the address of an IPv4 host"),
        ("nodes: {a: {addresses: 10.0.0.1/8}}", "1:24: nodes.a.addresses: expected a list"),
        (
            "nodes: {a: {sysctl: {net.ipv4.tcp_sack: true}}}",
            "1:41: nodes.a.sysctl.net.ipv4.tcp_sack: expected a number",
        ),
        ("nodes: {a: {sysctl: {net.ipv4.tcp_sack: 2}}}", "1:41: host a: sysctl net.ipv4.tcp_sack cannot be 2"),
        ("nodes: {a: {on_expire: drop}}", "1:24: host a is no NAT: on_expire means nothing to it"),
        ("nodes: {a: {kind: nat}}", "nat a needs two networks, first its inside, then its outside: it is on 0"),
        ("nodes: {a: {kindd: nat}}", "1:13: nodes.a.kindd means nothing here (did you mean 'kind'?)"),
        ("nodes: [a, b]", "1:8: nodes: expected names with something behind them"),
        ("nodes: {a: 3}", "1:12: nodes.a: expected names with something behind them"),
        ("networks: {}", "1:1: nodes is missing"),
        ("nodes: {}\nextra: 1", "2:1: extra means nothing here: expected nodes, networks"),
        ("- a", "1:1: a topology has nodes: and networks:"),
        ("", "1:1: a topology has nodes: and networks:"),
        ("nodes: {a: }\nnetworks: {s: }", "2:14: networks.s: expected names with something behind them"),
        ("nodes: {a: }\nnetworks: {s: {members: [a]}}", "2:25: link s joins two hosts, not 1"),
        ("nodes: {a: }\nnetworks: {s: {members: [a], kind: hub}}", "2:25: hub s joins 2 or more hosts, not 1"),
        ("nodes: {a: }\nnetworks: {s: {members: [], kind: switch}}", "switch s joins 1 or more hosts, not 0"),
        (
            "nodes: {a: }\nnetworks: {s: {members: [a], kind: ring}}",
            "2:36: s is a 'ring': expected link, switch or hub",
        ),
        ("nodes: {a: }\nnetworks: {s: {members: [a, a]}}", "2:29: link s names 'a' twice"),
        ("nodes: {a: }\nnetworks: {s: {members: a}}", "2:25: networks.s.members: expected the names of nodes, or"),
        (
            "nodes: {a: }\nnetworks: {s: {members: [a], kind: switch, back: delay 1ms}}",
            "2:50: switch s: only a link has a way back",
        ),
        ("nodes: {a: }\nnetworks: {s: {members: [a], kind: switch, mtu: 67}}", "2:49: switch s: an MTU is from 68"),
        ("nodes: {a: }\nnetworks: {s: {members: [a], kind: switch, prefix: 10/8}}", "'10/8' is not a network prefix"),
        ("nodes: {a: }\nnetworks: {s: {members: [a], kind: switch, prefix: 'ff02::/16'}}", "is not an IPv6 network"),
        (
            "nodes: {a: , b: }\nnetworks: {s: {members: {a: 10.0.0.1, b: 10.2.0.1}, prefix: 10.0.0.0/16}}",
            "2:42: link s: 10.2.0.1 of 'b' lies outside of 10.0.0.0/16",
        ),
        (
            "nodes: {a: , b: }\nnetworks: {s: {members: {a: 10.0.0.1, b: }}}",
            "2:29: link s: 10.0.0.1 needs the network's prefix, such as 192.0.2.0/24",
        ),
        (
            "nodes: {a: }\nnetworks: {s: {members: {a: nowhere}, kind: switch, prefix: 10.0.0.0/16}}",
            "2:29: switch s: 'nowhere' is not an IPv4 or IPv6 address",
        ),
        (
            "nodes: {a: , b: , c: , d: }\nnetworks: {s: {kind: hub, members: [a, b, c], prefix: 10.0.0.0/30}}",
            "2:55: hub s: 10.0.0.0/30 has room for 2 hosts, not for 3",
        ),
        (
            "nodes: {a: , b: }\nnetworks:\n  s: {members: [a, b], prefix: 10.0.0.0/8}\n"
            "  t: {members: [a, b], prefix: 10.1.0.0/16}",
            "4:32: link t: 10.1.0.0/16 overlaps 10.0.0.0/8, which is link s",
        ),
        (
            "nodes: {a: {addresses: [10.0.0.1/8]}, b: }\nnetworks: {s: {members: [a, b], prefix: 192.0.2.0/24}}",
            "2:26: link s: 'a' has addresses, but none on 192.0.2.0/24",
        ),
        ("nodes: {g: {kind: nat, idle_timeout: 0s}}", "1:38: nat g: an idle timeout is longer than nothing"),
        ("nodes: {g: {kind: nat, on_expire: boom}}", "1:35: nat g: on_expire is drop or rst, not 'boom'"),
        ("nodes: {g: {kind: nat, idle_timeout: 5 s}}", "1:38: idle_timeout '5 s' is no time such as 600s"),
    ],
)
def test_what_cannot_be_meant_is_told_with_its_place(text: str, complaint: str) -> None:
    found = complaints(text)
    assert any(complaint in line for line in found), found


def test_of_a_network_that_is_wrong_it_is_still_known_who_is_on_it() -> None:
    text = "nodes: {g: {kind: nat}, a: , b: }\nnetworks: {s: {members: [g, a], mtu: x}, t: {members: [g, b]}}"
    assert only(text) == "2:38: networks.s.mtu: expected a whole number"


def test_a_file_is_called_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "lab.yaml"
    path.write_text(LAB)
    assert Topology.load(path) == Topology.load(str(path)) == Topology.parse(LAB)
    path.write_text("nodes: 3")
    with pytest.raises(ConfigError, match=r"lab\.yaml:1:8: nodes: expected names"):
        Topology.load(path)


def test_a_file_that_cannot_be_read_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml cannot be read: No such file or directory"):
        Topology.load(tmp_path / "none.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"nodes: \xff")
    with pytest.raises(ConfigError, match=r"binary\.yaml is no text in UTF-8: invalid start byte at octet 7"):
        Topology.load(tmp_path / "binary.yaml")

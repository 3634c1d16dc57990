import re
from xml.etree import ElementTree

from hypothesis import given

from halfopen.sim.drawing import Picture
from halfopen.sim.network import Network
from halfopen.sim.shapes import Label, wrapped
from halfopen.sim.topology import Topology
from halfopen.sim.topology_parts import HOST, NAT, ROUTER, SWITCH, Member, Node, Segment
from tests.sim.topologies import topologies

SVG = "{http://www.w3.org/2000/svg}"


def home(network: Network) -> Topology:
    """A host and a NAT on a switch, and a router beyond."""
    pc, nat, isp = network.host("pc"), network.nat("nat", idle_timeout=60), network.router("isp")
    network.switch("lan", pc, nat, words="delay 1ms")
    network.link(nat, isp, "rate 16mbit", back="rate 1mbit", mtu=1492)
    return network.topology


def texts(topology: Topology) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(topology.as_svg()).iter(f"{SVG}text")]


def test_a_drawing_says_all_that_is_known() -> None:
    with Network() as network:
        shown = texts(home(network))
    assert {"pc", "nat", "isp", "lan"} <= set(shown)
    assert {"HOST", "NAT", "ROUTER", "SWITCH"} <= set(shown)
    assert {"192.0.2.1", "192.0.2.2", "198.51.100.1", "198.51.100.2"} <= set(shown)
    assert {"192.0.2.0/24", "198.51.100.0/24", "delay 1ms", "mtu 1492", "idle timeout 60.0 s"} <= set(shown)
    assert {"→ rate 16mbit", "← rate 1mbit", "inside", "outside"} <= set(shown)


def test_kinds_look_different() -> None:
    with Network() as network:
        home(network)
        cards = Picture(network.topology.nodes, network.topology.segments).cards.values()
    assert {card.kind for card in cards} == {HOST, ROUTER, NAT, SWITCH}
    assert len({card.colors for card in cards}) == 4


def test_names_are_no_markup() -> None:
    segment = Segment(name="s", members=(Member("<b>&"), Member('"x"')))
    topology = Topology((Node(name="<b>&"), Node(name='"x"')), (segment,))
    assert "<b>&" in texts(topology)
    assert "&lt;b&gt;&amp;" in topology.as_mermaid()
    assert "#quot;x#quot;" in topology.as_mermaid()


def test_nothing_can_be_drawn() -> None:
    assert ElementTree.fromstring(Topology().as_svg()).tag == f"{SVG}svg"
    assert Topology().as_mermaid().startswith("flowchart LR\n")


def test_the_mermaid_chart_has_a_line_for_each_node_and_each_way_between() -> None:
    with Network() as network:
        lines = home(network).as_mermaid().splitlines()
    assert lines[:4] == [
        "flowchart LR",
        '    n0["<b>pc</b><br/>192.0.2.1/24"]:::host',
        '    n1{{"<b>nat</b><br/>192.0.2.2/24<br/>198.51.100.1/24<br/>idle timeout 60.0 s"}}:::nat',
        '    n2(("<b>isp</b><br/>198.51.100.2/24")):::router',
    ]
    assert '    s0[["<b>lan</b><br/>delay 1ms<br/>192.0.2.0/24"]]:::switch' in lines
    assert "    n0 --- s0" in lines
    assert '    n1 ---|"rate 16mbit<br/>back: rate 1mbit<br/>mtu 1492<br/>198.51.100.0/24"| n2' in lines


def test_a_notebook_shows_the_drawing() -> None:
    with Network() as network:
        topology = home(network)
    assert topology._repr_svg_() == topology.as_svg()  # what notebooks call


@given(topologies())
def test_every_topology_can_be_drawn_within_its_page_and_no_cards_overlap(topology: Topology) -> None:
    picture = Picture(topology.nodes, topology.segments)
    width, height = picture.size
    cards = list(picture.cards.values())
    for card in cards:
        assert 0 < card.x - card.width / 2 < card.x + card.width / 2 < width
        assert 0 < card.y - card.height / 2 < card.y + card.height / 2 < height
        box = Label(card.x, card.y, card.width, card.height, [])
        assert sum(box.covers(other) for other in cards) == 1
    root = ElementTree.fromstring(topology.as_svg())
    lines = [path for path in root.iter(f"{SVG}path") if path.get("stroke-width") == "2"]
    links = sum(1 if segment.kind == "link" else len(segment.members) for segment in topology.segments)
    assert len(lines) == links
    assert len(re.findall(r":::", topology.as_mermaid())) == len(cards)


def test_long_words_are_broken_before_the_names_of_impairments() -> None:
    words = "delay 8ms 2ms distribution normal loss gemodel 1% 10% rate 10mbit limit 100"
    assert wrapped(words) == ["delay 8ms 2ms", "distribution normal", "loss gemodel 1% 10%", "rate 10mbit limit 100"]
    assert wrapped("3g") == ["3g"]
    assert wrapped("") == []

import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halfopen.report.arrows import Arrow
from halfopen.report.ladder import Ladder

MS = 1_000_000
SVG = "{http://www.w3.org/2000/svg}"


def arrow(when: int, source: str, destination: str, label: str, **more) -> Arrow:
    return Arrow(when=when * MS, source=source, destination=destination, label=label, **more)


def three_hosts() -> Ladder:
    return Ladder.of(
        (
            arrow(1000, "client", "server", "SYN seq=1", details="<mss 1460>"),
            arrow(1001, "router", "client", "ICMP fragmentation needed mtu=1400"),
            arrow(1003, "server", "client", "SYN,ACK seq=7 ack=2", lost=True, note="dropped by netem"),
            arrow(1004, "client", "client", "ping"),
        ),
        lifelines=("client", "router"),
    )


def test_lifelines_stand_in_the_order_given_and_then_in_that_of_appearance() -> None:
    assert three_hosts().lifelines == ("client", "router", "server")
    assert Ladder.of((arrow(5, "c", "b", ""), arrow(1, "b", "a", ""))).lifelines == ("b", "a", "c")


def test_text_shows_three_hosts_crossings_losses_and_loops() -> None:
    assert three_hosts().as_text(72).splitlines() == [
        "       client                       router                       server",
        "          │                            │                            │",
        "0.000000  │─ SYN seq=1 <mss 1460> ─────┼───────────────────────────▶│",
        "0.001000  │◀─ ICMP fragmentation ──────│                            │",
        "          │  needed mtu=1400           │                            │",
        "0.003000  │              ✗─ SYN,ACK seq=7 ack=2 ────────────────────│",
        "          │  (dropped by netem)        │                            │",
        "0.004000  │⟲ ping                      │                            │",
    ]


def test_an_empty_ladder_is_empty_in_every_form() -> None:
    empty = Ladder.of(())
    assert empty.as_text() == ""
    assert empty.as_mermaid() == "sequenceDiagram"
    assert ElementTree.fromstring(empty.as_svg()).tag == SVG + "svg"


def test_frames_that_cannot_be_shown_are_counted() -> None:
    ladder = Ladder.of((arrow(0, "a", "b", "x"),), omitted=3)
    assert ladder.as_text().splitlines()[-1] == "3 frames are not shown: not IPv4 or ARP, or malformed"
    assert ladder.as_mermaid().splitlines()[-1] == "%% 3 frames are not shown: not IPv4 or ARP, or malformed"
    assert Ladder.of((), omitted=1).as_text().endswith("1 frame is not shown: not IPv4 or ARP, or malformed")


def test_a_label_too_long_for_its_arrow_goes_on_below_it() -> None:
    words = " ".join(f"word{index}" for index in range(12))
    lines = Ladder.of((arrow(0, "a", "b", words, details="<one,two>", note="seen"),)).as_text(50).splitlines()
    assert max(map(len, lines)) <= 50
    assert lines[2].startswith("0.000000  │─ word0 word1")
    assert lines[2].endswith("─▶│")
    assert lines[-2:] == ["          │  <one,two>" + " " * 27 + "│", "          │  (seen)" + " " * 30 + "│"]
    assert re.findall(r"word\d+", "".join(lines)) == words.split()


def test_options_that_fit_on_no_line_are_broken_at_their_commas() -> None:
    lines = Ladder.of((arrow(0, "a", "b", "SYN", details="<mss 1460,sackOK,TS val 1 ecr 0>"),)).as_text(40).splitlines()
    assert [line[11:].rstrip("│ ") for line in lines[3:]] == ["  <mss 1460, sackOK, TS val", "  1 ecr 0>"]


def test_a_routine_arrow_spends_no_line_on_its_details() -> None:
    long = "ACK seq=1 ack=2 win=3"
    narrow = Ladder.of((arrow(0, "a", "b", long, details="<TS val 1 ecr 2>", is_routine=True),))
    assert len(narrow.as_text(44).splitlines()) == 3
    assert "<TS val 1 ecr 2>" in narrow.as_text(80)


def test_many_arrows_are_folded_to_the_limit() -> None:
    ladder = Ladder.of(arrow(when, "a", "b", str(when), is_routine=True) for when in range(300))
    assert "... 240 segments ..." in ladder.as_text()
    assert sum("▶" in line for line in ladder.as_text().splitlines()) == 60
    assert sum("▶" in line for line in ladder.as_text(limit=10).splitlines()) == 10
    assert "Note over h0,h1: ... 290 segments ..." in ladder.as_mermaid(limit=10)
    assert "... 290 segments ..." in ladder.as_svg(limit=10)


MERMAID_LINE = re.compile(
    r"    (participant h\d+ as [^;#]*|h\d+(->>|-x)h\d+: .*|Note over h\d+(,h\d+)?: .*)|sequenceDiagram"
)


def test_mermaid_has_a_participant_a_lifeline_and_a_message_an_arrow() -> None:
    assert three_hosts().as_mermaid().splitlines() == [
        "sequenceDiagram",
        "    participant h0 as client",
        "    participant h1 as router",
        "    participant h2 as server",
        "    h0->>h2: 0.000000 SYN seq=1 #60;mss 1460#62;",
        "    h1->>h0: 0.001000 ICMP fragmentation needed mtu=1400",
        "    h2-xh0: 0.003000 SYN,ACK seq=7 ack=2 (dropped by netem)",
        "    h0->>h0: 0.004000 ping",
    ]


def svg_of(ladder: Ladder) -> ElementTree.Element:
    return ElementTree.fromstring(ladder.as_svg())


def slopes(ladder: Ladder) -> list[float]:
    """Degrees by which each arrow falls, in the order of drawing; negative ones go to the left."""
    groups = [group for group in svg_of(ladder).iter(SVG + "g") if group.find(SVG + "line") is not None]
    return [float(re.search(r"rotate\((.*)\)", group.get("transform", ""))[1]) for group in groups]


def test_svg_is_well_formed_and_holds_every_text() -> None:
    texts = ["".join(text.itertext()) for text in svg_of(three_hosts()).iter(SVG + "text")]
    for expected in ("client", "router", "server", "SYN seq=1", "<mss 1460>", "dropped by netem", "ping"):
        assert expected in texts
    assert [text for text in texts if text.startswith("0.")] == ["0.000000", "0.001000", "0.003000", "0.004000"]


def test_svg_arrows_are_level_unless_the_arrival_is_known() -> None:
    level, falling, answer = slopes(
        Ladder.of(
            (
                arrow(0, "a", "b", "level"),
                arrow(10, "a", "b", "falls", arrived=20 * MS),
                arrow(20, "b", "a", "falls too", arrived=30 * MS),
            )
        )
    )
    assert level == 0
    assert falling > 0 > answer


def test_svg_draws_a_lost_arrow_as_steep_as_the_one_that_arrived_before_it() -> None:
    arrived, lost = slopes(Ladder.of((arrow(0, "a", "b", "1", arrived=10 * MS), arrow(10, "a", "b", "2", lost=True))))
    assert arrived > 0
    assert lost == arrived
    drawn = Ladder.of((arrow(0, "a", "b", "2", lost=True),)).as_svg()
    assert 'class="lost"' in drawn
    assert 'class="head"' not in drawn


def test_svg_time_runs_down_and_pauses_keep_their_proportion() -> None:
    ladder = Ladder.of(arrow(when, "a", "b", "x") for when in (0, 10, 20, 40, 10_000))
    heights = [float(text.get("y", "")) for text in svg_of(ladder).iter(SVG + "text") if text.get("class") == "time"]
    pauses = [later - earlier for earlier, later in pairwise(heights)]
    assert pauses[0] == pauses[1]
    assert pauses[2] == pytest.approx(2 * pauses[0])
    assert pauses[3] < 4 * pauses[0]
    assert 'class="break"' in ladder.as_svg()


hosts = st.text(min_size=1, max_size=12)


@given(
    st.lists(
        st.builds(
            Arrow,
            when=st.integers(0, 1 << 62),
            source=hosts,
            destination=hosts,
            label=st.text(max_size=90),
            details=st.text(max_size=60),
            note=st.text(max_size=30),
            lost=st.booleans(),
            arrived=st.none() | st.integers(0, 1 << 62),
            is_routine=st.booleans(),
        ),
        max_size=8,
    ),
    st.integers(1, 200),
)
def test_any_ladder_can_be_shown_in_every_form(arrows: list[Arrow], width: int) -> None:
    ladder = Ladder.of(arrows)
    text = ladder.as_text(width)
    assert all(line.isprintable() for line in text.splitlines())
    assert len(ElementTree.fromstring(ladder.as_svg()).findall(f"{SVG}text[@class='time']")) == len(arrows)
    assert all(MERMAID_LINE.fullmatch(line) or "participant" in line for line in ladder.as_mermaid().splitlines())


def test_a_way_over_routers_is_drawn_from_lifeline_to_lifeline() -> None:
    ladder = Ladder.of(
        (
            arrow(0, "client", "server", "one", arrived=9 * MS, waypoints=((3 * MS, "r1"),)),
            arrow(20, "client", "server", "two", lost=True, waypoints=((23 * MS, "r1"),)),
        )
    )
    assert ladder.lifelines == ("client", "r1", "server")
    root = ElementTree.fromstring(ladder.as_svg())
    groups = [each for each in root.iter(SVG + "g") if each.find(SVG + "line") is not None]
    kinds = [each.find(SVG + "line").get("class") for each in groups]
    assert kinds == ["arrow", "arrow", "arrow", "lost"]
    assert [each.find(SVG + "circle") is not None for each in groups] == [True, False, True, False]
    starts = [re.search(r"translate\(([\d.]+)", each.get("transform"))[1] for each in groups]
    assert starts[0] == starts[2] != starts[1] == starts[3]


def test_notebooks_show_the_drawing() -> None:
    assert three_hosts()._repr_svg_() == three_hosts().as_svg()


def test_routers_stand_between_those_whom_they_join() -> None:
    ladder = Ladder.of(
        (
            arrow(0, "phone", "nat", "one"),
            arrow(1, "nat", "server", "two", waypoints=((2 * MS, "r1"),)),
            arrow(5, "tablet", "nat", "three"),
        )
    )
    assert ladder.lifelines == ("phone", "nat", "r1", "server", "tablet")


def test_the_end_of_a_ladder_may_keep_the_times_of_the_whole() -> None:
    end = three_hosts().last(2, 900 * MS)
    assert [row.when for row in end.rows()] == [1003 * MS, 1004 * MS]
    lines = end.as_text(72).splitlines()
    assert lines[0] == three_hosts().as_text(72).splitlines()[0]
    assert [line.split()[0] for line in lines if line[:1] == "0"] == ["0.103000", "0.104000"]

from collections import Counter

from halfopen.report.flows import flows_of
from halfopen.report.marks import Kind
from halfopen.report.time_sequence import TimeSequence
from halfopen.sim.rules import Rule, drop
from halfopen.wire.tcp import ACK, FIN, PSH, RST, SYN
from halfopen.wire.tcp_options import Options
from tests.report.captures import only_flow, two_hosts
from tests.report.frames import ALICE, captured, segment


def graph_of(*frames: bytes, apart: int = 10_000, **more) -> TimeSequence:
    (flow,) = flows_of([captured(index * apart, frame) for index, frame in enumerate(frames)])
    return TimeSequence.of(flow, flow.forth, **more)


def opened(*frames: bytes, **more) -> TimeSequence:
    return graph_of(segment(SYN, 100), segment(SYN | ACK, 900, 101, reply=True), *frames, **more)


def places(graph: TimeSequence, kind: Kind) -> list[tuple[int, int]]:
    return [(mark.low, mark.high) for mark in graph.of_kind(kind)]


def test_segments_are_bars_with_signs_for_their_flags() -> None:
    graph = opened(segment(ACK | PSH, 101, 901, data=b"hello"), segment(ACK | FIN, 106, 901))
    assert places(graph, Kind.DATA) == [(0, 1), (1, 6), (6, 7)]
    assert places(graph, Kind.SYN) == [(1, 1)]
    assert places(graph, Kind.PUSH) == [(6, 6)]
    assert places(graph, Kind.FIN) == [(7, 7)]


def test_a_reset_is_marked_where_it_stands() -> None:
    assert places(opened(segment(RST, 101)), Kind.RESET) == [(1, 1)]


def test_what_is_sent_again_is_a_bar_of_its_own_kind() -> None:
    text = segment(ACK, 101, 901, data=b"hello")
    graph = opened(text, text)
    assert places(graph, Kind.RETRANSMISSION) == [(1, 6)]
    assert "retransmission" in graph.of_kind(Kind.RETRANSMISSION)[0].text


def test_sack_blocks_duplicate_acks_and_closed_windows_are_marked_at_the_senders_place() -> None:
    graph = opened(
        segment(ACK, 101, 901, data=bytes(100)),
        segment(ACK, 201, 901, data=bytes(100)),
        segment(ACK, 901, 101, reply=True, options=Options(sack=((201, 301),))),
        segment(ACK, 901, 301, reply=True, window=0),
    )
    assert places(graph, Kind.SACK) == [(101, 201)]
    assert places(graph, Kind.DUPLICATE_ACK) == [(1, 1)]
    assert places(graph, Kind.ZERO_WINDOW) == [(201, 201)]


def test_a_block_below_the_ack_is_a_duplicate_sack() -> None:
    report = Options(sack=((101, 106),))
    graph = opened(
        segment(ACK, 101, 901, data=b"hello"), segment(ACK, 901, 106, reply=True, options=report), apart=1000
    )
    assert places(graph, Kind.DSACK) == [(1, 6)]


def test_the_stairs_reach_to_the_end() -> None:
    graph = opened(segment(ACK, 101, 901, data=b"hello"))
    assert graph.acked[-1] == (graph.stop, 1)
    assert graph.allowed[-1] == (graph.stop, 64241)


def test_a_segment_says_what_it_is() -> None:
    graph = opened(segment(ACK | PSH, 101, 901, data=b"hello"), names={ALICE: "alice"})
    assert graph.title == "alice:40000 → 192.0.2.2:80"
    assert graph.of_kind(Kind.PUSH)[0].text == "#3 0.020000 s PSH,ACK 1:6 ack 1 win 64240"


def test_the_subtitle_counts_what_happened() -> None:
    text = segment(ACK, 101, 901, data=b"hello")
    assert opened(text, text).subtitle == (
        "5 B in 30 ms · 3 segments, 1 retransmission, 0 lost · 0 duplicate ACKs"
        " · round trip 10 ms / 10 ms / 10 ms (min, mean, max)"
    )


def test_a_lost_syn_ack_shows_as_a_second_syn() -> None:
    flow = only_flow(two_hosts("delay 30ms", rule=lose_syn_ack))
    assert places(TimeSequence.of(flow, flow.forth), Kind.RETRANSMISSION)[0] == (0, 1)
    lost = TimeSequence.of(flow, flow.back).of_kind(Kind.LOST)
    assert "dropped by link client-server, rule 1" in lost[0].text


def lose_syn_ack() -> Rule:
    return drop(syn=True, ack=True, first=1)


def test_every_kind_of_trouble_of_a_simulated_network_is_marked() -> None:
    flow = only_flow(two_hosts("rate 10mbit delay 20ms loss 2% limit 100", 400_000))
    graph = TimeSequence.of(flow, flow.forth)
    count = Counter(mark.kind for mark in graph.marks)
    assert count[Kind.LOST] == sum(one.passage.is_lost for one in flow.forth.sent if one.stop > one.start)
    assert count[Kind.RETRANSMISSION] == flow.forth.retransmissions
    assert graph.highest == 400_002
    assert f"{count[Kind.LOST]} lost" in graph.subtitle


def test_an_empty_direction_is_an_empty_graph() -> None:
    (flow,) = flows_of([captured(0, segment(SYN, 1))])
    graph = TimeSequence.of(flow, flow.back)
    assert (graph.marks, graph.acked, graph.highest) == ((), (), 0)

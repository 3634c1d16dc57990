import io
import json
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from halfopen.base.clock import MILLISECOND
from halfopen.capture.pcapng import Writer
from halfopen.capture.record import CapturedInterface, Record
from halfopen.report.flows import Flow, acknowledgements, flows_of, format_endpoint
from halfopen.report.sender import sender_view
from halfopen.wire.tcp import ACK, FIN, SYN
from halfopen.wire.tcp_options import Options
from tests.report.captures import Capture, only_flow, over_a_router, two_hosts
from tests.report.frames import ALICE, BOB, TUN, captured, segment

LOSSY = "rate 10mbit delay 20ms loss 2% limit 100"


def flow_of(*frames: bytes, apart: int = 10_000) -> Flow:
    (flow,) = flows_of([captured(index * apart, frame) for index, frame in enumerate(frames)])
    return flow


def opened(*frames: bytes, scales: tuple[int | None, int | None] = (7, 8)) -> Flow:
    offers = [Options(mss=1460, window_scale=scale) for scale in scales]
    return flow_of(
        segment(SYN, 100, options=offers[0]),
        segment(SYN | ACK, 900, 101, reply=True, options=offers[1]),
        segment(ACK, 101, 901, window=500),
        *frames,
    )


def test_sequence_numbers_count_from_the_initial_ones_in_both_directions() -> None:
    flow = opened(segment(ACK, 101, 901, data=b"hello"), segment(ACK, 901, 106, reply=True))
    assert [(one.start, one.stop) for one in flow.forth.sent] == [(0, 1), (1, 1), (1, 6)]
    assert [one.ack for one in flow.back.sent] == [1, 6]
    assert (flow.forth.octets, flow.back.octets) == (5, 0)


def test_windows_are_scaled_only_after_the_syns_and_only_if_both_ends_offer_it() -> None:
    assert [one.window for one in opened().forth.sent] == [64240, 500 << 7]
    assert [one.window for one in opened(scales=(7, None)).forth.sent] == [64240, 500]


def test_the_direction_of_the_opener_is_first_even_if_its_syn_was_not_captured() -> None:
    flow = flow_of(segment(SYN | ACK, 900, 101, reply=True), segment(ACK, 101, 901))
    assert flow.forth.source == (ALICE, 40000)


def test_a_syn_with_another_number_on_the_same_ports_is_another_connection() -> None:
    frames = [segment(SYN, 100), segment(SYN, 100), segment(SYN, 5000)]
    flows = flows_of([captured(index, frame) for index, frame in enumerate(frames)])
    assert [len(flow.forth.sent) for flow in flows] == [2, 1]
    assert flows[0].forth.retransmissions == 1


def test_octets_sent_again_count_once() -> None:
    text = segment(ACK, 101, 901, data=bytes(100))
    flow = opened(text, text, segment(ACK | FIN, 201, 901, data=bytes(50)))
    assert flow.forth.octets == 150
    assert flow.forth.retransmissions == 1


def test_what_fills_a_gap_at_once_was_overtaken_and_later_was_sent_again() -> None:
    late, early = segment(ACK, 101, 901, data=bytes(10)), segment(ACK, 111, 901, data=bytes(10))
    start = [segment(SYN, 100), segment(SYN | ACK, 900, 101, reply=True)]
    soon, afterwards = flow_of(*start, early, late, apart=1000), flow_of(*start, early, late, apart=10_000)
    assert [(one.is_out_of_order, one.is_retransmission) for one in soon.forth.sent[1:]] == [
        (False, False),
        (True, False),
    ]
    assert afterwards.forth.sent[2].is_retransmission


def test_an_octet_that_is_acknowledged_already_is_a_probe() -> None:
    flow = opened(
        segment(ACK, 101, 901, data=b"hello"),
        segment(ACK, 901, 106, reply=True),
        segment(ACK, 105, 901),
        segment(ACK, 105, 901, data=b"o"),
    )
    assert [one.is_probe for one in flow.forth.sent[-2:]] == [True, True]
    assert flow.forth.retransmissions == 0


def test_other_protocols_fragments_and_damage_make_no_flow() -> None:
    damaged = bytearray(segment(SYN, 1))
    damaged[32] = 0x10  # A header of four octets.
    assert flows_of([captured(0, bytes(damaged))]) == []


def test_a_sender_has_the_acks_in_the_order_in_which_they_arrive() -> None:
    flow = only_flow(two_hosts(LOSSY))
    instants = [when for when, _ in acknowledgements(flow, flow.forth)]
    assert instants == sorted(instants)
    assert instants[0] == flow.back.sent[0].passage.arrived


def test_every_lost_segment_of_a_simulated_transfer_is_sent_again() -> None:
    flow = only_flow(two_hosts(LOSSY, 400_000))
    lost = [one for one in flow.forth.sent if one.passage.is_lost]
    assert len(lost) > 0
    again = [one for one in flow.forth.sent if one.is_retransmission]
    assert {(one.start, one.stop) for one in lost} <= {(one.start, one.stop) for one in again}
    assert flow.forth.octets == 400_000


def test_segments_that_were_overtaken_in_a_simulated_network_are_out_of_order() -> None:
    flow = only_flow(two_hosts("delay 20ms reorder 5%"))
    assert any(one.is_out_of_order for one in flow.forth.sent)
    assert not any(one.is_out_of_order for one in only_flow(two_hosts(LOSSY)).forth.sent)


def test_a_flow_over_a_router_is_one_flow() -> None:
    records, names = over_a_router()
    (flow,) = flows_of(records)
    assert format_endpoint(flow.forth.source, names).startswith("client:")
    assert all(len(one.passage.sightings) == 4 for one in flow.forth.sent)
    transit = [one.passage.arrived - one.passage.departed for one in flow.forth.sent[1:] if one.passage.arrived]
    assert min(transit) == 25 * MILLISECOND


def test_corrupted_segments_count_once_and_not_as_received() -> None:
    flow = only_flow(two_hosts("delay 20ms corrupt 5%"))
    wasted = [one for one in flow.forth.sent if one.passage.is_wasted]
    assert len(wasted) > 0
    assert {one.start for one in wasted} <= {one.start for one in flow.forth.sent if one.is_retransmission}


def as_the_client_saw_it(capture: Capture, path: Path) -> Path:
    """A file of the records of one interface, as other programs understand captures."""
    interface: CapturedInterface | None = None
    file = io.BytesIO()
    writer = Writer(file)
    for record in capture[0]:
        if record.interface.name == "client.eth0":
            if interface is None:
                interface = record.interface
                writer.add_interface(interface.name, interface.linktype)
            writer.write(0, record.when, record.octets, direction=record.direction)
    path.write_bytes(file.getvalue())
    return path


def judged_by_tshark(path: Path) -> Counter[str]:
    """How many frames have each of tshark's remarks, with who sent them."""
    remarks = ("retransmission", "out_of_order", "duplicate_ack", "zero_window", "keep_alive")
    command = ["tshark", "-r", str(path), "-T", "json", "-Y", "tcp"]
    frames = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)
    counts: Counter[str] = Counter()
    for frame in frames:
        layers = frame["_source"]["layers"]
        sender = "client" if layers["ip"]["ip.src"] == "192.0.2.1" else "server"
        found = json.dumps(layers["tcp"].get("tcp.analysis", {}))
        counts[sender] += 1
        counts.update(f"{sender} {remark}" for remark in remarks if f'"tcp.analysis.{remark}"' in found)
    return counts


@pytest.mark.needs("tshark")
@pytest.mark.parametrize(
    "capture",
    [
        pytest.param(lambda: two_hosts(LOSSY, 400_000), id="loss"),
        pytest.param(lambda: two_hosts("rate 10mbit delay 20ms limit 30", 400_000), id="full queue"),
        pytest.param(lambda: two_hosts("delay 5ms rate 50mbit", 2_000_000, pause=3.0), id="zero window"),
    ],
)
def test_the_figures_are_those_of_tshark(capture, tmp_path: Path) -> None:
    records = capture()
    counts = judged_by_tshark(as_the_client_saw_it(records, tmp_path / "client.pcapng"))
    flow = only_flow(records)
    view = sender_view(flow, flow.forth)
    assert len(flow.forth.sent) == counts["client"]
    assert sum(one.passage.received is not None for one in flow.back.sent) == counts["server"]
    # At the sender nothing can be out of order; tshark does not know that it looks from there.
    assert flow.forth.retransmissions == counts["client retransmission"] + counts["client out_of_order"]
    # Nor does it ask whether anything is outstanding (RFC 5681 2): what follows the ACK of all is not a duplicate.
    needless = sum(one.ack == view.acked[-1][1] for one in flow.back.sent) - 1
    assert 0 <= counts["server duplicate_ack"] - len(view.duplicate_acks) <= needless
    assert len(view.zero_windows) == counts["server zero_window"]
    assert sum(one.is_probe for one in flow.forth.sent) == counts["client keep_alive"]


def test_frames_without_time_and_direction_do_no_harm() -> None:
    flow = flows_of([Record(0, TUN, segment(SYN, 1), original_octets=40)])[0]
    assert (flow.began, flow.ended) == (0, 0)
    assert flow.other(flow.back) is flow.forth
    assert format_endpoint((BOB, 80), {}) == "192.0.2.2:80"

import io

from hypothesis import given
from hypothesis import strategies as st

from halfopen.base.addresses import parse_address
from halfopen.base.clock import MILLISECOND
from halfopen.capture.pcapng import Reader, Writer
from halfopen.capture.record import CapturedInterface, Record
from halfopen.report.dissect import ladder_of
from halfopen.sim.rules import Rule, drop
from halfopen.wire import arp, ethernet, icmpv4, ipv4, tcp, udp
from halfopen.wire.tcp import ACK, FIN, PSH, RST, SYN
from halfopen.wire.tcp_options import Options
from tests.report.captures import over_a_router, two_hosts
from tests.report.frames import ALICE, ALICE_MAC, BOB, BOB_MAC, TAP, TUN, arp_frame, captured, datagram, segment

ISS, IRS = 3134554921, 987654321
SYN_OPTIONS = Options(mss=1460, sack_permitted=True, timestamps=(1, 0), window_scale=8)
ANSWER_OPTIONS = Options(mss=1460, sack_permitted=True, timestamps=(77, 1), window_scale=7)


def handshake() -> list[Record]:
    return [
        captured(0, arp_frame(arp.REQUEST, (ALICE_MAC, ALICE), (bytes(6), BOB)), TAP),
        captured(90, arp_frame(arp.REPLY, (BOB_MAC, BOB), (ALICE_MAC, ALICE)), TAP),
        captured(100, segment(SYN, ISS, options=SYN_OPTIONS)),
        captured(220, segment(SYN | ACK, IRS, ISS + 1, reply=True, window=65160, options=ANSWER_OPTIONS)),
        captured(230, segment(ACK, ISS + 1, IRS + 1, window=502, options=Options(timestamps=(2, 77)))),
    ]


def labels(records: list[Record], **options) -> list[str]:
    return [arrow.label for arrow in ladder_of(records, **options).arrows]


def test_a_handshake_is_shown_with_real_sequence_numbers() -> None:
    assert ladder_of(handshake(), names={ALICE: "alice"}).as_text(106).splitlines() == [
        "     alice:40000                                                                              192.0.2.2:80",
        "          │                                                                                         │",
        "0.000000  │─ ARP who-has 192.0.2.2 tell 192.0.2.1 ─────────────────────────────────────────────────▶│",
        "0.000090  │◀─ ARP 192.0.2.2 is-at 02:00:5e:00:53:02 ────────────────────────────────────────────────│",
        "0.000100  │─ SYN seq=3134554921 win=64240 <mss 1460,sackOK,TS val 1 ecr 0,wscale 8> ───────────────▶│",
        "0.000220  │◀─ SYN,ACK seq=987654321 ack=3134554922 win=65160 ───────────────────────────────────────│",
        "          │  <mss 1460,sackOK,TS val 77 ecr 1,wscale 7>                                             │",
        "0.000230  │─ ACK seq=3134554922 ack=987654322 win=502 <TS val 2 ecr 77> ───────────────────────────▶│",
    ]


def test_relative_sequence_numbers_count_from_the_initial_ones() -> None:
    assert labels(handshake(), relative=True)[2:] == [
        "SYN seq=0 win=64240",
        "SYN,ACK seq=0 ack=1 win=65160",
        "ACK seq=1 ack=1 win=502",
    ]


def test_a_capture_from_the_middle_of_a_connection_counts_from_1() -> None:
    records = [
        captured(0, segment(ACK | PSH, 0xFFFFFFFF, 5_000, data=b"abc")),
        captured(1, segment(ACK, 5_000, 2, reply=True)),
    ]
    assert labels(records, relative=True) == ["PSH,ACK seq=1 ack=1 win=64240 len=3", "ACK seq=1 ack=4 win=64240"]


def test_names_may_be_those_that_the_reader_learns_on_its_way() -> None:
    file = io.BytesIO()
    writer = Writer(file)
    number = writer.add_interface("tun0", TUN.linktype)
    for record in handshake()[2:]:
        writer.write(number, record.when, record.octets)
    writer.add_names({ALICE: "alice", BOB: "bob"})
    file.seek(0)
    reader = Reader(file)
    assert ladder_of(reader, names=reader.names).lifelines == ("alice:40000", "bob:80")


def test_a_port_leaves_out_other_conversations_but_neither_arp_nor_icmp() -> None:
    other = tcp.emit(tcp.Segment(40001, 443, 1, flags=SYN), 0)
    question = datagram(ALICE, BOB, ipv4.PROTOCOL_UDP, udp.emit(5353, 53, 8, 0))
    ping = datagram(ALICE, BOB, ipv4.PROTOCOL_ICMP, icmpv4.emit(icmpv4.Icmp(8, 0, 1, b"")))
    records = [
        *handshake()[1:3],
        captured(300, datagram(ALICE, BOB, ipv4.PROTOCOL_TCP, other)),
        captured(301, question),
        captured(302, ping),
    ]
    assert [label.split()[0] for label in labels(records, port=80)] == ["ARP", "SYN", "ICMP"]
    assert labels(records, port=53)[1:] == ["UDP len=0", "ICMP echo request id=0 seq=1 len=0"]
    assert len(labels(records)) == 5


def test_several_conversations_put_their_ports_before_the_labels() -> None:
    other = tcp.emit(tcp.Segment(40001, 443, 1, flags=SYN), 0)
    records = [handshake()[2], captured(300, datagram(ALICE, BOB, ipv4.PROTOCOL_TCP, other))]
    ladder = ladder_of(records)
    assert ladder.lifelines == ("192.0.2.1", "192.0.2.2")
    assert [arrow.label for arrow in ladder.arrows] == [
        "40000 > 80 SYN seq=3134554921 win=64240",
        "40001 > 443 SYN seq=1 win=0",
    ]


def test_on_a_loopback_the_ports_keep_the_two_ends_apart() -> None:
    syn = tcp.emit(tcp.Segment(40000, 80, 1, flags=SYN), 0)
    reset = tcp.emit(tcp.Segment(80, 40000, 0, 2, flags=RST | ACK), 0)
    records = [captured(when, datagram(ALICE, ALICE, 6, octets)) for when, octets in enumerate((syn, reset))]
    ladder = ladder_of(records)
    assert ladder.lifelines == ("192.0.2.1:40000", "192.0.2.1:80")
    assert [(arrow.source, arrow.label) for arrow in ladder.arrows] == [
        ("192.0.2.1:40000", "SYN seq=1 win=0"),
        ("192.0.2.1:80", "RST,ACK seq=0 ack=2 win=0"),
    ]


def test_a_probe_belongs_to_the_host_that_later_announces_the_address() -> None:
    probe = arp_frame(arp.REQUEST, (ALICE_MAC, bytes(4)), (bytes(6), ALICE))
    announcement = arp_frame(arp.REQUEST, (ALICE_MAC, ALICE), (bytes(6), ALICE))
    assert ladder_of([captured(0, probe, TAP)]).lifelines == ("02:00:5e:00:53:01", "192.0.2.1")
    assert ladder_of([captured(0, probe, TAP), captured(9, announcement, TAP)]).lifelines == ("192.0.2.1",)


def test_retransmissions_gaps_and_zero_windows_are_noted_and_never_folded() -> None:
    records = [
        *handshake()[2:],
        captured(300, segment(ACK, ISS + 1, IRS + 1, data=bytes(100))),
        captured(400, segment(ACK, ISS + 1, IRS + 1, data=bytes(100))),
        captured(500, segment(ACK, ISS + 301, IRS + 1, data=bytes(100))),
        captured(600, segment(ACK, ISS + 101, IRS + 1, data=bytes(200))),
        captured(700, segment(ACK, IRS + 1, ISS + 401, reply=True, window=0)),
        captured(800, segment(FIN | ACK, ISS + 401, IRS + 1)),
    ]
    shown = ladder_of(records).arrows[3:]
    assert [arrow.note for arrow in shown] == [
        "",
        "retransmission",
        "200 octets missing before it",
        "fills a gap",
        "zero window",
        "",
    ]
    assert [arrow.is_routine for arrow in shown] == [True, False, False, False, False, False]


def test_a_retransmission_that_closes_the_window_says_both() -> None:
    records = [captured(when, segment(ACK, 1, 1, data=b"x", window=0)) for when in range(2)]
    assert [arrow.note for arrow in ladder_of(records).arrows] == ["zero window", "retransmission, zero window"]


def test_a_comment_is_a_note_and_one_that_begins_with_lost_or_dropped_crosses_the_arrow() -> None:
    records = [
        captured(0, segment(ACK, 1, 1), comment="Dropped by netem"),
        captured(1, segment(ACK, 1, 2), comment="lost in the cable"),
        captured(2, segment(ACK, 1, 3), comment="delayed"),
    ]
    assert [(arrow.note, arrow.lost, arrow.is_routine) for arrow in ladder_of(records).arrows] == [
        ("Dropped by netem", True, False),
        ("lost in the cable", True, False),
        ("delayed", False, False),
    ]


def test_a_frame_seen_on_two_interfaces_is_one_arrow_with_both_times() -> None:
    near, far = CapturedInterface("h1.eth0", TUN.linktype), CapturedInterface("h2.eth0", TUN.linktype)
    sent = segment(SYN, ISS)
    forwarded = datagram(ALICE, BOB, 6, sent[20:], ttl=63) + b"padding"
    (arrow,) = ladder_of([captured(0, sent, near), captured(20, forwarded, far)]).arrows
    assert (arrow.when, arrow.arrived, arrow.note) == (0, 20_000, "")


def test_equal_frames_arrive_in_the_order_in_which_they_left_and_lost_ones_never() -> None:
    near, far = CapturedInterface("h1.eth0", TUN.linktype), CapturedInterface("h2.eth0", TUN.linktype)
    ack = segment(ACK, 1, 1)
    records = [captured(when, ack, near, comment) for when, comment in ((0, "lost"), (1, None), (2, None))]
    records += [captured(when, ack, far) for when in (11, 12)]
    assert [(arrow.when, arrow.arrived) for arrow in ladder_of(records).arrows] == [
        (0, None),
        (1_000, 11_000),
        (2_000, 12_000),
    ]


def test_a_flood_of_equal_frames_on_one_interface_is_as_many_arrows() -> None:
    near, far = CapturedInterface("h1.eth0", TUN.linktype), CapturedInterface("h2.eth0", TUN.linktype)
    flood = [captured(when, segment(SYN, ISS), near) for when in range(5_000)]
    ladder = ladder_of([*flood, captured(9_000, segment(SYN, ISS), far), captured(9_001, segment(SYN, ISS), far)])
    assert len(ladder.arrows) == 5_000
    assert [arrow.arrived for arrow in ladder.arrows[:3]] == [9_000_000, 9_001_000, None]


def test_fragments_other_protocols_and_malformed_contents_are_shown_for_what_they_are() -> None:
    fragment = datagram(ALICE, BOB, 17, bytes(8), dont_fragment=False, more_fragments=True, identification=3)
    records = [
        captured(0, fragment),
        captured(1, datagram(ALICE, BOB, 47, bytes(5))),
        captured(2, datagram(ALICE, BOB, 6, bytes(20))),
        captured(3, datagram(ALICE, BOB, 1, b"\x08\0\0\0\0\0\0\0")),
    ]
    assert [(arrow.label, arrow.note) for arrow in ladder_of(records).arrows] == [
        ("IPv4 fragment id=3 octets 0:8, more follow", ""),
        ("IPv4 protocol 47 len=5", ""),
        ("malformed", "TcpBadHeaderLength"),
        ("malformed", "IcmpBadChecksum"),
    ]


def test_what_names_no_hosts_is_counted_instead() -> None:
    ipv6 = ethernet.emit(BOB_MAC, ALICE_MAC, ethernet.ETHERTYPE_IPV6) + bytes(40)
    broken = bytearray(segment(SYN, 1))
    broken[10] ^= 1
    strange = CapturedInterface("usb0", 220)
    records = [captured(0, ipv6, TAP), captured(1, bytes(broken)), captured(2, b"x", strange), captured(3, b"")]
    ladder = ladder_of(records)
    assert ladder.arrows == ()
    assert ladder.omitted == 4


def test_a_frame_that_the_snapshot_length_has_cut_is_read_as_if_whole() -> None:
    whole = segment(ACK, 1, 1, data=b"x" * 1000)
    cut = Record(0, TUN, whole[:60], original_octets=len(whole))
    assert labels([cut]) == ["ACK seq=1 ack=1 win=64240 len=1000"]


def test_names_may_be_given_for_both_families() -> None:
    names = {parse_address("2001:db8::1"): "never seen", BOB: "bob"}
    assert ladder_of(handshake(), names=names).lifelines == ("192.0.2.1:40000", "bob:80")


@given(
    st.lists(
        st.builds(
            Record,
            when=st.integers(-5, 1 << 62),
            interface=st.sampled_from((TAP, TUN)),
            octets=st.binary(max_size=80)
            | st.builds(lambda head, tail: segment(SYN, 1)[:head] + tail, st.integers(0, 60), st.binary(max_size=60))
            | st.builds(
                lambda kind, octets: datagram(ALICE, BOB, kind, octets), st.integers(0, 20), st.binary(max_size=60)
            ),
            comment=st.none() | st.text(max_size=9),
            original_octets=st.integers(0, 1 << 32),
        ),
        max_size=6,
    ),
    st.booleans(),
)
def test_any_captured_octets_give_a_ladder(records: list[Record], relative: bool) -> None:
    ladder = ladder_of(records, relative=relative)
    assert len(ladder.arrows) + ladder.omitted <= len(records)
    assert ladder.as_text().count("\n") >= len(ladder.arrows)


def test_a_way_over_a_router_is_one_arrow_with_a_waypoint() -> None:
    records, names = over_a_router()
    ladder = ladder_of(records, relative=True, names=names)
    assert [name.split(":")[0] for name in ladder.lifelines] == ["client", "r1", "server"]
    syn = next(arrow for arrow in ladder.arrows if arrow.label.startswith("SYN seq"))
    ((reached, router),) = syn.waypoints
    assert router == "r1"
    assert reached - syn.when == 5 * MILLISECOND
    assert syn.arrived is not None
    assert syn.arrived - reached >= 20 * MILLISECOND
    assert 'class="head" cx=' in ladder.as_svg()


def test_a_loss_by_a_rule_is_a_lost_arrow_with_the_reason() -> None:
    records, names = two_hosts("delay 30ms", rule=lose_syn_ack)
    (lost,) = [arrow for arrow in ladder_of(records, names=names).arrows if arrow.lost]
    assert lost.label.startswith("SYN,ACK")
    assert lost.note == "dropped by link client-server, rule 1"
    assert (lost.arrived, lost.is_routine) == (None, False)


def test_what_the_network_repeats_arrives_once_more_from_the_same_departure() -> None:
    client, server = CapturedInterface("client.eth0", TUN.linktype), CapturedInterface("server.eth0", TUN.linktype)
    octets = segment(ACK, 2, 2, data=b"x")
    records = [
        Record(0, client, octets, "duplicated by link a-b, rule 1", "outbound"),
        Record(9, server, octets, None, "inbound"),
        Record(12, server, octets, None, "inbound"),
    ]
    first, again = ladder_of(records).arrows
    assert [(arrow.when, arrow.arrived) for arrow in (first, again)] == [(0, 9), (0, 12)]
    assert again.note == "the same once more, made by the network"


def test_what_a_router_keeps_ends_there() -> None:
    left, right = CapturedInterface("r1.eth0", TUN.linktype), CapturedInterface("r1.eth1", TUN.linktype)
    client, server = CapturedInterface("client.eth0", TUN.linktype), CapturedInterface("server.eth0", TUN.linktype)
    through, kept = (datagram(ALICE, BOB, 17, udp.emit(5000, port, 8, 0)) for port in (1, 2))
    records = [
        Record(0, client, through, None, "outbound"),
        Record(1, left, through, None, "inbound"),
        Record(1, right, through, None, "outbound"),
        Record(2, server, through, None, "inbound"),
        Record(10, client, kept, None, "outbound"),
        Record(11, left, kept, None, "inbound"),
    ]
    ladder = ladder_of(records, names={ALICE: "client", BOB: "server"})
    assert [arrow.destination for arrow in ladder.arrows] == ["server", "r1"]
    assert not ladder.arrows[1].lost


def test_what_is_lost_before_a_router_ends_there() -> None:
    names = ("client.eth0", "r1.eth0", "r1.eth1", "server.eth0")
    client, left, right, server = (CapturedInterface(name, TUN.linktype) for name in names)
    through, lost, later = (segment(ACK, number, 1, data=b"x") for number in (1, 2, 3))
    records = [
        Record(0, client, through, None, "outbound"),
        Record(1, left, through, None, "inbound"),
        Record(1, right, through, None, "outbound"),
        Record(2, server, through, None, "inbound"),
        Record(5, client, lost, "lost by link client-r1", "outbound"),
        Record(6, client, later, None, "outbound"),
        Record(7, left, later, None, "inbound"),
        Record(7, right, later, "dropped: queue of r1-server full", "outbound"),
    ]
    _, first, second = ladder_of(records, names={ALICE: "client", BOB: "server"}).arrows
    assert (first.lost, first.destination) == (True, "r1")
    assert (second.lost, second.destination, second.waypoints) == (True, "server:80", ((7, "r1"),))


def test_what_the_capture_says_itself_is_not_said_twice() -> None:
    syn = segment(SYN, ISS)
    records = [captured(0, syn), captured(1, syn, comment="SYN retransmission 1"), captured(2, syn)]
    assert [arrow.note for arrow in ladder_of(records).arrows] == ["", "SYN retransmission 1", "retransmission"]


def lose_syn_ack() -> Rule:
    return drop(syn=True, ack=True, first=1)

from halfopen.base.addresses import Prefix, parse_address
from halfopen.stack.interface import Interface
from halfopen.stack.ndp_output import link_local_of, make_frame, make_group_frame, make_packet, source_towards
from halfopen.wire.ndp import NeighborSolicitation
from tests.stack.ndp_world import FAR, NETWORK, NODES, OUR_MAC, OURS, PEER, PEER_LOCAL, PEER_MAC, header_of, message_of

LOCAL = parse_address("fe80::1")


def interface(*addresses: bytes) -> Interface:
    made = Interface("eth0", "ethernet", mac=OUR_MAC)
    made.addresses = [(address, Prefix.of(address, 64 if len(address) == 16 else 24)) for address in addresses]
    return made


def test_a_message_for_a_neighbor_has_a_hop_limit_of_255_and_a_good_checksum() -> None:
    frame = make_frame(interface(), PEER_MAC, make_packet(OURS, PEER, NeighborSolicitation(PEER)))
    assert frame.head[:14] == PEER_MAC + OUR_MAC + b"\x86\xdd"
    assert header_of(frame).hop_limit == 255
    assert message_of(frame) == NeighborSolicitation(PEER)


def test_a_message_for_a_group_goes_to_the_address_of_the_group() -> None:
    frame = make_group_frame(interface(), LOCAL, NODES, NeighborSolicitation(PEER))
    assert frame.head[:6] == bytes.fromhex("333300000001")
    assert (header_of(frame).source, header_of(frame).destination) == (LOCAL, NODES)


def test_the_link_local_address_is_found_among_others() -> None:
    assert link_local_of(interface(parse_address("169.254.0.1"), OURS, LOCAL)) == LOCAL
    assert link_local_of(interface(OURS)) is None


def test_questions_come_from_the_address_that_wants_to_know_or_one_near_the_target() -> None:
    own = interface(parse_address("192.0.2.1"), FAR, OURS, LOCAL)
    assert source_towards(own, PEER, FAR) == FAR
    assert source_towards(own, PEER, PEER) == OURS
    assert source_towards(own, PEER_LOCAL) == LOCAL
    assert source_towards(own, parse_address("2001:db8:7::1")) == LOCAL
    assert source_towards(interface(FAR), PEER) == FAR
    assert source_towards(interface(FAR), PEER_LOCAL) is None
    assert source_towards(interface(parse_address("192.0.2.1")), PEER) is None
    assert PEER in NETWORK

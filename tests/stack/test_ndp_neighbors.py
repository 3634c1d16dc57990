import pytest

from halfopen.base.clock import MINUTE, NEVER, SECOND
from halfopen.stack.config_ndp import NdpConfig
from halfopen.stack.neighbor import DELAY, FAILED, INCOMPLETE, PROBE, REACHABLE, STALE
from halfopen.wire import ethernet, ipv6, ndp
from halfopen.wire.ndp import NeighborAdvertisement, NeighborSolicitation
from halfopen.wire.ndp_options import Options
from tests.stack.ndp_world import (
    FAR,
    NODES,
    OTHER_MAC,
    OUR_MAC,
    OURS,
    PEER,
    PEER_LOCAL,
    PEER_MAC,
    NdpWorld,
    advertisement,
    header_of,
    is_ndp,
    message_of,
    solicitation,
)


def resolved(now: int = 0, **settings: object) -> NdpWorld:
    """The peer's entry is REACHABLE since ``now``."""
    world = NdpWorld(NdpConfig(**settings))  # type: ignore[arg-type]  # fields by name
    world.sends(PEER, now)
    world.takes(advertisement(), now=now)
    world.sent()
    return world


@pytest.mark.rfc("4861", "4861.2")
def test_an_unknown_neighbor_is_asked_for_in_its_solicited_node_group() -> None:
    world = NdpWorld()
    world.sends()
    (question,) = world.sent()
    group = ipv6.solicited_node(PEER)
    assert ethernet.parse(question.head) == (ipv6.multicast_mac(group), OUR_MAC, ethernet.ETHERTYPE_IPV6)
    header = header_of(question)
    assert (header.source, header.destination, header.hop_limit) == (OURS, group, 255)
    assert message_of(question) == NeighborSolicitation(PEER, Options(source_mac=OUR_MAC))


@pytest.mark.rfc("4861", "4861.7")
def test_what_waits_is_sent_when_the_answer_comes() -> None:
    world = NdpWorld()
    world.sends()
    world.sends()
    world.sent()
    world.takes(advertisement())
    assert [packet.head[:12] for packet in world.sent()] == [PEER_MAC + OUR_MAC] * 2
    assert world.state() is REACHABLE


@pytest.mark.rfc("4861", "4861.4", "4861.7")
def test_three_questions_a_second_apart_then_the_sender_is_told() -> None:
    world = NdpWorld()
    world.sends()
    log = world.runs(10 * SECOND)
    assert [when for when, _ in log] == [0, SECOND, 2 * SECOND]
    assert len(world.layer.neighbors.undeliverable) == 1
    assert world.state() is None


def test_for_a_while_nobody_asks_for_a_neighbor_that_has_not_answered() -> None:
    world = NdpWorld()
    world.sends()
    world.runs(3 * SECOND)
    assert world.state() is FAILED
    world.sends(now=3 * SECOND)
    assert world.said() == []
    world.takes(advertisement(), now=3 * SECOND)
    assert world.state() is FAILED
    assert world.counters["NdpUnsolicited"] == 1


@pytest.mark.rfc("4861", "4861.3", "4861.4")
def test_a_confirmed_neighbor_becomes_stale_then_delayed_then_probed_then_forgotten() -> None:
    world = resolved()
    assert world.state(now=15 * SECOND - 1) is REACHABLE
    assert world.state(now=45 * SECOND) is STALE
    world.sends(now=50 * SECOND)
    assert world.state() is DELAY
    log = world.runs(MINUTE)
    assert [when for when, _ in log] == [0, *[(55 + n) * SECOND for n in range(3)]][1:]
    assert world.state() is None
    assert world.counters["NeighProbesFailed"] == 1


@pytest.mark.rfc("4861", "4861.4")
def test_a_probe_goes_to_the_neighbor_alone_and_its_answer_confirms_it() -> None:
    world = resolved()
    world.sends(now=50 * SECOND)
    world.sent()
    world.layer.on_deadline(55 * SECOND)
    (probe,) = world.sent()
    assert (probe.head[:6], header_of(probe).destination) == (PEER_MAC, PEER)
    world.takes(advertisement(), now=55 * SECOND)
    assert world.state(now=55 * SECOND) is REACHABLE


@pytest.mark.rfc("4861", "4861.6")
def test_progress_of_the_transport_confirms_a_neighbor() -> None:
    world = resolved()
    world.sends(now=50 * SECOND)
    entry = world.layer.neighbors.table.get(world.interface, PEER)
    assert entry is not None
    entry.confirm(52 * SECOND)
    world.sent()
    assert [message for when, message in world.runs(60 * SECOND) if when > 50 * SECOND] == []


def test_an_advertisement_that_nobody_has_asked_for_makes_no_entry() -> None:
    world = NdpWorld().takes(advertisement(solicited=False), destination=NODES)
    assert world.state() is None
    assert world.counters["NdpUnsolicited"] == 1


def test_an_answer_without_a_link_address_is_none() -> None:
    world = NdpWorld()
    world.sends()
    world.takes(NeighborAdvertisement(PEER, solicited=True))
    assert world.state() is INCOMPLETE
    assert world.counters["NdpWithoutLinkAddress"] == 1


def test_an_unsolicited_answer_is_used_and_doubted() -> None:
    world = NdpWorld()
    world.sends()
    world.takes(advertisement(solicited=False), destination=NODES)
    assert (world.state(), world.mac()) == (DELAY, PEER_MAC)


@pytest.mark.rfc("4861", "4861.5")
def test_without_the_override_flag_another_link_address_only_raises_doubt() -> None:
    world = resolved().takes(advertisement(mac=OTHER_MAC, override=False))
    assert (world.state(), world.mac()) == (STALE, PEER_MAC)
    world.takes(advertisement(mac=OTHER_MAC, override=False))
    assert (world.state(), world.mac()) == (STALE, PEER_MAC)


@pytest.mark.rfc("4861", "4861.5")
@pytest.mark.parametrize(("solicited", "state"), [(True, REACHABLE), (False, STALE)])
def test_with_the_override_flag_another_link_address_is_taken(solicited: bool, state: object) -> None:
    destination = OURS if solicited else NODES
    world = resolved().takes(advertisement(mac=OTHER_MAC, solicited=solicited), destination=destination)
    assert (world.state(), world.mac()) == (state, OTHER_MAC)


def test_an_unsolicited_advertisement_of_what_is_known_changes_nothing() -> None:
    world = resolved().takes(advertisement(solicited=False), destination=NODES)
    assert (world.state(), world.mac()) == (REACHABLE, PEER_MAC)


def test_whoever_trusts_no_claims_asks_the_known_owner_first() -> None:
    world = resolved(trust_claims=False).takes(advertisement(mac=OTHER_MAC))
    (probe,) = world.sent()
    assert (probe.head[:6], world.state(), world.mac()) == (PEER_MAC, PROBE, PEER_MAC)
    world.takes(solicitation(mac=OTHER_MAC))
    assert world.mac() == PEER_MAC
    assert world.counters["NdpClaimsRefused"] == 2


def test_a_permanent_entry_is_changed_by_nobody() -> None:
    world = NdpWorld()
    world.layer.neighbors.table.add_permanent(world.interface, PEER, PEER_MAC)
    world.takes(advertisement(mac=OTHER_MAC)).takes(solicitation(mac=OTHER_MAC))
    assert world.mac() == PEER_MAC
    assert world.counters["NdpClaimsRefused"] == 1


@pytest.mark.rfc("4861", "4861.5")
def test_whoever_asks_for_us_is_remembered_and_doubted() -> None:
    world = NdpWorld().takes(solicitation())
    assert (world.state(), world.mac()) == (STALE, PEER_MAC)
    world.takes(solicitation(mac=OTHER_MAC))
    assert (world.state(), world.mac()) == (STALE, OTHER_MAC)


def test_whoever_does_not_learn_from_requests_makes_no_entry_of_one() -> None:
    world = NdpWorld(NdpConfig(learn_from_requests=False)).takes(solicitation())
    assert world.state() is None
    assert [type(message) for message in world.said()] == [NeighborAdvertisement]


def test_a_question_of_the_neighbor_that_we_ask_for_is_an_answer_too() -> None:
    world = NdpWorld()
    world.sends()
    world.sent()
    world.takes(solicitation())
    data = [packet for packet in world.sent() if not is_ndp(packet)]
    assert [packet.head[:6] for packet in data] == [PEER_MAC]


def test_a_link_local_neighbor_is_asked_from_a_link_local_address() -> None:
    world = NdpWorld().attaches()
    world.sends(PEER_LOCAL, source=FAR)
    question = world.sent()[-1]
    assert header_of(question).source == world.own[1]


def test_without_an_address_nobody_can_be_asked() -> None:
    world = NdpWorld(address=None)
    world.sends(source=PEER_LOCAL)
    assert world.sent() == []
    assert world.counters["NdpNoSource"] == 1


def test_a_full_table_resolves_nobody() -> None:
    world = NdpWorld(NdpConfig(table_size=1))
    world.sends()
    world.sends(PEER_LOCAL)
    assert world.counters["NeighTableFull"] == 1
    assert isinstance(world.said()[0], ndp.NeighborSolicitation)


def test_an_entry_that_nobody_uses_is_forgotten() -> None:
    world = resolved()
    world.runs(3 * MINUTE)
    assert world.state() is None
    assert world.layer.next_deadline() == NEVER

import gc
import tracemalloc
from functools import cache

import pytest

from halfopen.base.addresses import parse_address
from halfopen.base.rng import SeededRng
from halfopen.lab.attacks.handshake import REQUEST, Handshake, connection_octets, record_octets
from halfopen.lab.crafting import make_segment, make_tcp
from halfopen.lab.results import DIFFER, Result, findings, run
from halfopen.lab.scenario import Settings
from halfopen.stack.config import InterfaceConfig, StackConfig
from halfopen.stack.ports import Owner
from halfopen.stack.stack import Stack
from halfopen.tcp.seqnum import wrap
from halfopen.wire import tcp

PEER, HERE = parse_address("192.0.2.1"), parse_address("192.0.2.2")


@cache
def played(seed: int = 0, delay: float = 5.0) -> Result:
    return run(Handshake(), Settings(seed=seed, parameters={"delay": delay}))


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("delay", [0.5, 5.0, 50.0])
def test_every_number_is_what_the_rfc_says(seed: int, delay: float) -> None:
    outcome = played(seed, delay).outcome
    assert len(outcome.theory) >= 10
    assert [each.name for each in findings(outcome) if each.verdict == DIFFER] == []
    assert not outcome.attack_succeeded


def test_hosts_and_router_find_each_other_by_arp_on_both_segments_first() -> None:
    labels = [(arrow.source, arrow.destination, arrow.label) for arrow in played().ladder.arrows]
    who_has = [(source, destination) for source, destination, label in labels if "who-has" in label]
    assert set(who_has) == {("client", "router"), ("router", "server"), ("server", "router"), ("router", "client")}
    assert "who-has" in labels[0][2]


def test_the_server_holds_a_record_from_the_syn_on_and_a_connection_from_the_ack_on() -> None:
    lines = next(iter(played().outcome.texts.values())).splitlines()
    states = [line.split()[2] for line in lines]
    assert states == ["SYN-RECEIVED", "ESTABLISHED", "CLOSE-WAIT", "LAST-ACK", "nothing"] * 2
    metrics = played().outcome.metrics
    assert metrics["half-open record, octets"] <= 64
    assert metrics["connection, octets"] > 50 * metrics["half-open record, octets"]


def test_the_second_connection_has_data_on_its_third_segment() -> None:
    assert played().outcome.metrics["data on the third segment, octets"] == len(REQUEST)


def test_the_mermaid_diagram_has_the_shape_of_the_textbooks_and_the_numbers_of_the_packets() -> None:
    result = played()
    lines = [line.strip() for line in result.outcome.texts["As a Mermaid diagram"].splitlines()]
    syn, syn_ack = [arrow.label for arrow in result.ladder.arrows if "SYN" in arrow.label][:2]
    cseq, sseq = (int(label.partition("seq=")[2].split()[0]) for label in (syn, syn_ack))
    assert lines[:3] == ["sequenceDiagram", "participant Client", "participant Server"]
    assert f"Client->>+Server: SYN, CSEQ={cseq}" in lines
    assert f"Server-->>-Client: SYN, ACK, CSEQ+1={wrap(cseq + 1)}, SSEQ={sseq}" in lines
    assert f"Client->>Server: ACK, SSEQ+1={wrap(sseq + 1)}, CSEQ+1={wrap(cseq + 1)}" in lines
    notes = [line for line in lines if line.startswith("Note")]
    for word in ("allocates memory to preserve state", "send data here", "only incremented with data", "wrap around"):
        assert any(word in note for note in notes)
    assert not any(letter in line for line in lines for letter in "#;")


def test_the_same_seed_gives_the_same_capture() -> None:
    assert run(Handshake(), Settings()).sha256 == run(Handshake(), Settings()).sha256 != played(1).sha256


def test_a_connection_holds_what_the_allocator_says_that_it_takes() -> None:
    stack = Stack(StackConfig(), SeededRng(1))
    interface = stack.add_interface(InterfaceConfig(name="tun0", kind="ip", addresses=("192.0.2.2/24",)))
    listener = stack.tcp.listen((HERE, 80), Owner("test", None, "test"))
    listener.backlog = 4096
    peers = range(1024, 1424)
    acks = []
    for port in peers:
        stack.receive(interface, make_tcp(PEER, HERE, make_segment((port, 80), "S", seq=port)), 0)
        item = stack.poll_transmit(0)
        assert item is not None
        reply = tcp.parse(item[1], 20, item[1].octets - 20)
        acks.append(make_tcp(PEER, HERE, make_segment((port, 80), ".", seq=port + 1, ack=reply.seq + 1)))
    assert record_octets(stack) <= 64
    gc.collect()
    tracemalloc.start()
    try:
        for ack in acks:
            stack.receive(interface, ack, 1)
        traced, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(listener.accepted) == len(peers)
    held = connection_octets(listener.accepted[7], listener.accepted[8], [stack])
    assert held == pytest.approx(traced / len(peers), rel=0.1)

"""Closed ports: what a scanner gets to see, by policy."""

import pytest

from halfopen.base.clock import SECOND
from halfopen.base.counters import Counters
from halfopen.stack.closed_ports import POLICIES, ClosedPorts
from halfopen.tcp.isn import FixedIsn
from halfopen.wire.tcp import ACK, FIN, RST, SYN, Segment

FLOW = bytes(12)
SCANS = {"syn": SYN, "ack": ACK, "fin": FIN, "null": 0, "syn-ack": SYN | ACK, "rst": RST}


def make() -> tuple[ClosedPorts, Counters]:
    counters = Counters()
    return ClosedPorts(FixedIsn(1000), counters), counters


def probe(flags: int, octets: int = 0) -> Segment:
    return Segment(5000, 9, seq=7, ack=77, flags=flags, window=1024, octets=octets)


def answers(policy: str) -> dict[str, int | None]:
    ports, _ = make()
    replies = {name: ports.answer(policy, FLOW, probe(flags), 0) for name, flags in SCANS.items()}
    assert all(reply is None or reply.window == 0 for reply in replies.values())
    return {name: None if reply is None else reply.flags for name, reply in replies.items()}


RESETS = {"syn": RST | ACK, "ack": RST, "fin": RST | ACK, "null": RST | ACK, "syn-ack": RST, "rst": None}


@pytest.mark.rfc("9293", "9293.P1")
@pytest.mark.parametrize("policy", ["reset", "limit"])
def test_all_but_rst_is_reset(policy: str) -> None:
    assert answers(policy) == RESETS


def test_one_black_hole_swallows_syns_and_one_everything() -> None:
    assert answers("blackhole-syn") == {**RESETS, "syn": None, "syn-ack": None}
    assert set(answers("blackhole").values()) == {None}


def test_resets_are_limited_for_all_peers_together() -> None:
    ports, counters = make()
    ports.limit(200)
    replies = [ports.answer("limit", FLOW, probe(SYN), number) for number in range(500)]
    assert sum(reply is not None for reply in replies) == 200
    ports.limit(200)
    later = [ports.answer("limit", FLOW, probe(SYN), SECOND // 2) for _ in range(500)]
    assert sum(reply is not None for reply in later) == 100
    assert (counters["OutRsts"], counters["TcpRstLimited"], counters["TcpNoPortsSilent"]) == (300, 700, 700)
    assert counters["TcpNoPorts"] == 1000


def test_a_tarpit_opens_every_port_and_takes_nothing() -> None:
    assert answers("tarpit") == {**dict.fromkeys(SCANS), "syn": SYN | ACK}
    ports, counters = make()
    syn_ack = ports.answer("tarpit", FLOW, probe(SYN), 0)
    assert syn_ack is not None
    assert (syn_ack.seq, syn_ack.ack, syn_ack.window, syn_ack.source_port) == (1000, 8, 0, 9)
    held = ports.answer("tarpit", FLOW, probe(ACK, octets=1), 0)
    assert held is not None
    assert (held.seq, held.ack, held.window, held.flags) == (77, 7, 0, ACK)
    assert counters["OutRsts"] == 0


def test_two_tarpits_do_not_talk_to_each_other() -> None:
    for flags, octets in ((SYN, 0), (ACK, 1)):
        ports, _ = make()
        reply = ports.answer("tarpit", FLOW, probe(flags, octets), 0)
        assert reply is not None
        assert ports.answer("tarpit", FLOW, reply, 0) is None


def test_there_are_five_policies() -> None:
    assert list(POLICIES) == ["reset", "blackhole-syn", "blackhole", "silence", "limit", "tarpit"]

"""Which SACK blocks are believed, and which tell of duplicates (RFC 2018, RFC 2883)."""

from dataclasses import replace

import pytest

from halfopen.tcp.congestion_config import CongestionConfig
from tests.tcp.exchanges import EAGER, PLAIN, RTT, connect, flight

SACK = "mss 1000,sackOK"
WHOLE = replace(EAGER, congestion=CongestionConfig(algorithm="reno", whole_segments=True))


@pytest.mark.rfc("2883", "2883.4")
@pytest.mark.parametrize(
    "blocks",
    ["1:1001", "2001:3001 1001:5001"],
    ids=["below the ACK", "inside the second block"],
)
def test_a_first_block_that_tells_of_duplicates_is_no_sack(blocks: str) -> None:
    exchange = connect(SACK, config=PLAIN)
    flight(exchange, 8)
    exchange.peer.sends(f". 1:1(0) ack 1001 <sack {blocks}>")
    assert exchange.counters["TCPDSACKRecv"] == 1


def test_two_blocks_of_which_neither_lies_inside_the_other_are_two_sacks() -> None:
    exchange = connect(SACK, config=PLAIN)
    flight(exchange, 8)
    exchange.peer.sends(". 1:1(0) ack 1 <sack 5001:6001 2001:3001>")
    assert exchange.counters["TCPDSACKRecv"] == 0
    assert exchange.connection.tcb.snd.flight.sacked == 2000


@pytest.mark.parametrize("block", ["7001:9001", "3001:2001", "2001:2001"])
def test_blocks_that_cannot_be_are_discarded(block: str) -> None:
    exchange = connect(SACK, config=PLAIN)
    flight(exchange, 8)
    exchange.peer.sends(f". 1:1(0) ack 1 <sack {block}>")
    assert exchange.counters["TCPSACKDiscard"] == 1
    assert exchange.connection.tcb.snd.flight.sacked == 0


def test_blocks_of_the_past_are_discarded_too() -> None:
    exchange = connect(SACK, config=PLAIN)
    flight(exchange, 8)
    exchange.peer.sends(". 1:1(0) ack 3001", ". 1:1(0) ack 3001 <sack 4001:5001 1:1001>")
    assert exchange.connection.tcb.snd.flight.sacked == 1000
    assert exchange.counters["TCPSACKDiscard"] == 1


@pytest.mark.rfc("2018", "2018.1")
def test_blocks_that_were_never_agreed_on_are_ignored() -> None:
    exchange = connect(config=PLAIN)
    flight(exchange, 8)
    exchange.peer.sends(". 1:1(0) ack 1 <sack 1001:8001>")
    assert exchange.connection.tcb.snd.flight.sacked == 0


def test_blocks_of_single_octets_are_discarded_and_cut_nothing() -> None:
    """CVE-2019-11478: every other octet of a super-segment."""
    exchange = connect(SACK, config=PLAIN, burst=60_000)
    exchange.user.sends(10_000)
    exchange.peer.ignores()
    for left in range(9000, 1000, -8):
        blocks = " ".join(f"{left - 2 * number}:{left - 2 * number + 1}" for number in range(4))
        exchange.peer.sends(f". 1:1(0) ack 1 <sack {blocks}>")
    assert exchange.counters["TCPSACKDiscard"] == 4000
    assert len(exchange.connection.tcb.snd.flight.records) == 1
    exchange.peer.expects_nothing()


def test_the_last_text_may_be_reported_without_the_fin_behind_it() -> None:
    exchange = connect(SACK, config=PLAIN)
    exchange.user.sends(1200)
    exchange.user.shuts_down()
    exchange.peer.ignores()
    exchange.peer.sends(". 1:1(0) ack 1 <sack 1001:1201>")
    assert exchange.connection.tcb.snd.flight.sacked == 200
    assert exchange.counters["TCPSACKDiscard"] == 0


def test_in_whole_segments_a_duplicate_counts_only_if_it_may_be_ours() -> None:
    exchange = connect(SACK, config=WHOLE)
    flight(exchange, 10)
    exchange.after(RTT)
    tcb = exchange.connection.tcb
    exchange.peer.sends(". 1:1(0) ack 1001 <sack 1:1>")
    assert tcb.recovery.rack is None or tcb.recovery.rack.duplicates == 0
    exchange.peer.sends(". 1:1(0) ack 2001 <sack 1:1001>")
    assert tcb.recovery.rack is not None
    assert (tcb.recovery.rack.duplicates, tcb.snd.flight.delivered) == (1, 2)


def test_in_whole_segments_duplicates_widen_the_window_where_order_was_seen_to_break() -> None:
    exchange = connect(SACK, config=WHOLE)
    flight(exchange, 10)
    exchange.after(RTT)
    exchange.peer.sends(". 1:1(0) ack 1 <sack 3001:6001>")
    exchange.peer.sends(". 1:1(0) ack 1 <sack 2001:6001>")
    exchange.peer.ignores()
    tcb = exchange.connection.tcb
    rack = tcb.recovery.rack
    assert rack is not None
    assert (rack.reordering_seen, rack.multiplier) == (1, 1)
    exchange.after(RTT)
    exchange.peer.sends(". 1:1(0) ack 7001 <sack 1:1001>")
    assert rack.multiplier == 2


def test_whatever_came_twice_has_rack_wait_longer() -> None:
    exchange = connect(SACK, config=PLAIN)
    flight(exchange, 4)
    exchange.peer.sends(". 1:1(0) ack 1001")
    rack = exchange.connection.tcb.recovery.rack
    assert rack is not None
    exchange.peer.sends(". 1:1(0) ack 2001 <sack 1:1001>")
    assert (rack.duplicates, rack.multiplier) == (1, 2)


def test_in_whole_segments_what_came_twice_where_order_holds_widens_nothing() -> None:
    exchange = connect(SACK, config=WHOLE)
    flight(exchange, 10)
    exchange.after(RTT)
    tcb = exchange.connection.tcb
    exchange.peer.sends(". 1:1(0) ack 1 <sack 1001:6001>")
    exchange.peer.ignores()
    exchange.after(RTT)
    exchange.peer.sends(". 1:1(0) ack 7001 <sack 1:1001>")
    rack = tcb.recovery.rack
    assert rack is not None
    assert (rack.duplicates, rack.reordering_seen, rack.multiplier) == (1, 0, 1)
    assert tcb.snd.flight.delivered == 8


def test_in_whole_segments_a_probe_that_came_twice_is_answered_and_widens_nothing() -> None:
    exchange = connect(SACK, config=WHOLE)
    flight(exchange, 10)
    exchange.after(RTT)
    exchange.peer.sends(". 1:1(0) ack 1 <sack 3001:4001>", ". 1:1(0) ack 1 <sack 2001:4001>", ". 1:1(0) ack 4001")
    tcb = exchange.connection.tcb
    rack = tcb.recovery.rack
    assert rack is not None
    assert (rack.reordering_seen > 0, rack.multiplier) == (True, 1)
    exchange.peer.ignores()
    exchange.after(2 * RTT)
    assert tcb.recovery.trials.probe is not None
    exchange.peer.sends(". 1:1(0) ack 10001 <sack 9001:10001>")
    assert (rack.duplicates, rack.multiplier) == (1, 1)
    assert tcb.recovery.trials.probe is None

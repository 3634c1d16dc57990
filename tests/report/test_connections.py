import pytest

from halfopen.base.clock import MILLISECOND
from halfopen.report.connections import connection_of, ending_of
from halfopen.report.flows import flows_of
from halfopen.wire.tcp import ACK, FIN, RST, SYN
from tests.report.captures import only_flow, two_hosts
from tests.report.frames import captured, segment

SYN_SENT = segment(SYN, 100)
OPENED = (SYN_SENT, segment(SYN | ACK, 900, 101, reply=True), segment(ACK, 101, 901))
FIN_SENT, FIN_ACKED = segment(FIN | ACK, 101, 901), segment(ACK, 901, 102, reply=True)
FIN_BACK, LAST_ACK = segment(FIN | ACK, 901, 102, reply=True), segment(ACK, 102, 902)


@pytest.mark.parametrize(
    ("frames", "ending"),
    [
        ((SYN_SENT,), "no answer to 1 SYN"),
        ((SYN_SENT, SYN_SENT), "no answer to 2 SYNs"),
        ((SYN_SENT, segment(RST | ACK, 0, 101, reply=True)), "refused by b"),
        ((SYN_SENT, segment(RST, 101)), "given up by a"),
        (OPENED, "open at the end"),
        ((*OPENED, FIN_SENT), "closing"),
        ((*OPENED, FIN_SENT, FIN_ACKED), "half-closed by a"),
        ((*OPENED, FIN_SENT, FIN_BACK), "half-closed by a"),
        ((*OPENED, FIN_SENT, FIN_BACK, LAST_ACK), "closed"),
        ((*OPENED, segment(RST, 901, reply=True)), "reset by b"),
        ((*OPENED, segment(RST, 101)), "reset by a"),
    ],
)
def test_endings(frames: tuple[bytes, ...], ending: str) -> None:
    (flow,) = flows_of([captured(index * 1000, frame) for index, frame in enumerate(frames)])
    assert ending_of(flow, "a", "b") == ending


def test_a_transfer_in_figures() -> None:
    connection = connection_of(only_flow(two_hosts("delay 20ms", 100_000)))
    forth, back = connection.streams
    assert (connection.ending, connection.main) == ("closed", forth)
    assert (forth.octets, back.octets) == (100_000, 4)
    assert (forth.retransmissions, forth.lost, forth.duplicate_acks) == (0, 0, 0)
    assert forth.round_trips is not None
    assert forth.round_trips.least == 40 * MILLISECOND
    assert forth.round_trips.least <= forth.round_trips.mean <= forth.round_trips.most


def test_a_direction_that_nobody_acknowledged_has_no_round_trips() -> None:
    (flow,) = flows_of([captured(0, SYN_SENT)])
    assert connection_of(flow).streams[0].round_trips is None

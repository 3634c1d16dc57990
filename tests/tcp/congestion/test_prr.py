"""PRR against the rules and figures of RFC 9937: where it ends, what it never exceeds."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halfopen.tcp.congestion.prr import Prr

MSS = 1000


class Recovery:
    """A window of ``flight`` segments of which some are lost; every ACK delivers one that is not."""

    def __init__(self, flight: int, lost: int, ssthresh: float, spare: int = 1000) -> None:
        self.prr = Prr(MSS)
        self.lost = lost
        self.retransmit = lost
        self.network = flight - lost
        self.spare = spare
        """Segments of new data that the application has."""
        self.sent = 0
        self.prr.start(flight * MSS, int(ssthresh * MSS))

    def on_ack(self, safe: bool = False) -> int:
        """One segment arrives, whatever is allowed is sent; returns how many segments that was."""
        self.network -= 1
        allowed = self.prr.on_ack(MSS, self.network * MSS, safe)
        count = 0
        while allowed >= MSS and (self.retransmit or self.spare):
            if self.retransmit:
                self.retransmit -= 1
            else:
                self.spare -= 1
            self.prr.on_sent(MSS)
            allowed -= MSS
            self.network += 1
            count += 1
        self.sent += count
        return count


@pytest.mark.rfc("9937", "9937.1", "9937.3")
def test_one_loss_of_twenty_sends_one_segment_for_every_two_and_ends_at_the_threshold() -> None:
    recovery = Recovery(flight=20, lost=1, ssthresh=10)
    sent = [recovery.on_ack() for _ in range(19)]
    assert sent == [1, 0] * 8 + [0, 1, 1]  # the last two keep what is in flight at the threshold
    assert recovery.network == 10


@pytest.mark.rfc("9937", "9937.3")
@pytest.mark.parametrize(("flight", "beta"), [(20, 0.5), (20, 0.7), (100, 0.5), (100, 0.7), (333, 0.7)])
def test_with_few_losses_the_flight_ends_at_the_threshold(flight: int, beta: float) -> None:
    ssthresh = int(flight * beta)
    recovery = Recovery(flight, 1, ssthresh)
    for _ in range(flight - 1):
        assert recovery.on_ack() <= 1
    assert abs(recovery.network - ssthresh) <= 1
    assert recovery.sent <= ssthresh


@pytest.mark.rfc("9937", "9937.5")
def test_the_fast_retransmit_is_never_held_back() -> None:
    prr = Prr(MSS)
    prr.start(10_000 * MSS, 2 * MSS)
    assert prr.on_ack(1, 9_000 * MSS, safe_ack=False) == MSS
    prr.start(4 * MSS, 2 * MSS)
    assert prr.on_ack(MSS, 2 * MSS, safe_ack=False) == MSS  # ssthresh - flight leaves no room
    prr.on_sent(MSS)
    assert prr.on_ack(MSS, 2 * MSS, safe_ack=False) == 0


@pytest.mark.rfc("9937", "9937.2")
def test_an_acknowledgment_that_delivers_nothing_allows_nothing() -> None:
    prr = Prr(MSS)
    prr.start(20 * MSS, 10 * MSS)
    assert prr.on_ack(0, 5 * MSS, safe_ack=False) == 0
    assert prr.delivered == 0


@pytest.mark.rfc("9937", "9937.7")
@pytest.mark.rfc("9937", "9937.4")
def test_after_a_burst_loss_packets_are_conserved_and_safe_acks_add_a_segment() -> None:
    prr = Prr(MSS)
    prr.start(20 * MSS, 10 * MSS)
    assert prr.on_ack(MSS, 4 * MSS, safe_ack=False) == MSS
    prr.on_sent(MSS)
    assert prr.on_ack(MSS, 4 * MSS, safe_ack=True) == 2 * MSS


@pytest.mark.rfc("9937", "9937.4")
def test_what_was_not_sent_when_allowed_may_be_made_up_for_up_to_the_threshold() -> None:
    prr = Prr(MSS)
    prr.start(20 * MSS, 10 * MSS)
    prr.on_ack(5 * MSS, 8 * MSS, safe_ack=False)
    assert prr.on_ack(3 * MSS, 5 * MSS, safe_ack=False) == 5 * MSS  # 8 delivered, none sent, room for 5


def test_a_sender_ahead_of_its_proportion_waits() -> None:
    prr = Prr(MSS)
    prr.start(20 * MSS, 10 * MSS)
    prr.on_sent(8 * MSS)
    assert prr.on_ack(MSS, 19 * MSS, safe_ack=False) == 0


def test_the_proportion_is_rounded_up_to_whole_segments() -> None:
    prr = Prr(MSS)
    prr.start(30 * MSS, 20 * MSS)
    prr.on_sent(5 * MSS)
    assert prr.on_ack(10 * MSS, 25 * MSS, safe_ack=False) == (math.ceil(20 / 3) - 5) * MSS


def test_a_recovery_with_nothing_in_flight_divides_by_no_zero() -> None:
    prr = Prr(MSS)
    prr.start(0, 2 * MSS)
    assert prr.on_ack(MSS, 3 * MSS, safe_ack=False) > 0


def test_a_second_recovery_starts_from_nothing() -> None:
    prr = Prr(MSS)
    prr.start(20 * MSS, 10 * MSS)
    prr.on_ack(9 * MSS, 11 * MSS, safe_ack=False)
    prr.on_sent(9 * MSS)
    prr.start(10 * MSS, 5 * MSS)
    assert (prr.delivered, prr.out) == (0, 0)


@given(st.integers(4, 300), st.integers(1, 299), st.sampled_from([0.5, 0.7]), st.lists(st.booleans(), max_size=300))
def test_no_burst_and_never_more_in_flight_than_threshold_or_before(
    flight: int, lost: int, beta: float, safe: list[bool]
) -> None:
    lost = min(lost, flight - 1)
    ssthresh = max(int(flight * beta), 2)
    recovery = Recovery(flight, lost, ssthresh)
    for index in range(flight - lost):
        before = recovery.network
        burst = recovery.on_ack(safe[index] if index < len(safe) else False)
        assert burst <= 2
        assert recovery.network <= max(ssthresh, before)

"""Events are values that can be told apart, read and shared."""

import pytest

from halfopen.base.errors import ConnectionReset, ConnectionTimedOut
from halfopen.tcp.events import CONNECTED, END_OF_STREAM, READABLE, URGENT, WRITABLE, Closed, Event, SoftError

SINGLETONS = [CONNECTED, READABLE, WRITABLE, END_OF_STREAM, URGENT]


@pytest.mark.parametrize("event", SINGLETONS)
def test_an_event_without_payload_reads_as_its_name(event: Event) -> None:
    assert repr(event) == type(event).__name__
    assert sum(event == other for other in SINGLETONS) == 1


def test_a_normal_end_and_an_abort_differ() -> None:
    reset = ConnectionReset("the peer sent RST")
    assert Closed(None) != Closed(reset)
    assert Closed(reset) == Closed(reset)
    assert Closed(None) != END_OF_STREAM


def test_a_soft_error_says_what_is_wrong() -> None:
    error = ConnectionTimedOut("retransmissions go unanswered")
    assert SoftError(error).error is error
    assert repr(SoftError(error)) == "SoftError(error=ConnectionTimedOut('retransmissions go unanswered'))"
    assert repr(Closed(None)) == "Closed(reason=None)"

import pytest

from halfopen.base.clock import MILLISECOND, NEVER, SECOND, Instant
from halfopen.packetdrill.errors import Mismatch
from halfopen.packetdrill.script import Event
from halfopen.packetdrill.settings import Settings
from halfopen.packetdrill.timeline import PATIENCE, Timeline
from tests.packetdrill.parsing import events

START: Instant = 50 * SECOND
CALL = "close(3) = 0"
IN = "< . 1:1(0) ack 1 win 5"
OUT = "> . 1:1(0) ack 1"


def timeline(*, ended: int = 0, after: str = f"0 {CALL}") -> Timeline:
    """One event has finished ``ended`` milliseconds after the start."""
    made = Timeline(START, Settings())
    made.finish(event(after), START + ended * MILLISECOND)
    return made


def event(text: str) -> Event:
    return events(f"0 {CALL}\n{text}")[1] if not text.startswith("0 ") else events(text)[0]


def test_an_absolute_time_counts_from_the_start() -> None:
    assert timeline(ended=7).due(event(f"0.5 {CALL}")) == START + 500 * MILLISECOND


def test_a_relative_time_counts_from_the_end_of_the_event_before() -> None:
    assert timeline(ended=7).due(event(f"+.5 {CALL}")) == START + 507 * MILLISECOND


def test_between_inbound_packets_it_counts_from_when_the_first_was_due() -> None:
    assert timeline(ended=7, after=f"0 {IN}").due(event(f"+.5 {IN}")) == START + 500 * MILLISECOND


def test_from_an_inbound_packet_to_another_event_it_counts_from_its_end() -> None:
    assert timeline(ended=7, after=f"0 {IN}").due(event(f"+.5 {OUT}")) == START + 507 * MILLISECOND


def test_a_blocking_call_returns_at_a_time_from_the_same_base_as_its_start() -> None:
    assert timeline(ended=7).returns(event(f"+.1...0.5 {CALL}")) == START + 507 * MILLISECOND
    assert timeline(ended=7).returns(event(f"0.1...0.5 {CALL}")) == START + 500 * MILLISECOND


def test_an_outbound_packet_is_waited_for_2_s_past_its_time() -> None:
    assert timeline().patience(event(f"+.5 {OUT}")) == START + 500 * MILLISECOND + PATIENCE
    assert timeline().patience(event(f"+.5~+.7 {OUT}")) == START + 700 * MILLISECOND + PATIENCE


def test_a_packet_at_any_time_is_waited_for_for_ever() -> None:
    assert timeline().patience(event(f"* {OUT}")) == NEVER


@pytest.mark.parametrize(
    ("line", "sent", "is_right"),
    [
        (f"+.01 {OUT}", 13.9, True),
        (f"+.01 {OUT}", 14.1, False),
        (f"+.01 {OUT}", 5.9, False),
        (f"+.8 {OUT}", 899, True),
        (f"+.8 {OUT}", 901, False),
        (f"+.8~+.9 {OUT}", 850, True),
        (f"+.8~+.9 {OUT}", 1020, False),
        (f"* {OUT}", 5000, True),
    ],
)
def test_a_packet_may_be_off_by_4_ms_or_an_eighth(line: str, sent: float, is_right: bool) -> None:
    when = START + round(sent * MILLISECOND)
    if is_right:
        timeline().check_outbound(event(line), when)
    else:
        with pytest.raises(Mismatch, match="the packet is sent at"):
            timeline().check_outbound(event(line), when)


def test_a_schedule_that_slips_is_a_failure() -> None:
    with pytest.raises(Mismatch, match=r"too late: it at 0\.600000 instead of 0\.500000"):
        timeline().check_start(event(f"0.5 {CALL}"), START + 600 * MILLISECOND)


def test_a_call_returns_when_it_is_to_or_an_eighth_off() -> None:
    began, until = START, START + 800 * MILLISECOND
    timeline().check_return(event(f"0.5 {CALL}").position, (began, until), START + 890 * MILLISECOND)
    with pytest.raises(Mismatch, match="the call returns at"):
        timeline().check_return(event(f"0.5 {CALL}").position, (began, until), START + 910 * MILLISECOND)


def test_after_a_packet_at_any_time_the_tolerance_counts_from_when_it_came() -> None:
    made = timeline()
    made.finish(event(f"* {OUT}"), START + 5 * SECOND)
    with pytest.raises(Mismatch):
        made.check_outbound(event(f"+.01 {OUT}"), START + 5 * SECOND + 30 * MILLISECOND)

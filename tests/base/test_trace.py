from halfopen.base.trace import SILENT, ListSink, NullSink, TraceEvent

EVENT = TraceEvent(1_500_000_000, "tcp", "192.0.2.1:80", "SYN-RECEIVED", "iss 7")


def test_an_event_reads_as_a_line() -> None:
    assert str(EVENT) == "1.500000 tcp 192.0.2.1:80: SYN-RECEIVED (iss 7)"


def test_an_event_without_details_has_no_parentheses() -> None:
    assert str(TraceEvent(0, "arp", "192.0.2.1", "probe")) == "0.000000 arp 192.0.2.1: probe"


def test_a_list_sink_keeps_events_in_order() -> None:
    sink = ListSink()
    later = TraceEvent(2, "tcp", "x", "y")
    sink.emit(EVENT)
    sink.emit(later)
    assert sink.enabled
    assert sink.events == [EVENT, later]


def test_the_silent_sink_says_that_nobody_listens_and_takes_what_comes() -> None:
    assert isinstance(SILENT, NullSink)
    assert not SILENT.enabled
    SILENT.emit(EVENT)
    assert not hasattr(SILENT, "events")

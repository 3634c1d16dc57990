"""What ICMP says is believed of what is in flight, and ends nothing that stands."""

import pytest

from halfopen.base.clock import SECOND
from halfopen.base.errors import ConnectionRefused, NetworkUnreachable
from halfopen.tcp.config import AckConfig, ArrivalConfig, TcpConfig
from halfopen.tcp.congestion_config import CongestionConfig
from halfopen.tcp.mtu_search import MtuSearch
from halfopen.tcp.seqnum import wrap
from halfopen.tcp.state import State
from halfopen.tcp.tcb import Phase
from halfopen.testing.exchange import Exchange, Setting
from tests.tcp.permits import weak
from tests.tcp.states import WRAPS, numbers, reach

S = State
BEHIND_FIN = (S.CLOSE_WAIT, S.CLOSING, S.LAST_ACK)
LAZY = TcpConfig(acks=AckConfig(quick=0))
TIMESTAMPS = "mss 1460,TS val 100 ecr 0"


def busy(config: TcpConfig | None = None) -> Exchange:
    """20 segments have got through, and more are in flight."""
    exchange = Exchange.established(Setting(config=config or TcpConfig()), options="mss 1000")
    exchange.user.sends(60_000)
    for ack in range(1001, 21_001, 1000):
        exchange.peer.sends(f". 1:1(0) ack {ack}")
    exchange.peer.ignores()
    return exchange


def icmp(exchange: Exchange, seq: int, is_hard: bool) -> bool:
    """An ICMP error about our segment ``seq``, relative to our initial sequence number."""
    wire = wrap(exchange.setting.iss + seq)
    error = ConnectionRefused("port unreachable") if is_hard else NetworkUnreachable("host unreachable")
    taken = exchange.connection.on_icmp_error(error, wire, is_hard, exchange.now)
    exchange.settle()
    return taken


@pytest.mark.rfc("9293", "MUST-54", "MUST-56", "MUST-47", "SHLD-25")
@pytest.mark.parametrize("state", [S.SYN_SENT, S.SYN_RECEIVED, S.FIN_WAIT_1, S.CLOSING, S.LAST_ACK])
def test_a_soft_error_is_told_and_no_more(state: State) -> None:
    exchange = reach(state)
    assert icmp(exchange, numbers(exchange)[0], is_hard=False)
    exchange.user.hears("SoftError: NetworkUnreachable")
    assert exchange.state is state


@pytest.mark.rfc("9293", "SHLD-26", "MUST-54")
@pytest.mark.rfc("5927", "5927.5")
@pytest.mark.parametrize("state", [S.SYN_SENT, S.SYN_RECEIVED])
def test_a_hard_error_ends_a_connection_that_does_not_stand_yet(state: State) -> None:
    exchange = reach(state)
    assert icmp(exchange, 0, is_hard=True)
    exchange.user.hears("Closed: ConnectionRefused")
    exchange.peer.expects_nothing()


@pytest.mark.rfc("5927", "5927.2")
def test_a_hard_error_is_soft_for_a_connection_that_stands() -> None:
    exchange = reach(S.ESTABLISHED)
    exchange.user.sends(10)
    assert icmp(exchange, 1, is_hard=True)
    exchange.user.hears("SoftError: ConnectionRefused")
    assert exchange.state is S.ESTABLISHED


@pytest.mark.rfc("5927", "5927.1")
@pytest.mark.parametrize("iss", WRAPS)
@pytest.mark.parametrize(("seq", "is_taken"), [(10, False), (11, True), (20, True), (21, False), (5000, False)])
def test_an_error_about_what_is_not_in_flight_is_not_believed(iss: int, seq: int, is_taken: bool) -> None:
    exchange = reach(S.ESTABLISHED, Setting(iss=iss))
    exchange.user.sends(10)
    exchange.peer.sends(". 1:1(0) ack 11")
    exchange.user.sends(10)
    exchange.user.hears("Writable")
    assert icmp(exchange, seq, is_hard=False) is is_taken
    assert exchange.counters["OutOfWindowIcmps"] == (0 if is_taken else 1)
    exchange.user.hears(*(["SoftError: NetworkUnreachable"] if is_taken else []))


@pytest.mark.rfc("5927", "5927.1")
def test_an_error_about_a_connection_that_is_gone_is_not_believed() -> None:
    assert not icmp(reach(S.CLOSED), 1, is_hard=True)


def test_no_number_of_errors_fills_the_memory() -> None:
    exchange = reach(S.ESTABLISHED)
    exchange.user.sends(10)
    connection, seq = exchange.connection, wrap(exchange.setting.iss + 1)
    for _ in range(1000):
        connection.on_icmp_error(NetworkUnreachable("net"), seq, False, exchange.now)
        connection.on_icmp_error(ConnectionRefused("port"), seq, True, exchange.now)
    exchange.user.closes()
    exchange.user.hears("SoftError: NetworkUnreachable", "SoftError: ConnectionRefused")
    assert connection.on_icmp_error(NetworkUnreachable("net"), seq, False, exchange.now)
    assert connection.poll_event() is None


def path_mtu(exchange: Exchange, mss: int, seq: int) -> bool:
    """ICMP says that our segment ``seq`` does not fit, but ``mss`` octets would."""
    taken = exchange.connection.on_path_mtu(mss, wrap(exchange.setting.iss + seq), exchange.now)
    exchange.settle()
    return taken


@pytest.mark.rfc("1191", "1191.1", "1191.4")
def test_a_smaller_path_has_everything_in_flight_sent_again_in_smaller_segments() -> None:
    exchange = reach(S.ESTABLISHED)
    exchange.user.sends(2920)
    cwnd = exchange.connection.tcb.congestion.cwnd
    exchange.peer.expects(". 1:1461(1460) ack 1")
    exchange.peer.expects("P. 1461:2921(1460) ack 1")
    assert path_mtu(exchange, 1000, 1)
    again = exchange.peer.ignores()
    assert [seen.words.start for seen in again[1:]] == [seen.words.start + seen.words.octets for seen in again[:-1]]
    assert (again[0].words.start, sum(seen.words.octets for seen in again)) == (1, 2920)
    assert max(seen.words.octets for seen in again) == 1000
    assert not any(seen.segment.gso_size for seen in again)
    assert exchange.counters["TCPMTUReductions"] == 1
    exchange.peer.sends(". 1:1(0) ack 2921")
    assert exchange.connection.tcb.congestion.cwnd >= cwnd


def test_a_smaller_path_still_takes_super_segments_of_smaller_segments() -> None:
    exchange = reach(S.ESTABLISHED, Setting(burst=20000))
    exchange.user.sends(2920)
    exchange.peer.expects("P. 1:2921(2920) ack 1")
    assert path_mtu(exchange, 1000, 1)
    assert exchange.peer.expects("P. 1:2921(2920) ack 1").segment.gso_size == 1000


@pytest.mark.rfc("1191", "1191.4")
def test_options_are_part_of_what_has_to_fit() -> None:
    exchange = reach(S.ESTABLISHED, options="mss 1460,TS val 5 ecr 0")
    exchange.user.sends(1400)
    exchange.peer.ignores()
    assert path_mtu(exchange, 1012, 1)
    assert exchange.connection.tcb.snd.mss == 1000
    exchange.peer.expects(". 1:1001(1000) ack 1")


@pytest.mark.rfc("5927", "5927.4")
@pytest.mark.parametrize("mss", [0, -40, 1, 47])
def test_no_path_is_smaller_than_the_smallest_mss(mss: int) -> None:
    exchange = reach(S.ESTABLISHED)
    exchange.user.sends(96)
    exchange.peer.ignores()
    assert path_mtu(exchange, mss, 1)
    exchange.peer.expects(". 1:49(48) ack 1")
    exchange.peer.expects("P. 49:97(48) ack 1")


@pytest.mark.rfc("5927", "5927.1")
def test_a_smaller_path_is_not_believed_of_a_segment_that_is_not_in_flight() -> None:
    exchange = reach(S.ESTABLISHED)
    exchange.user.sends(10)
    assert not path_mtu(exchange, 500, 11)
    assert exchange.counters["OutOfWindowIcmps"] == 1
    assert exchange.connection.tcb.snd.mss == 1460


def test_a_path_that_is_not_smaller_changes_nothing() -> None:
    exchange = reach(S.ESTABLISHED)
    exchange.user.sends(10)
    exchange.peer.ignores()
    assert not path_mtu(exchange, 1460, 1)
    exchange.peer.expects_nothing()


def test_a_syn_fits_everywhere() -> None:
    exchange = reach(S.SYN_SENT)
    assert not path_mtu(exchange, 500, 0)


def host_finds(exchange: Exchange, mss: int) -> bool:
    """The host has looked for the path again."""
    return exchange.connection.on_path_mtu(mss, None, exchange.now)


@pytest.mark.rfc("1191", "1191.3")
def test_a_path_that_has_become_wider_again_takes_larger_segments() -> None:
    exchange = reach(S.ESTABLISHED, Setting(burst=20000), options="mss 1400,TS val 5 ecr 0")
    exchange.user.sends(100)
    assert path_mtu(exchange, 512, 1)
    exchange.peer.sends(". 1:1(0) ack 101 <TS val 6 ecr 1000>")
    exchange.peer.ignores()
    tcb = exchange.connection.tcb
    assert (tcb.snd.mss, tcb.congestion.mss) == (500, 500)
    assert not host_finds(exchange, 400)
    assert tcb.snd.mss == 500
    assert host_finds(exchange, 1460)
    assert not host_finds(exchange, 1460)
    assert (tcb.snd.mss, tcb.congestion.mss) == (1388, 1388)
    exchange.user.sends(2776)
    assert exchange.peer.expects("P. 101:2877(2776) ack 1").segment.gso_size == 1388
    assert exchange.counters["TCPMTUReductions"] == 1


def test_before_the_peer_has_told_its_mss_no_path_is_wider() -> None:
    exchange = reach(S.SYN_SENT)
    assert not host_finds(exchange, 9000)


@pytest.mark.rfc("5927", "5927.1")
def test_where_segments_get_through_a_smaller_path_is_believed_only_after_a_timeout() -> None:
    exchange = busy()
    assert not path_mtu(exchange, 500, 20_001)
    assert exchange.connection.tcb.snd.mss == 1000
    assert (exchange.counters["TCPMTUPostponed"], exchange.counters["TCPMTUReductions"]) == (1, 0)
    exchange.after(5 * SECOND)
    assert exchange.connection.tcb.rtt.backoffs
    assert path_mtu(exchange, 500, 20_001)
    assert exchange.connection.tcb.snd.mss == 500
    assert exchange.counters["TCPMTUReductions"] == 1


def test_it_can_be_believed_at_once() -> None:
    assert path_mtu(busy(weak(delayed_pmtu=False)), 500, 20_001)


def test_what_the_host_has_found_itself_is_believed_at_once() -> None:
    exchange = busy()
    assert exchange.connection.on_path_mtu(500, wrap(exchange.setting.iss + 20_001), exchange.now, is_known=True)
    assert exchange.connection.tcb.snd.mss == 500


@pytest.mark.rfc("5927", "5927.1")
@pytest.mark.parametrize("seq", [10, 21, 5000])
def test_without_the_sequence_check_an_error_about_anything_is_believed(seq: int) -> None:
    exchange = reach(S.ESTABLISHED, Setting(config=weak(icmp_sequence_check=False)))
    exchange.user.sends(10)
    exchange.peer.sends(". 1:1(0) ack 11")
    assert icmp(exchange, seq, is_hard=False)
    assert icmp(exchange, seq, is_hard=True)
    assert exchange.state is S.ESTABLISHED
    assert exchange.connection.on_path_mtu(600, wrap(exchange.setting.iss + seq), exchange.now)
    assert exchange.connection.tcb.snd.mss == 600


def test_where_hard_errors_are_hard_one_ends_a_connection_that_stands() -> None:
    exchange = reach(S.ESTABLISHED, Setting(config=weak(soft_icmp_errors=False)))
    exchange.user.sends(10)
    assert not icmp(exchange, 5000, is_hard=True)
    assert icmp(exchange, 1, is_hard=False)
    assert exchange.state is S.ESTABLISHED
    assert icmp(exchange, 1, is_hard=True)
    assert exchange.state is S.CLOSED


def test_a_path_never_makes_segments_smaller_than_the_least_but_the_peer_may_where_there_are_no_bounds() -> None:
    exchange = Exchange.established(Setting(config=weak(bounds=False)), options="mss 20")
    exchange.user.sends(100)
    assert exchange.connection.tcb.snd.mss == 20
    assert not exchange.connection.on_path_mtu(1460, None, exchange.now)
    assert exchange.connection.tcb.snd.mss == 20


@pytest.mark.parametrize(("is_hard", "heard"), [(True, []), (False, ["SoftError: NetworkUnreachable"])])
def test_a_bsd_has_its_own_rules(is_hard: bool, heard: list[str]) -> None:
    exchange = reach(S.SYN_RECEIVED, Setting(config=TcpConfig(arrivals=ArrivalConfig(order="bsd"))))
    assert icmp(exchange, 0, is_hard)
    exchange.user.hears(*heard)
    assert exchange.state is S.SYN_RECEIVED


def test_in_whole_segments_only_what_is_too_big_goes_again_and_the_search_ends_there() -> None:
    congestion = CongestionConfig(whole_segments=True)
    config = TcpConfig(congestion=congestion, acks=AckConfig(nagle=False), security=weak(delayed_pmtu=False).security)
    exchange = Exchange.active(Setting(config=config))
    exchange.peer.sends("S. 0:0(0) ack 1 win 65535 <mss 1460,sackOK>")
    exchange.user.sends(1460)
    exchange.user.sends(100)
    exchange.peer.ignores()
    tcb = exchange.connection.tcb
    tcb.recovery.trials.search = MtuSearch(1024, 1460, 0)
    assert exchange.connection.on_path_mtu(1200, wrap(tcb.snd.una), exchange.now)
    assert (tcb.snd.flight.lost, tcb.recovery.trials.search.high, tcb.recovery.phase) == (1460, 1200, Phase.LOSS)

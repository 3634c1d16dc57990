"""ECN on a connection: RFC 3168 6.1 and RFC 9768 3."""

import pytest

from halfopen.base.clock import MILLISECOND, SECOND
from halfopen.tcp.accurate_ecn import ACE_RECEIVE, ACE_SEND, OPTION_RECEIVE, OPTION_SEND, AccurateEcn
from halfopen.tcp.config import AckConfig, Ecn, EcnConfig, OptionsConfig, TcpConfig
from halfopen.tcp.ecn import see, settle_ecn
from halfopen.tcp.negotiation import Agreed
from halfopen.tcp.tcb import Opening, Tcb
from halfopen.testing.exchange import Exchange, Setting
from halfopen.wire.ecn import CE
from halfopen.wire.tcp import ACK, ECE, SYN, Segment

NEW = "SEWA 0:0(0)"
OPTION = "ECN e1b 1 ceb 0 e0b 1"


def chosen(ecn: Ecn = Ecn.ACCURATE, option: int = 2, fallback: bool = True, quick: int = 16) -> Setting:
    manner = EcnConfig(option=option, fallback=fallback)
    options = OptionsConfig(ecn=ecn, ecn_manner=manner, timestamps=False)
    return Setting(config=TcpConfig(options=options, acks=AckConfig(quick=quick, nagle=False)))


def client(answer: str = f"SW. 0:0(0) ack 1 win 65535 <mss 1012,sackOK,{OPTION}>", **choices: object) -> Exchange:
    exchange = Exchange.active(chosen(**choices))  # type: ignore[arg-type]  # passed on as they are
    exchange.peer.ignores()
    exchange.peer.sends(answer)
    exchange.peer.ignores()
    return exchange


def server(syn: str = f"{NEW} win 65535 <mss 1012,sackOK>", ack: str = "W. 1:1(0)", **choices: object) -> Exchange:
    exchange = Exchange.passive(chosen(**choices))  # type: ignore[arg-type]  # passed on as they are
    exchange.peer.sends(syn)
    exchange.peer.ignores()
    exchange.peer.sends(f"{ack} ack 1 win 65535 <{OPTION}>")
    exchange.peer.ignores()
    return exchange


def state(exchange: Exchange) -> AccurateEcn:
    accurate = exchange.connection.tcb.agreed.accurate
    assert accurate is not None
    return accurate


# What is asked for


@pytest.mark.rfc("3168", "3168.7")
@pytest.mark.rfc("9768", "9768.2")
@pytest.mark.parametrize(
    ("ecn", "flags"),
    [
        (Ecn.OFF, ["S"] * 4),
        (Ecn.ACTIVE, ["SEW", "S", "S", "S"]),
        (Ecn.PASSIVE, ["S"] * 4),
        (Ecn.ACCURATE, ["SEWA", "SEWA", "S", "S"]),
        (Ecn.ACCURATE_IF_ASKED, ["SEW", "S", "S", "S"]),
        (Ecn.ACCURATE_PASSIVE, ["S"] * 4),
    ],
)
def test_a_syn_asks_once_or_twice_and_then_goes_without(ecn: Ecn, flags: list[str]) -> None:
    exchange = Exchange.active(chosen(ecn))
    exchange.after(7 * SECOND)
    for flag in flags:
        exchange.peer.expects_any(flag)


def test_without_fallback_every_syn_asks() -> None:
    exchange = Exchange.active(chosen(fallback=False))
    exchange.after(7 * SECOND)
    for _ in range(4):
        exchange.peer.expects_any("SEWA")


@pytest.mark.rfc("9768", "9768.3")
@pytest.mark.parametrize(("flags", "mark"), [("S.", "noecn"), ("SE.", "ect0"), ("SEWA.", "noecn")])
def test_a_peer_that_knows_less_gets_less(flags: str, mark: str) -> None:
    exchange = client(f"{flags} 0:0(0) ack 1 win 65535 <mss 1000>")
    exchange.user.sends(10)
    exchange.peer.expects(f"[{mark}] P. 1:11(10) ack 1")


def test_who_has_sent_a_syn_without_the_flags_counts_but_does_not_mark() -> None:
    exchange = Exchange.active(chosen())
    exchange.after(4 * SECOND)
    exchange.peer.ignores()
    exchange.peer.sends("SW. 0:0(0) ack 1 win 65535 <mss 1000>")
    exchange.peer.expects("[noecn] .W 1:1(0) ack 1")
    assert state(exchange).failures == ACE_SEND


# What is answered


@pytest.mark.rfc("9768", "9768.1")
@pytest.mark.parametrize(("codepoint", "flags"), [("noecn", "SW."), ("ect1", "SEW."), ("ect0", "SA."), ("ce", "SWA.")])
def test_a_syn_ack_says_how_the_syn_came(codepoint: str, flags: str) -> None:
    exchange = Exchange.passive(chosen())
    exchange.peer.sends(f"[{codepoint}] {NEW} win 65535 <mss 1000,sackOK>")
    exchange.peer.expects(f"[noecn] {flags} 0:0(0) ack 1 <mss 1460,sackOK,{OPTION}>")


@pytest.mark.rfc("9768", "9768.2")
def test_syn_acks_that_nothing_comes_of_say_less_and_less() -> None:
    exchange = Exchange.passive(chosen())
    exchange.peer.sends(f"{NEW} win 65535 <mss 1000>")
    exchange.peer.expects(f"SW. 0:0(0) ack 1 <mss 1460,{OPTION}>")
    exchange.after(4 * SECOND)
    exchange.peer.expects("SW. 0:0(0) ack 1 <mss 1460>")
    exchange.peer.expects("S. 0:0(0) ack 1 <mss 1460>")
    exchange.peer.sends("W. 1:1(0) ack 1 win 65535")
    exchange.user.sends(10)
    exchange.peer.expects("[noecn] PEA. 1:11(10) ack 1")
    assert state(exchange).failures == ACE_SEND


def test_without_the_option_there_is_none_on_a_syn_ack() -> None:
    exchange = Exchange.passive(chosen(option=0))
    exchange.peer.sends(f"{NEW} win 65535 <mss 1000>")
    exchange.peer.expects("SW. 0:0(0) ack 1 <mss 1460>")


def test_a_second_syn_without_the_flags_is_suspicious() -> None:
    exchange = Exchange.passive(chosen())
    exchange.peer.sends(f"{NEW} win 65535 <mss 1000>")
    exchange.peer.sends("S 0:0(0) win 65535 <mss 1000>")
    exchange.peer.sends("W. 1:1(0) ack 1 win 65535")
    exchange.peer.ignores()
    exchange.user.sends(10)
    exchange.peer.expects("[noecn] PEA. 1:11(10) ack 1")
    assert state(exchange).failures == ACE_RECEIVE


def test_a_simultaneous_open_answers_accurately_too() -> None:
    exchange = Exchange.active(chosen())
    exchange.peer.ignores()
    exchange.peer.sends(f"[ect0] {NEW} win 65535 <mss 1000>")
    exchange.peer.expects("SA. 0:0(0) ack 1")


# What is marked and told


@pytest.mark.rfc("9768", "9768.4")
def test_all_segments_are_ecn_capable_and_have_field_and_option() -> None:
    exchange = client()
    exchange.user.sends(1000)
    exchange.peer.expects(f"[ect0] PEA. 1:1001(1000) ack 1 <{OPTION}>")
    exchange.after(SECOND)
    exchange.peer.expects(f"[ect0] PEA. 1:1001(1000) ack 1 <{OPTION}>")
    exchange.peer.ignores()
    exchange.peer.sends("[ce] PEA. 1:101(100) ack 1001 win 65535")
    exchange.peer.expects("[ect0] WA. 1001:1001(0) ack 101 <ECN e1b 1 ceb 100 e0b 1>")


@pytest.mark.rfc("9768", "9768.5")
def test_the_ack_of_a_syn_ack_tells_how_that_came() -> None:
    exchange = Exchange.active(chosen())
    exchange.peer.ignores()
    exchange.peer.sends(f"[ce] SW. 0:0(0) ack 1 win 65535 <mss 1012,{OPTION}>")
    exchange.peer.expects(f"[ect0] WA. 1:1(0) ack 1 <{OPTION}>")
    exchange.user.sends(10)
    exchange.peer.expects(f"[ect0] PWA. 1:11(10) ack 1 <{OPTION}>")


def test_segments_have_room_for_the_option_where_there_is_one() -> None:
    exchange = client(option=1)
    exchange.user.sends(3000)
    exchange.peer.expects(f"[ect0] EA. 1:1001(1000) ack 1 <{OPTION}>")
    exchange.peer.expects("[ect0] EA. 1001:2001(1000) ack 1 <>")
    exchange.peer.expects("[ect0] PEA. 2001:3001(1000) ack 1 <>")
    exchange.after(MILLISECOND)
    exchange.user.sends(1012)
    exchange.peer.expects(f"[ect0] EA. 3001:4001(1000) ack 1 <{OPTION}>")
    exchange.peer.expects("[ect0] PEA. 4001:4013(12) ack 1 <>")


def test_no_option_goes_to_who_has_not_sent_one() -> None:
    exchange = client("SW. 0:0(0) ack 1 win 65535 <mss 1012>")
    exchange.user.sends(1012)
    exchange.peer.expects("[ect0] PEA. 1:1013(1012) ack 1 <>")


def test_beside_sack_blocks_the_option_goes_if_it_fits() -> None:
    exchange = client()
    exchange.peer.sends("[ect1] EA. 11:21(10) ack 1 win 65535")
    exchange.peer.expects("[ect0] EA. 1:1(0) ack 1 <ECN e1b 11 ceb 0 e0b 1,sack 11:21>")


def test_beside_timestamps_and_sack_blocks_there_may_be_no_room() -> None:
    exchange = Exchange.active(Setting(config=TcpConfig(options=OptionsConfig(ecn=Ecn.ACCURATE))))
    exchange.peer.ignores()
    exchange.peer.sends(f"SW. 0:0(0) ack 1 win 65535 <mss 1000,sackOK,TS val 5 ecr 1000,{OPTION}>")
    for left in (11, 31):
        exchange.peer.sends(f"[ect0] EA. {left}:{left + 10}(10) ack 1 win 65535 <TS val 5 ecr 1000>")
    first, second = exchange.peer.ignores()[-2:]
    assert "ECN" in str(first.words) and "ECN" not in str(second.words)


@pytest.mark.rfc("9768", "9768.9")
def test_another_codepoint_is_acknowledged_at_once() -> None:
    exchange = client(quick=0)
    exchange.peer.sends("[ect0] EA. 1:11(10) ack 1 win 65535")
    exchange.peer.expects("[ect0] EA. 1:1(0) ack 11 <ECN e1b 1 ceb 0 e0b 11>")
    exchange.peer.sends("[ect0] EA. 11:21(10) ack 1 win 65535")
    exchange.peer.expects_nothing()


@pytest.mark.rfc("9768", "9768.9")
def test_marks_that_have_not_been_told_are_told_before_the_field_wraps() -> None:
    exchange = client(quick=0)
    exchange.peer.sends("[ce] EA. 1:11(10) ack 1 win 65535")
    exchange.peer.ignores()
    for _ in range(5):
        exchange.peer.sends("[ce] EA. 11:11(0) ack 1 win 65535")
    exchange.peer.expects_nothing()
    exchange.peer.sends("[ce] EA. 11:21(10) ack 1 win 65535")
    exchange.peer.expects("[ect0] A. 1:1(0) ack 21 <ECN e1b 1 ceb 20 e0b 1>")


@pytest.mark.rfc("9768", "9768.8")
def test_an_option_whose_ack_is_lost_twice_does_not_get_through() -> None:
    exchange = client()
    for seq in (1, 101, 1, 1):
        exchange.peer.sends(f"[ect0] PEA. {seq}:{seq + 100}(100) ack 1 win 65535")
    seen = [each.segment.options for each in exchange.peer.ignores()]
    assert [options is not None and options.accurate_ecn is not None for options in seen] == [True, True, True, False]
    assert state(exchange).failures == OPTION_SEND


def test_a_persistent_one_goes_all_the_same() -> None:
    exchange = client(option=3)
    for seq in (1, 101, 1, 1):
        exchange.peer.sends(f"[ect0] PEA. {seq}:{seq + 100}(100) ack 1 win 65535")
    last = exchange.peer.ignores()[-1].segment.options
    assert last is not None and last.accurate_ecn is not None


@pytest.mark.parametrize(("first", "second"), [("11:21", "31:41"), ("11:21", "11:31")])
def test_blocks_that_are_no_duplicates_are_not_taken_for_one(first: str, second: str) -> None:
    exchange = client()
    for block in (first, second):
        left, right = (int(edge) for edge in block.split(":"))
        exchange.peer.sends(f"[ect0] PEA. {left}:{right}({right - left}) ack 1 win 65535")
    exchange.peer.ignores()
    told = state(exchange).feedback.told_duplicate
    assert (told is None) is (second == "31:41")


# What is heard


@pytest.mark.rfc("9768", "9768.4")
@pytest.mark.rfc("3168", "3168.4")
@pytest.mark.parametrize(("ace", "marked"), [("EA", 0), ("WA", 1), ("EWA", 2)])
def test_the_field_of_an_ack_counts(ace: str, marked: int) -> None:
    exchange = client()
    exchange.user.sends(3000)
    exchange.peer.sends(f"{ace}. 1:1(0) ack 3001 win 65535")
    assert state(exchange).account.packets == marked
    assert exchange.counters["TCPECNReductions"] == (marked > 0)


def test_an_ack_of_nothing_new_may_have_been_overtaken() -> None:
    exchange = client()
    exchange.user.sends(3000)
    exchange.peer.sends("WA. 1:1(0) ack 1 win 65535")
    assert state(exchange).account.packets == 0


def test_a_later_timestamp_tells_that_it_has_not() -> None:
    exchange = Exchange.active(Setting(config=TcpConfig(options=OptionsConfig(ecn=Ecn.ACCURATE))))
    exchange.peer.ignores()
    exchange.peer.sends("SW. 0:0(0) ack 1 win 65535 <mss 1000,TS val 5 ecr 1000>")
    exchange.peer.sends("WA. 1:1(0) ack 1 win 65535 <TS val 6 ecr 1000>")
    assert state(exchange).account.packets == 1
    exchange.peer.sends("EWA. 1:1(0) ack 1 win 65535 <TS val 6 ecr 1000>")
    assert state(exchange).account.packets == 1


@pytest.mark.rfc("9768", "9768.8")
def test_a_field_of_zero_ends_the_marking_and_nothing_is_believed() -> None:
    exchange = client()
    exchange.user.sends(2000)
    exchange.peer.sends(". 1:1(0) ack 1001 win 65535")
    exchange.peer.sends("WA. 1:1(0) ack 2001 win 65535")
    exchange.peer.ignores()
    exchange.user.sends(10)
    exchange.peer.expects(f"[noecn] PEA. 2001:2011(10) ack 1 <{OPTION}>")
    assert (state(exchange).failures, state(exchange).account.packets) == (ACE_RECEIVE, 0)


def test_later_a_field_of_zero_is_a_count() -> None:
    exchange = client()
    exchange.user.sends(5000)
    exchange.peer.sends("EWA. 1:1(0) ack 2001 win 65535")
    exchange.peer.sends(". 1:1(0) ack 3001 win 65535")
    assert (state(exchange).failures, state(exchange).account.packets) == (0, 3)


@pytest.mark.rfc("9768", "9768.6", "9768.7")
def test_options_count_octets_and_say_whether_the_field_has_wrapped() -> None:
    exchange = client()
    exchange.user.sends(10_000)
    exchange.peer.sends("EA. 1:1(0) ack 1001 win 65535 <ECN e1b 1 ceb 0 e0b 1001>")
    exchange.peer.sends("WA. 1:1(0) ack 10001 win 65535 <ECN e0b 9001 ceb 1000 e1b 1>")
    assert state(exchange).account.octets == [0, 0, 9000, 1000]
    assert state(exchange).account.packets == 1


@pytest.mark.rfc("9768", "9768.8")
def test_an_option_that_begins_with_zeros_is_not_looked_at_again() -> None:
    exchange = client("SW. 0:0(0) ack 1 win 65535 <mss 1012>")
    exchange.user.sends(3000)
    exchange.peer.sends("EA. 1:1(0) ack 1001 win 65535 <ECN e1b 0 ceb 0 e0b 0>")
    exchange.peer.sends("EA. 1:1(0) ack 2001 win 65535 <ECN e1b 1 ceb 0 e0b 2001>")
    assert state(exchange).failures == OPTION_RECEIVE
    assert state(exchange).account.octets[2] == 0


def test_an_aggregate_counts_as_its_segments() -> None:
    exchange = client()
    see(exchange.connection.tcb, Segment(1, 2, 1, octets=3500, gso_size=1000, ecn=CE))
    assert state(exchange).feedback.packets == 4


# The classic kind


def classic() -> Exchange:
    options = OptionsConfig(ecn=Ecn.ACTIVE, timestamps=False)
    exchange = Exchange.active(Setting(config=TcpConfig(options=options, acks=AckConfig(quick=0, nagle=False))))
    exchange.peer.ignores()
    exchange.peer.sends("SE. 0:0(0) ack 1 win 65535 <mss 1000>")
    exchange.peer.ignores()
    return exchange


@pytest.mark.rfc("3168", "3168.3")
def test_ce_of_text_is_echoed_at_once_and_that_of_a_bare_ack_is_not() -> None:
    exchange = classic()
    exchange.peer.sends("[ce] . 1:1(0) ack 1 win 65535")
    exchange.peer.expects_nothing()
    exchange.peer.sends("[ce] P. 1:11(10) ack 1 win 65535")
    exchange.peer.expects("[noecn] E. 1:1(0) ack 11")


@pytest.mark.rfc("3168", "3168.3")
def test_text_with_cwr_is_acknowledged_at_once_for_the_peers_window_is_small() -> None:
    exchange = classic()
    exchange.peer.sends("[ect0] PW. 1:11(10) ack 1 win 65535")
    exchange.peer.expects("[noecn] . 1:1(0) ack 11")


def test_text_that_is_ecn_capable_no_more_is_probably_sent_again_and_acknowledged_at_once() -> None:
    exchange = classic()
    exchange.peer.sends("[ect0] P. 1:11(10) ack 1 win 65535")
    exchange.peer.expects_nothing()
    exchange.peer.sends("[noecn] P. 11:21(10) ack 1 win 65535")
    exchange.peer.expects(". 1:1(0) ack 21")


def test_segments_whose_acks_had_an_echo_are_counted() -> None:
    exchange = classic()
    exchange.user.sends(3000)
    exchange.peer.sends("E. 1:1(0) ack 2001 win 65535")
    assert exchange.connection.tcb.agreed.ce_delivered == 2


def test_an_echo_that_nothing_was_agreed_on_is_none() -> None:
    exchange = Exchange.established()
    exchange.user.sends(3000)
    exchange.peer.sends("E. 1:1(0) ack 1461 win 65535")
    assert exchange.counters["TCPECNReductions"] == 0


@pytest.mark.rfc("9768", "9768.3")
@pytest.mark.rfc("3168", "3168.1")
def test_a_listener_grants_the_classic_kind() -> None:
    exchange = Exchange.passive(chosen())
    exchange.peer.sends("SEW 0:0(0) win 65535 <mss 1000>")
    exchange.peer.expects("[noecn] SE. 0:0(0) ack 1 <mss 1460>")
    exchange.peer.sends(". 1:1(0) ack 1 win 65535")
    exchange.user.sends(10)
    exchange.peer.expects("[ect0] P. 1:11(10) ack 1")
    exchange.peer.sends("E. 1:1(0) ack 11 win 65535")
    exchange.user.sends(10)
    exchange.peer.expects("[ect0] PW. 11:21(10) ack 1")


def test_a_listener_uses_none_if_it_is_not_asked() -> None:
    exchange = Exchange.passive(chosen())
    exchange.peer.sends("S 0:0(0) win 65535 <mss 1000>")
    exchange.peer.expects("[noecn] S. 0:0(0) ack 1 <mss 1460>")


def test_a_third_ack_that_is_lost_is_repeated_as_it_was() -> None:
    exchange = client()
    exchange.after(SECOND)
    exchange.peer.sends("SW. 0:0(0) ack 1 win 65535 <mss 1012>")
    exchange.peer.expects("[ect0] W. 1:1(0) ack 1")
    exchange.peer.sends("[ect0] PEA. 1:11(10) ack 1 win 65535")
    exchange.peer.ignores()
    exchange.after(SECOND)
    exchange.peer.sends("SW. 0:0(0) ack 1 win 65535 <mss 1012>")
    exchange.peer.expects("[ect0] EA. 1:1(0) ack 11")


# As FreeBSD has it

BSD = EcnConfig(asks_again=1, is_hasty=False, marks_acks=False, option=0)


def bsd(ecn: Ecn) -> Setting:
    options = OptionsConfig(ecn=ecn, ecn_manner=BSD, timestamps=False)
    return Setting(config=TcpConfig(options=options, acks=AckConfig(quick=0, nagle=False)))


@pytest.mark.parametrize(("ecn", "flags"), [(Ecn.ACTIVE, "SEW"), (Ecn.ACCURATE, "SEWA")])
def test_a_syn_may_ask_once_more(ecn: Ecn, flags: str) -> None:
    exchange = Exchange.active(bsd(ecn))
    exchange.after(7 * SECOND)
    for flag in (flags, flags, "S", "S"):
        exchange.peer.expects_any(flag)


def test_who_has_sent_a_syn_without_the_classic_flags_is_not_capable() -> None:
    exchange = Exchange.active(bsd(Ecn.ACTIVE))
    exchange.after(4 * SECOND)
    exchange.peer.ignores()
    exchange.peer.sends("SE. 0:0(0) ack 1 win 65535 <mss 1000>")
    assert not exchange.connection.tcb.agreed.ecn


def test_ce_may_be_echoed_by_the_next_ack_there_is() -> None:
    exchange = Exchange.active(bsd(Ecn.ACTIVE))
    exchange.peer.ignores()
    exchange.peer.sends("SE. 0:0(0) ack 1 win 65535 <mss 1000>")
    exchange.peer.ignores()
    exchange.peer.sends("[ce] P. 1:11(10) ack 1 win 65535")
    exchange.peer.expects_nothing()
    exchange.after(40 * MILLISECOND)
    exchange.peer.expects("[noecn] E. 1:1(0) ack 11")


def test_with_accurate_ecn_new_text_alone_may_be_capable() -> None:
    exchange = Exchange.active(bsd(Ecn.ACCURATE))
    exchange.peer.ignores()
    exchange.peer.sends("SW. 0:0(0) ack 1 win 65535 <mss 1000>")
    exchange.peer.expects("[noecn] .W 1:1(0) ack 1")
    exchange.user.sends(100)
    exchange.peer.expects("[ect0] PEA. 1:101(100) ack 1")
    exchange.after(SECOND)
    assert {seen.segment.ecn for seen in exchange.peer.ignores()} == {0}
    exchange.peer.sends("[ce] PEA. 1:11(10) ack 101 win 65535")
    exchange.peer.expects_nothing()
    exchange.after(40 * MILLISECOND)
    exchange.peer.expects("[noecn] WA. 101:101(0) ack 11")


def test_who_has_sent_a_syn_without_the_flags_is_not_capable_whatever_the_answer_says() -> None:
    tcb = Tcb(Opening(local_port=1, remote_port=2, iss=7), True)
    tcb.agreed = Agreed(ecn=True)
    settle_ecn(tcb, Segment(2, 1, seq=0, flags=SYN | ACK | ECE))
    assert not tcb.agreed.ecn

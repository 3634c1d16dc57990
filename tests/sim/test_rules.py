import warnings

import pytest

from halfopen.base.clock import MILLISECOND
from halfopen.base.errors import ConfigError
from halfopen.sim.match import Passing
from halfopen.sim.rules import (
    DROP,
    PASS,
    Delay,
    Drop,
    Duplicate,
    Rewrite,
    Rules,
    UnusedRuleWarning,
    Verdict,
    corrupt,
    delay,
    drop,
    duplicate,
    mark,
)
from halfopen.wire import ipv4, tcp
from halfopen.wire.ipv4 import Ipv4
from halfopen.wire.packet import Packet
from halfopen.wire.tcp import ACK, SYN, Segment


def passing(flags: int, destination: str = "b", tos: int = 0) -> Passing:
    content = tcp.emit(Segment(1, 2, 3, 4, flags), 0)
    header = Ipv4(b"\xc0\0\2\1", b"\xc0\0\2\2", 6, tos=tos)
    return Passing(Packet(ipv4.emit(header, len(content)) + content), 0, ("a", destination), 0)


def of_a_b() -> Rules:
    return Rules(lambda: "a-b")


def test_the_first_rule_with_a_verdict_decides() -> None:
    rules = of_a_b()
    first = rules.add(drop(syn=True), None)
    second = rules.add(lambda _: PASS, None)
    third = rules.add(lambda _: DROP, None)
    assert rules.judge(passing(SYN)) == (DROP, 1)
    assert rules.judge(passing(ACK)) == (PASS, 2)
    assert (first.matched, second.matched, third.matched) == (1, 1, 0)


def test_without_a_verdict_a_packet_passes() -> None:
    rules = of_a_b()
    rule = rules.add(lambda _: None, None)
    assert rules.judge(passing(SYN)) == (PASS, 0)
    assert rule.matched == 0


def test_a_rule_may_be_for_one_direction() -> None:
    rules = of_a_b()
    rules.add(drop(), "a")
    assert rules.judge(passing(SYN, "b")) == (PASS, 0)
    assert rules.judge(passing(SYN, "a")) == (DROP, 1)


def test_a_rule_is_at_work_until_it_is_removed() -> None:
    rules = of_a_b()
    rule = rules.add(drop(), None)
    assert rules.judge(passing(SYN))[0] is DROP
    rule.remove()
    assert rules.judge(passing(SYN)) == (PASS, 0)
    rule.remove()
    assert rules.add(drop(), None).number == 2


def test_a_rule_is_at_work_within_its_with() -> None:
    rules = of_a_b()
    with rules.add(drop(), None) as rule:
        assert rules.judge(passing(SYN))[0] is DROP
    assert rules.installed == []
    assert rule.matched == 1


def test_a_rule_may_remove_itself() -> None:
    rules = of_a_b()

    def once(_: Passing) -> Verdict:
        rule.remove()
        return DROP

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnusedRuleWarning)
        rule = rules.add(once, None)
        assert rules.judge(passing(SYN))[0] is DROP
        assert rules.judge(passing(SYN))[0] is PASS


def test_a_rule_that_never_matched_is_warned_of_by_name() -> None:
    rules = of_a_b()
    rules.add(drop(), None)
    rules.judge(passing(SYN))
    unused = rules.add(drop(syn=True, ack=True), "b")
    with pytest.warns(UnusedRuleWarning, match=r"rule 2 of link a-b: drop\(syn=True, ack=True\) towards b never"):
        unused.remove()
    with pytest.warns(UnusedRuleWarning, match=r"rule 3 of link a-b: delay\(5, port=1\) never") as caught:  # noqa: SIM117
        with rules.add(delay(5, port=1), None):
            pass
    assert caught[0].filename == __file__
    rules.add(of_nobody, None)
    with pytest.warns(UnusedRuleWarning, match="rule 4 of link a-b: of_nobody never"):
        rules.close()
    assert rules.installed == []


def of_nobody(_: Passing) -> None:
    return None


def test_an_error_within_the_with_is_not_hidden_by_a_warning() -> None:
    rules = of_a_b()
    with pytest.raises(KeyError), rules.add(drop(), None):
        raise KeyError
    assert rules.installed == []


def test_what_cannot_be_called_is_no_rule() -> None:
    with pytest.raises(ConfigError, match="link a-b: 'loss 1%' is no rule"):
        of_a_b().add("loss 1%", None)  # type: ignore[arg-type]  # what is tested


def test_the_usual_rules_give_their_verdict_on_what_matches_only() -> None:
    for rule, verdict in (
        (drop(syn=True), Drop()),
        (delay(1.5, syn=True), Delay(1_500_000)),
        (duplicate(syn=True), Duplicate(1)),
        (duplicate(3, syn=True), Duplicate(3)),
    ):
        assert rule(passing(SYN)) == verdict
        assert rule(passing(ACK)) is None


def test_a_corrupted_packet_differs_in_its_last_bit() -> None:
    whole = passing(SYN)
    verdict = corrupt(syn=True)(whole)
    assert isinstance(verdict, Rewrite)
    before, after = whole.packet.joined(), verdict.packet.joined()
    assert int.from_bytes(before, "big") ^ int.from_bytes(after, "big") == 1
    assert corrupt(ack=True)(whole) is None


def test_who_understands_ecn_is_marked_and_who_does_not_passes() -> None:
    verdict = mark(syn=True)(passing(SYN, tos=2))
    assert isinstance(verdict, Rewrite)
    assert verdict.packet.head[1] == 3
    assert mark(syn=True)(passing(SYN)) is PASS


def test_rules_are_written_as_they_were_made() -> None:
    assert repr(drop()) == "drop()"
    assert repr(drop(port=80, nth=3)) == "drop(port=80, nth=3)"
    assert repr(delay(0.5)) == "delay(0.5)"
    assert repr(duplicate(2, ack=True)) == "duplicate(2, ack=True)"
    assert repr(corrupt(first=1)) == "corrupt(first=1)"
    assert repr(mark(every=2)) == "mark(every=2)"


def test_impossible_rules_are_refused() -> None:
    with pytest.raises(ConfigError, match="a packet cannot be delayed by -1 ms"):
        delay(-1)
    with pytest.raises(ConfigError, match="a packet cannot have 0 duplicates"):
        duplicate(0)
    assert Delay(MILLISECOND).duration == MILLISECOND

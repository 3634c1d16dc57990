import pytest
from hypothesis import given
from hypothesis import strategies as st

from halfopen.base.clock import MILLISECOND, SECOND
from halfopen.base.netem import PERFECT, Impairment, parse

FULL = "loss 1% delay 10ms 2ms reorder 1% duplicate 0.1% corrupt 0.1% rate 100mbit limit 500"


def test_netems_words_are_understood() -> None:
    assert parse(FULL) == Impairment(
        loss=0.01,
        delay=10 * MILLISECOND,
        jitter=2 * MILLISECOND,
        reorder=0.01,
        duplicate=0.001,
        corrupt=0.001,
        rate=100_000_000,
        limit=500,
    )
    assert parse("") == Impairment()
    assert parse("delay 1.5us rate 1.5kbit") == Impairment(delay=1500, rate=1500)
    assert parse("RATE 9600 Loss 100%") == Impairment(rate=9600, loss=1.0)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("los 1%", "'los' is not an impairment: expected one of loss, delay"),
        ("loss", "'loss' has no value behind it"),
        ("loss 1", "loss '1' is not a percentage"),
        ("loss 101%", "loss '101%' is not a percentage from 0% to 100%"),
        ("loss -1%", "loss '-1%' is not understood"),
        ("loss 1% loss 2%", "'loss' stands twice"),
        ("loss 1% 25%", "'25%' is not an impairment"),
        ("delay 10", "delay '10' has no unit of time"),
        ("delay ms", "delay 'ms' is not understood: expected a time such as 10ms"),
        ("delay 10ms 2", "jitter '2' has no unit of time"),
        ("rate 100mbps", "rate '100mbps' has no known unit: expected one of bit"),
        ("limit many", "limit 'many' is not a number of packets"),
        ("limit 0", "limit is a number of packets of at least 1"),
        ("reorder 1%", "reorder needs a delay"),
    ],
)
def test_what_is_not_understood_is_named(text: str, complaint: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse(text)
    assert complaint in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [({"loss": 1.5}, "loss is a probability"), ({"delay": -1}, "delay cannot be negative"), ({"rate": -1}, "rate")],
)
def test_impossible_fields_are_refused(fields: dict[str, float], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Impairment(**fields)  # type: ignore[arg-type]  # a mapping of mixed fields


PROBABILITY = st.integers(0, 10**9).map(lambda billionths: billionths / 10**9)


@given(
    st.builds(
        Impairment,
        loss=PROBABILITY,
        delay=st.integers(1, 10 * SECOND),
        jitter=st.integers(0, SECOND),
        reorder=PROBABILITY,
        duplicate=PROBABILITY,
        corrupt=PROBABILITY,
        rate=st.integers(0, 10**12),
        limit=st.integers(1, 10**6),
    )
)
def test_an_impairment_reads_its_own_words(impairment: Impairment) -> None:
    assert parse(str(impairment)) == impairment


@pytest.mark.parametrize(
    ("text", "holds_back"), [("", False), ("loss 1%", False), ("delay 1ns", True), ("rate 1bit", True)]
)
def test_only_delay_jitter_and_rate_hold_packets_back(text: str, holds_back: bool) -> None:
    assert parse(text).holds_back is holds_back


def test_a_perfect_network_needs_no_words() -> None:
    assert str(PERFECT) == ""
    assert str(parse("rate 1mbit loss 1% delay 1ms 1us")) == "delay 1000000ns 1000ns loss 1.00% rate 1000000bit"

import pytest

from halfopen.base.clock import MICROSECOND, MILLISECOND
from halfopen.base.impairment import CoDel, Correlations, DropTail, FourState, GilbertElliott, Impairment, Queue, Red
from halfopen.base.netem import parse, red_weight


def test_netems_words_are_understood_in_any_order_and_case() -> None:
    assert parse("loss 1% delay 10ms 2ms reorder 1% duplicate 0.1% corrupt 0.1% rate 100mbit limit 500") == Impairment(
        loss=0.01,
        delay=10 * MILLISECOND,
        jitter=2 * MILLISECOND,
        reorder=0.01,
        duplicate=0.001,
        corrupt=0.001,
        rate=100_000_000,
        queue=DropTail(limit=500),
    )
    assert parse("") == Impairment()
    assert parse("delay 1.5us rate 1.5kbit") == Impairment(delay=1500, rate=1500)
    assert parse("RATE 9600 Loss random 100%") == Impairment(rate=9600, loss=1.0)


def test_correlations_stand_behind_what_they_are_about() -> None:
    assert parse("delay 10ms 2ms 25% loss 1% 30% duplicate 2% 40% corrupt 3% 50% reorder 4% 60% gap 5") == Impairment(
        delay=10 * MILLISECOND,
        jitter=2 * MILLISECOND,
        loss=0.01,
        duplicate=0.02,
        corrupt=0.03,
        reorder=0.04,
        gap=5,
        correlations=Correlations(delay=0.25, loss=0.3, duplicate=0.4, corrupt=0.5, reorder=0.6),
    )


@pytest.mark.parametrize("name", ["uniform", "normal"])
def test_the_distribution_of_delays_is_named_behind_them(name: str) -> None:
    assert parse(f"delay 10ms 2ms distribution {name} loss 1%").distribution == name
    assert parse(f"delay 10ms 2ms 20% distribution {name}").correlations == Correlations(delay=0.2)


@pytest.mark.parametrize(
    ("words", "loss"),
    [
        ("gemodel 1%", GilbertElliott(p=0.01, r=0.99, bad=1.0, good=0.0)),
        ("gemodel 1% 10%", GilbertElliott(p=0.01, r=0.1)),
        ("gemodel 1% 10% 70%", GilbertElliott(p=0.01, r=0.1, bad=0.7)),
        ("gemodel 1% 10% 70% 0.1%", GilbertElliott(p=0.01, r=0.1, bad=0.7, good=0.001)),
        ("state 1%", FourState(p13=0.01, p31=0.99)),
        ("state 1% 20%", FourState(p13=0.01, p31=0.2)),
        ("state 1% 20% 30% 40% 5%", FourState(p13=0.01, p31=0.2, p32=0.3, p23=0.4, p14=0.05)),
    ],
)
def test_models_of_loss_take_netems_defaults(words: str, loss: GilbertElliott | FourState) -> None:
    assert parse(f"loss {words} delay 1ms") == Impairment(loss=loss, delay=MILLISECOND)


def test_ecn_behind_a_loss_marks() -> None:
    assert parse("loss 1% ecn") == Impairment(loss=0.01, ecn=True)


@pytest.mark.parametrize(
    ("words", "queue"),
    [
        ("limit 7", DropTail(limit=7)),
        ("pfifo", DropTail()),
        ("pfifo limit 7", DropTail(limit=7)),
        ("bfifo limit 64kb", DropTail(limit=65536, unit="octets")),
        ("bfifo limit 1000", DropTail(limit=1000, unit="octets")),
        ("codel", CoDel()),
        (
            "codel limit 50 target 2ms interval 60ms ecn",
            CoDel(limit=50, target=2 * MILLISECOND, interval=60 * MILLISECOND, ecn=True),
        ),
        ("red", Red(limit=1000, minimum=83, maximum=250, weight=1 / 64)),
        ("red limit 100 min 10", Red(limit=100, minimum=10, maximum=30, weight=1 / 8)),
        (
            "red limit 100 min 5 max 15 probability 2% ecn",
            Red(limit=100, minimum=5, maximum=15, weight=1 / 8, probability=0.02, ecn=True),
        ),
        (
            "red limit 100 min 5 max 15 weight 0.2% probability 10% gentle",
            Red(limit=100, minimum=5, maximum=15, weight=0.002, probability=0.1, gentle=True),
        ),
        ("red limit 100 min 5 max 15 burst 50", Red(limit=100, minimum=5, maximum=15, weight=2**-9)),
    ],
)
def test_queues_stand_in_front_of_the_rate(words: str, queue: Queue) -> None:
    assert parse(f"rate 10mbit {words} delay 1us") == Impairment(rate=10_000_000, queue=queue, delay=MICROSECOND)


@pytest.mark.parametrize(("minimum", "burst"), [(5, 8), (5, 50), (10, 16), (83, 138), (30, 30)])
def test_the_weight_of_red_lets_a_burst_pass(minimum: int, burst: int) -> None:
    def average_after_burst(weight: float) -> float:
        average = 0.0
        for queued in range(1, burst + 1):
            average += weight * (queued - average)
        return average

    weight = red_weight(minimum, burst)
    assert average_after_burst(weight) <= minimum
    assert weight == 0.5 or average_after_burst(4 * weight) > minimum


def test_no_weight_is_endlessly_small() -> None:
    assert red_weight(1, 10**9) == 2**-31


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("los 1%", "'los' is not an impairment: expected one of loss, delay"),
        ("loss", "'loss' has no value behind it"),
        ("loss 1", "loss '1' is not a percentage"),
        ("loss 101%", "loss '101%' is not a percentage from 0% to 100%"),
        ("loss -1%", "loss '-1%' is not understood"),
        ("loss 1% loss 2%", "'loss' stands twice in 'loss 1% loss 2%'"),
        ("loss 1% 25% 3%", "'3%' is not an impairment"),
        ("loss gemodel", "'loss' has no value behind it"),
        ("loss gemodel 1% 2% 3% 4% 5%", "'5%' is not an impairment"),
        ("loss state 60% 10% 10% 10% 60%", "loss state p13 and p14 leave the same state"),
        ("delay 10", "delay '10' has no unit of time"),
        ("delay ms", "delay 'ms' is not understood: expected a time such as 10ms"),
        ("delay 10ms 2", "jitter '2' has no unit of time"),
        ("delay 10ms 2ms 5", "the correlation of delay '5' is not a percentage"),
        ("delay 10ms 2ms distribution", "'distribution' has no value behind it"),
        ("delay 10ms 2ms distribution pareto", "distribution 'pareto' is not known: expected uniform or normal"),
        ("delay 10ms distribution normal", "distribution needs a jitter"),
        ("rate 100mbps", "rate '100mbps' has no known unit: expected one of bit"),
        ("limit many", "limit 'many' is not a number of packets"),
        ("limit 0", "limit is a number of packets of at least 1"),
        ("reorder 1%", "reorder needs a delay"),
        ("rate 1mbit limit 5 codel", "the queue stands twice in 'rate 1mbit limit 5 codel': 'codel' is a second one"),
        ("rate 1mbit red limit 5 limit 6", "'red limit' stands twice"),
        ("rate 1mbit red min x", "red min 'x' is not a number of packets"),
        ("rate 1mbit red limit 5 min 6", "red needs 1 <= min < max <= limit, but they are 6, 18 and 5"),
        ("rate 1mbit codel target 5", "codel target '5' has no unit of time"),
        ("rate 1mbit bfifo", "'bfifo' needs a limit in octets behind it"),
        ("rate 1mbit bfifo limit 5kg", "bfifo limit '5kg' has no known unit: expected one of b, kb, mb"),
        ("codel", "codel needs a rate: without one nothing queues"),
    ],
)
def test_what_is_not_understood_is_named(text: str, complaint: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse(text)
    assert complaint in str(caught.value)

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halfopen.base.clock import MILLISECOND, SECOND
from halfopen.base.impairment import PERFECT, CoDel, Correlations, DropTail, FourState, GilbertElliott, Impairment, Red
from halfopen.base.netem import parse


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"loss": 1.5}, "loss is a probability from 0 to 1"),
        ({"delay": -1}, "delay cannot be negative"),
        ({"rate": -1}, "rate cannot be negative"),
        ({"gap": 0}, "gap is a number of packets of at least 1"),
        ({"gap": 5}, "gap needs a reorder"),
        ({"reorder": 0.1}, "reorder needs a delay"),
        ({"ecn": True}, "ecn needs a loss"),
        ({"delay": 1, "distribution": "normal"}, "distribution needs a jitter"),
        ({"queue": CoDel()}, "codel needs a rate"),
        ({"queue": DropTail(limit=9, unit="octets")}, "bfifo needs a rate"),
        ({"correlations": Correlations(loss=0.5)}, "the correlation of loss needs a probability"),
        ({"correlations": Correlations(delay=0.5)}, "the correlation of delay needs a jitter"),
        (
            {"loss": GilbertElliott(p=0.1, r=0.5), "correlations": Correlations(loss=0.5)},
            "the correlation of loss needs a probability",
        ),
    ],
)
def test_what_cannot_be_is_refused_by_name(fields: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Impairment(**fields)  # type: ignore[arg-type]  # a mapping of mixed fields


def test_impossible_parts_are_refused() -> None:
    with pytest.raises(ValueError, match="loss gemodel r is a probability"):
        GilbertElliott(p=0.1, r=2)
    with pytest.raises(ValueError, match="loss state p13 is a probability"):
        FourState(p13=-1, p31=0.5)
    with pytest.raises(ValueError, match="p31 and p32 leave the same state and exceed 100% together"):
        FourState(p13=0.1, p31=0.6, p32=0.6)
    with pytest.raises(ValueError, match="the correlation of corrupt is a probability"):
        Correlations(corrupt=3)
    with pytest.raises(ValueError, match="limit is a number of octets of at least 1, not 0"):
        DropTail(limit=0, unit="octets")
    with pytest.raises(ValueError, match="red needs 1 <= min < max <= limit, but they are 5, 5 and 10"):
        Red(limit=10, minimum=5, maximum=5, weight=0.1)
    with pytest.raises(ValueError, match="red weight is above 0% and at most 100%, not 0%"):
        Red(limit=10, minimum=2, maximum=5, weight=0)
    with pytest.raises(ValueError, match="codel needs 0 < target <= interval"):
        CoDel(target=2, interval=1)


@pytest.mark.parametrize(
    ("impairment", "holds_back"),
    [
        (PERFECT, False),
        (Impairment(loss=0.1), False),
        (Impairment(delay=1), True),
        (Impairment(jitter=1), True),
        (Impairment(rate=1), True),
    ],
)
def test_only_delay_jitter_and_rate_hold_packets_back(impairment: Impairment, holds_back: bool) -> None:
    assert impairment.holds_back is holds_back


def test_its_words_are_netems() -> None:
    assert str(PERFECT) == ""
    assert str(Impairment(jitter=5)) == "delay 0ns 5ns"
    assert str(Impairment(delay=5)) == "delay 5ns"
    assert Impairment(loss=0.01, correlations=Correlations(loss=0.25)).loss_words == "loss 1% 25%"
    assert str(GilbertElliott(p=0.01, r=0.1)) == "gemodel 1% 10%"
    assert str(GilbertElliott(p=0.01, r=0.1, bad=0.5)) == "gemodel 1% 10% 50%"
    assert str(GilbertElliott(p=0.01, r=0.1, good=0.5)) == "gemodel 1% 10% 100% 50%"
    assert str(FourState(p13=0.01, p31=0.1)) == "state 1% 10%"
    assert str(FourState(p13=0.01, p31=0.1, p23=0.5)) == "state 1% 10% 0% 50%"
    full = Impairment(
        loss=0.01,
        ecn=True,
        delay=MILLISECOND,
        jitter=1000,
        distribution="normal",
        reorder=0.5,
        gap=5,
        duplicate=0.001,
        rate=1_000_000,
        queue=DropTail(limit=100),
        correlations=Correlations(delay=0.25, reorder=0.5),
    )
    assert str(full) == (
        "delay 1000000ns 1000ns 25% distribution normal loss 1% reorder 50% 50% duplicate 0.1% gap 5 ecn"
        " rate 1000000bit limit 100"
    )


BILLION = 10**9
PROBABILITY = st.integers(0, BILLION).map(lambda billionths: billionths / BILLION)
POSITIVE = st.integers(1, BILLION).map(lambda billionths: billionths / BILLION)
HALF = st.integers(0, BILLION).map(lambda billionths: billionths / BILLION / 2)
CORRELATIONS = st.builds(
    Correlations, loss=PROBABILITY, delay=PROBABILITY, reorder=PROBABILITY, duplicate=PROBABILITY, corrupt=PROBABILITY
)
RED = st.builds(
    lambda low, rise, rest, fields: Red(minimum=low, maximum=low + rise, limit=low + rise + rest, **fields),
    st.integers(1, 100),
    st.integers(1, 100),
    st.integers(0, 100),
    st.fixed_dictionaries(
        {"weight": POSITIVE, "probability": PROBABILITY, "gentle": st.booleans(), "ecn": st.booleans()}
    ),
)
CODEL = st.builds(
    lambda target, rest, limit, ecn: CoDel(target=target, interval=target + rest, limit=limit, ecn=ecn),
    st.integers(1, SECOND),
    st.integers(0, SECOND),
    st.integers(1, 10**6),
    st.booleans(),
)
QUEUE = st.one_of(
    st.builds(DropTail, limit=st.integers(1, 10**6), unit=st.sampled_from(["packets", "octets"])), RED, CODEL
)
COMMON = {"corrupt": POSITIVE, "duplicate": POSITIVE, "reorder": POSITIVE, "gap": st.integers(1, 10)}


@given(
    st.one_of(
        st.builds(
            Impairment,
            **COMMON,
            loss=POSITIVE,
            ecn=st.booleans(),
            delay=st.integers(1, 10 * SECOND),
            jitter=st.integers(1, SECOND),
            distribution=st.sampled_from(["uniform", "normal"]),
            rate=st.integers(1, 10**12),
            queue=QUEUE,
            correlations=CORRELATIONS,
        ),
        st.builds(
            Impairment,
            loss=st.one_of(
                PROBABILITY,
                st.builds(GilbertElliott, p=PROBABILITY, r=PROBABILITY, bad=PROBABILITY, good=PROBABILITY),
                st.builds(FourState, p13=HALF, p31=HALF, p32=HALF, p23=PROBABILITY, p14=HALF),
            ),
            delay=st.integers(0, SECOND),
            jitter=st.integers(0, SECOND),
            queue=st.builds(DropTail, limit=st.integers(1, 10**6)),
        ),
    )
)
def test_its_words_say_it_all(impairment: Impairment) -> None:
    assert parse(str(impairment)) == impairment

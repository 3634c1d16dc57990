import pytest

from halfopen.packetdrill.mapping import FlowLabels, SequenceNumbers, Timestamps, Unmapped


def test_the_remote_end_s_numbers_on_a_syn_are_those_on_the_wire() -> None:
    assert SequenceNumbers(123).remote(123, is_syn=True) == 123


def test_on_other_segments_the_remote_end_s_numbers_count_from_its_isn() -> None:
    assert SequenceNumbers(123).remote(1, is_syn=False) == 124


def test_our_numbers_count_from_the_isn_that_our_syn_had() -> None:
    numbers = SequenceNumbers()
    numbers.learn(0, 5000)
    assert numbers.local(1, is_syn=False) == 5001


def test_a_script_may_give_our_syn_another_number_than_0() -> None:
    numbers = SequenceNumbers()
    numbers.learn(10, 5000)
    assert (numbers.local(11, is_syn=True), numbers.local(1, is_syn=False)) == (5001, 5001)


def test_only_our_first_syn_tells_our_isn() -> None:
    numbers = SequenceNumbers()
    numbers.learn(0, 5000)
    numbers.learn(0, 7000)
    assert numbers.local(0, is_syn=True) == 5000


def test_a_syn_that_no_line_has_asked_for_counts_until_one_does() -> None:
    numbers = SequenceNumbers()
    numbers.suppose(5000)
    supposed = numbers.local(1, is_syn=False)
    numbers.learn(10, 5000)
    assert (supposed, numbers.local(11, is_syn=True)) == (5001, 5001)


def test_before_our_syn_was_seen_our_numbers_are_those_on_the_wire() -> None:
    assert SequenceNumbers(1).local(1, is_syn=False) == 1


def test_only_the_remote_end_s_first_number_is_its_isn() -> None:
    numbers = SequenceNumbers()
    numbers.meet(100)
    numbers.meet(200)
    assert numbers.remote_isn == 100


def test_numbers_wrap_around() -> None:
    assert SequenceNumbers(0xFFFFFFFF).remote(2, is_syn=False) == 1


@pytest.mark.parametrize("is_syn", [True, False])
def test_live_numbers_are_told_in_the_script_s(is_syn: bool) -> None:
    numbers = SequenceNumbers(123)
    numbers.learn(10, 5000)
    assert numbers.script_local(numbers.local(7, is_syn=is_syn), is_syn=is_syn) == 7
    assert numbers.script_remote(numbers.remote(7, is_syn=is_syn), is_syn=is_syn) == 7


def test_an_echo_stands_for_the_value_that_was_sent() -> None:
    timestamps = Timestamps()
    timestamps.learn(100, 987654)
    assert timestamps.live(100) == 987654


def test_an_echo_of_what_was_never_sent_has_no_live_value() -> None:
    timestamps = Timestamps()
    timestamps.learn(100, 987654)
    with pytest.raises(Unmapped, match="ecr 101"):
        timestamps.live(101)


def test_scaled_echoes_follow_from_the_first_pair() -> None:
    timestamps = Timestamps(extrapolates=True)
    timestamps.learn(100, 987654)
    assert timestamps.live(150) == 987704


def test_a_flow_label_stands_for_one_live_label() -> None:
    labels = FlowLabels()
    assert labels.matches(1, 0xABCDE)
    assert labels.matches(1, 0xABCDE)
    assert not labels.matches(1, 0xABCDF)

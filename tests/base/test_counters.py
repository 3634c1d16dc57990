from halfopen.base.counters import Counters


def test_a_counter_nobody_touched_is_zero() -> None:
    assert Counters()["TCPTimeouts"] == 0


def test_counts_add_up_by_name() -> None:
    counters = Counters()
    counters.add("InErrs")
    counters.add("InErrs", 4)
    counters.add("InCsumErrors")
    assert (counters["InErrs"], counters["InCsumErrors"]) == (5, 1)


def test_names_come_in_the_order_of_first_use() -> None:
    counters = Counters()
    for name in ("b", "a", "b"):
        counters.add(name)
    assert list(counters) == ["b", "a"]


def test_a_snapshot_is_a_copy_without_zeros() -> None:
    counters = Counters()
    counters.add("a", 2)
    counters.add("b", 0)
    snapshot = counters.snapshot()
    counters.add("a")
    assert snapshot == {"a": 2}


def test_the_representation_shows_the_counts() -> None:
    counters = Counters()
    counters.add("a", 2)
    assert repr(counters) == "Counters({'a': 2})"

from bench.instructions import PATHS, verdict


def test_a_count_within_the_tolerance_is_good() -> None:
    assert verdict("segment-cost", 102_000, 100_000) == ("segment-cost         102,000   +2.0% of 100,000", True)


def test_a_count_beyond_the_tolerance_is_a_regression() -> None:
    assert verdict("segment-cost", 104_000, 100_000) == ("segment-cost         104,000   +4.0% of 100,000", False)


def test_a_build_without_a_stored_count_is_not_judged() -> None:
    line, is_good = verdict("segment-cost", 104_000, None)
    assert "nothing is stored" in line and is_good


def test_a_path_says_how_far_it_was_walked() -> None:
    assert PATHS["segment-cost"](64) >= 64
    assert PATHS["checksum"](64) == 512

import pytest

from halfopen.report.tables import format_duration, format_octets, format_rate, format_table, printable


def test_columns_are_aligned_and_numbers_stand_to_the_right() -> None:
    rows = [("LISTEN", 0, "192.0.2.1:80", None), ("ESTAB", 1460, "192.0.2.1:40000", "curl")]
    assert format_table(rows, ("State", "Recv-Q", "Local", "Owner")).splitlines() == [
        "State   Recv-Q  Local            Owner",
        "LISTEN       0  192.0.2.1:80",
        "ESTAB     1460  192.0.2.1:40000  curl",
    ]


def test_booleans_are_words_and_empty_columns_stand_to_the_left() -> None:
    assert format_table([(True, None), (False, None)], ("up", "note")) == "up     note\nTrue\nFalse"


def test_a_table_without_rows_is_its_header() -> None:
    assert format_table([], ("State", "Owner")) == "State  Owner"


def test_a_row_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(ValueError, match="1 cells does not fit a table of 2 columns"):
        format_table([("LISTEN",)], ("State", "Owner"))


def test_nothing_in_a_cell_can_steer_the_terminal() -> None:
    assert "\x1b" not in format_table([("\x1b[31mred\nnext",)], ("Owner",))
    assert printable("a\tb\u202ec") == "a\ufffdb\ufffdc"
    assert printable("plain é") == "plain é"


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.00 kB"),
        (12_345, "12.3 kB"),
        (268_435_456, "268 MB"),
        (999_600, "1.00 MB"),
        (1_530_000_000, "1.53 GB"),
        (3e21, "3000 EB"),
    ],
)
def test_octets_have_three_digits_and_a_decimal_unit(octets: float, expected: str) -> None:
    assert format_octets(octets) == expected


def test_a_rate_is_octets_per_second_and_none_if_no_time_has_passed() -> None:
    assert format_rate(268_435_456, 0.1) == "2.68 GB/s"
    assert format_rate(5, 0.0) == "-"


@pytest.mark.parametrize(
    ("duration", "expected"),
    [
        (0, "0 ns"),
        (789, "789 ns"),
        (45_600, "45.6 us"),
        (12_300_000, "12.3 ms"),
        (1_234_000_000, "1.234 s"),
        (7_200_000_000_000, "7200 s"),
    ],
)
def test_durations_have_the_unit_that_suits_them(duration: int, expected: str) -> None:
    assert format_duration(duration) == expected

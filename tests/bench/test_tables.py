from bench.question import Answer, Question
from bench.tables import peer_tables, table

QUESTION = Question(
    name="bulk", says="so many octets", unit="bit/s", subjects={"halfopen": float, "lwip": float}, target=1e9
)
OURS = Answer("bulk", "halfopen", "interpreted", "bit/s", [2e9, 1e9, 4e9])
THEIRS = Answer("bulk", "lwip", "liblwip 2.1.3", "bit/s", [1e9])


def test_a_row_has_the_median_and_the_range_and_ours_the_aim() -> None:
    assert table([QUESTION], [THEIRS, OURS])[2:] == [
        "|  | lwip | 1 Gbit/s | 1 Gbit/s to 1 Gbit/s |  | liblwip 2.1.3 |",
        "| so many octets | halfopen | 2 Gbit/s | 1 Gbit/s to 4 Gbit/s | at least 1 Gbit/s | interpreted |",
    ]


def test_a_table_of_peers_says_how_many_times_ours_a_figure_is() -> None:
    assert list(peer_tables([QUESTION], [OURS, THEIRS])) == [
        "| so many octets | median (runs) [x halfopen] | build |",
        "|---|---|---|",
        "| halfopen | 2 Gbit/s (1 Gbit/s to 4 Gbit/s) | interpreted |",
        "| lwip | 1 Gbit/s (1 Gbit/s to 1 Gbit/s) [0.5] | liblwip 2.1.3 |",
        "",
    ]


def test_a_table_of_peers_says_why_there_is_no_figure() -> None:
    stalled = Answer("bulk", "pasta", "passt", "bit/s", [], "stalls")
    half = Answer("bulk", "lwip", "liblwip 2.1.3", "bit/s", [1e9], "stalls")
    assert list(peer_tables([QUESTION], [OURS, stalled, half]))[3:5] == [
        "| pasta | not measured: stalls | passt |",
        "| lwip | 1 Gbit/s (1 Gbit/s to 1 Gbit/s) [0.5]; then stalls | liblwip 2.1.3 |",
    ]


def test_a_question_that_nobody_has_answered_has_no_table() -> None:
    assert list(peer_tables([QUESTION], [])) == []

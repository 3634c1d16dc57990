import json
from pathlib import Path

import pytest

from bench.question import Answer, Question, Unavailable, ask, human, read_answers, write_answers

BUILD = "interpreted, CPython 3.11.7 (no PGO)"


def test_subjects_answer_in_turns() -> None:
    asked: list[str] = []

    def measure(subject: str) -> float:
        asked.append(subject)
        return float(len(asked))

    subjects = {"halfopen": lambda: measure("halfopen"), "kernel": lambda: measure("kernel")}
    lines: list[str] = []
    answers = ask(Question(name="turns", says="", unit="B/s", subjects=subjects), 3, BUILD, lines.append)
    assert asked == ["halfopen", "kernel"] * 3
    assert [(answer.subject, answer.runs, answer.value) for answer in answers] == [
        ("halfopen", [1, 3, 5], 3),
        ("kernel", [2, 4, 6], 4),
    ]
    assert [line.split() for line in lines[:2]] == [["turns", "halfopen", "1", "B/s"], ["turns", "kernel", "2", "B/s"]]


def test_a_line_of_the_results_file_has_these_fields_and_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    assert read_answers(path) == []
    answers = [Answer("bulk-to-kernel", "halfopen", BUILD, "B/s", [3e9, 1e9, 2.00004e9])]
    write_answers(path, answers)
    assert [json.loads(line) for line in path.read_text().splitlines()] == [
        {
            "question": "bulk-to-kernel",
            "subject": "halfopen",
            "build": BUILD,
            "value": 2e9,
            "unit": "B/s",
            "runs": [3e9, 1e9, 2e9],
        }
    ]
    (back,) = read_answers(path)
    assert (back.key, back.unit, back.runs) == (answers[0].key, "B/s", [3e9, 1e9, 2e9])


def test_a_subject_that_becomes_unavailable_keeps_its_figures_and_is_not_asked_again() -> None:
    asked: list[str] = []

    def measure() -> float:
        asked.append("lwip")
        if len(asked) == 2:
            raise Unavailable("stalls")
        return 3e9

    question = Question(
        name="q", says="", unit="B/s", subjects={"lwip": measure}, builds={"lwip": lambda: "liblwip 2.1.3"}
    )
    lines: list[str] = []
    assert ask(question, 5, BUILD, lines.append) == [Answer("q", "lwip", "liblwip 2.1.3", "B/s", [3e9], "stalls")]
    assert asked == ["lwip"] * 2
    assert [line.split() for line in lines] == [["q", "lwip", "3", "GB/s"], ["q", "lwip", "stalls"]]


def test_an_answer_without_figures_has_a_reason_in_the_results_file(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    answer = Answer("q", "lwip", "liblwip 2.1.3", "B/s", [], "there is no gcc here")
    write_answers(path, [answer])
    entry = json.loads(path.read_text())
    assert (entry["value"], entry["runs"], entry["reason"]) == (None, [], "there is no gcc here")
    assert read_answers(path) == [answer]


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (2.3456e9, "B/s", "2.35 GB/s"),
        (61e6, "B/s", "61 MB/s"),
        (4350.4, "1/s", "4,350 1/s"),
        (3921.0, "B", "3,921 B"),
        (9.1e-6, "s", "9.1 us"),
    ],
)
def test_figures_are_written_for_people(value: float, unit: str, text: str) -> None:
    assert human(value, unit) == text


@pytest.mark.parametrize(
    ("more", "goal"),
    [
        ({}, ""),
        ({"target": 1.5e9}, "at least 1.5 GB/s"),
        ({"target": 2e9, "is_cost": True}, "at most 2 GB/s"),
        ({"least_ratio": 0.5}, "at least 0.5 x kernel"),
    ],
)
def test_a_question_says_what_halfopen_should_reach(more: dict[str, float], goal: str) -> None:
    question = Question(
        name="q",
        says="",
        unit="B/s",
        subjects={"halfopen": float, "kernel": float},
        target=more.get("target"),
        is_cost=bool(more.get("is_cost", False)),
        least_ratio=more.get("least_ratio"),
    )
    assert question.goal == goal

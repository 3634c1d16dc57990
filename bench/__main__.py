"""`python -m bench [ONLY]`: asks every question, or those whose name contains ONLY, and writes the answers down.

The answers go to ``bench/results.jsonl``, where they replace those to the same question of the same build, and the
table in ``docs/benchmarks.md`` is made anew from all that the file holds. Needs root, for namespaces and devices.
"""

import argparse
import os
import sys
from pathlib import Path

from bench import bulk, bulk_loss, connections, machine, memory, segment_cost, simulation
from bench.question import OURS, Answer, Question, ask, human, read_answers, write_answers

QUESTIONS: tuple[Question, ...] = (
    *bulk.QUESTIONS,
    *bulk_loss.QUESTIONS,
    *connections.QUESTIONS,
    *memory.QUESTIONS,
    *segment_cost.QUESTIONS,
    *simulation.QUESTIONS,
)

HERE = Path(__file__).parent
RESULTS = HERE / "results.jsonl"
TABLE = HERE.parent / "docs" / "benchmarks.md"

INTRODUCTION = """\
# Benchmarks

Made by `make bench`; each figure is the median of several runs in which the subjects took turns, and beside it stands
the range of the runs. Figures of different machines, and of different days on one machine, do not compare; the
columns of one row do. The kernel is the peer in all rows with *kernel* in their name: a process of its own on a plain
socket. *kernel-veth* is the kernel at both ends, over a veth pair.
"""


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="How fast halfopen is, beside its peers.")
    parser.add_argument("only", nargs="?", default="", metavar="ONLY", help="part of the names of the questions to ask")
    parser.add_argument("--runs", type=int, default=5, metavar="N", help="runs of each subject (5)")
    arguments = parser.parse_args()
    chosen = [question for question in QUESTIONS if arguments.only in question.name]
    if not chosen or arguments.runs < 1:
        names = ", ".join(question.name for question in QUESTIONS)
        print(f"bench: nothing to do for {arguments.only!r} and {arguments.runs} runs; questions: {names}")
        return 2
    if os.geteuid() != 0:
        print("bench: needs root, to make network namespaces and TUN devices of its own", file=sys.stderr)
        return 2
    print("\n".join(machine.describe()), flush=True)
    build = machine.build()
    fresh: dict[tuple[str, str, str], Answer] = {}
    for question in chosen:
        for answer in ask(question, arguments.runs, build, lambda line: print(line, flush=True)):
            fresh[answer.key] = answer
    answers = {answer.key: answer for answer in read_answers(RESULTS)} | fresh
    write_answers(RESULTS, answers.values())
    table = _table(list(answers.values()))
    TABLE.write_text("\n".join([INTRODUCTION, *table, "", *_machine_lines(), ""]))
    print("\n".join(_table(list(fresh.values()))))
    return 0


def _table(answers: list[Answer]) -> list[str]:
    rows = ["| question | subject | median | runs | aim | build |", "|---|---|---|---|---|---|"]
    for question in QUESTIONS:
        for answer in answers:
            if answer.question == question.name:
                rows.append(_row(question, answer))
    return rows


def _row(question: Question, answer: Answer) -> str:
    spread = f"{human(min(answer.runs), answer.unit)} to {human(max(answer.runs), answer.unit)}"
    name, aim = (question.says, question.goal) if answer.subject == OURS else ("", "")
    return f"| {name} | {answer.subject} | {human(answer.value, answer.unit)} | {spread} | {aim} | {answer.build} |"


def _machine_lines() -> list[str]:
    return ["The machine of the last run:", "", *(f"* {line}" for line in machine.describe())]


if __name__ == "__main__":
    sys.exit(main())

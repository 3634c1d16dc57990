"""`python -m bench [ONLY]`: asks every question, or those whose name contains ONLY, and writes the answers down.

The answers go to ``bench/results.jsonl``, where they replace those to the same question of the same build, and the
page ``docs/benchmarks.md`` is made anew from all that the file holds. With ``--peers`` the questions are those that the
stacks of others are asked too. Needs root, for namespaces and devices.
"""

import argparse
import os
import sys
from pathlib import Path

from bench import (
    bulk,
    bulk_loss,
    connection_cost,
    connections,
    machine,
    memory,
    scale,
    segment_cost,
    simulation,
    syn_rate,
    tables,
)
from bench.others.questions import QUESTIONS as PEER_QUESTIONS
from bench.question import Answer, Question, ask, read_answers, write_answers

QUESTIONS: tuple[Question, ...] = (
    *bulk.QUESTIONS,
    *bulk_loss.QUESTIONS,
    *connections.QUESTIONS,
    *connection_cost.QUESTIONS,
    *memory.QUESTIONS,
    *scale.QUESTIONS,
    *segment_cost.QUESTIONS,
    *simulation.QUESTIONS,
    *syn_rate.QUESTIONS,
)

HERE = Path(__file__).parent
RESULTS = HERE / "results.jsonl"
PAGE = HERE.parent / "docs" / "benchmarks.md"


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="How fast halfopen is, beside its peers.")
    parser.add_argument("only", nargs="?", default="", metavar="ONLY", help="part of the names of the questions to ask")
    parser.add_argument("--runs", type=int, default=5, metavar="N", help="runs of each subject (5)")
    parser.add_argument("--peers", action="store_true", help="ask what other stacks are asked too, and ask them")
    arguments = parser.parse_args()
    questions = PEER_QUESTIONS if arguments.peers else QUESTIONS
    chosen = [question for question in questions if arguments.only in question.name]
    if not chosen or arguments.runs < 1:
        names = ", ".join(question.name for question in questions)
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
    # What stands beside each other in a table of peers is of one run.
    outdated = {question.name for question in chosen} if arguments.peers else set()
    kept = {answer.key: answer for answer in read_answers(RESULTS) if answer.question not in outdated}
    answers = list((kept | fresh).values())
    write_answers(RESULTS, answers)
    PAGE.write_text(tables.page(QUESTIONS, PEER_QUESTIONS, answers))
    show = tables.peer_tables if arguments.peers else tables.table
    print("\n".join(show(chosen, list(fresh.values()))))
    return 0


if __name__ == "__main__":
    sys.exit(main())

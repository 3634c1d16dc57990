"""The page of benchmarks in the docs, made from all that the results file holds."""

from collections.abc import Iterator, Sequence

from bench import machine
from bench.question import OURS, Answer, Question, human

INTRODUCTION = """\
# Benchmarks

Made by `make bench`; each figure is the median of several runs in which the subjects took turns, and beside it stands
the range of the runs. Figures of different machines, and of different days on one machine, do not compare; the
columns of one row do. The kernel is the peer in all rows with *kernel* in their name: a process of its own on a plain
socket. *kernel-veth* is the kernel at both ends, over a veth pair.
"""

PEERS = """\
## Other stacks

Made by `make bench-peers`, which compiles against the packages that `make bench-peers-apt` installs. All stacks serve
the same client, a process on kernel sockets in a namespace of its own, over a TUN or a TAP (over veth where the name
says kernel or packet); median of runs in turns, range in parentheses, and in brackets the median as a multiple of
halfopen's in the same run. *c-responder* has next to no TCP: it acknowledges each batch of reads and sends zeros, the
floor of what any stack can cost there. *slirp4netns* and *pasta* have a host's socket behind them, and that host's
asyncio. In its best mode a stack has super-segments of 64 KB, or an MTU of 65520 if it knows no offloads, or what it
has. ns-3 simulates the networks of `bench/simulation.py` with buffers of 256 KB.
"""


def page(questions: Sequence[Question], peers: Sequence[Question], answers: Sequence[Answer]) -> str:
    """All of it."""
    machine_lines = ["The machine of the last run:", "", *(f"* {line}" for line in machine.describe())]
    return "\n".join(
        [INTRODUCTION, *table(questions, answers), "", PEERS, *peer_tables(peers, answers), *machine_lines, ""]
    )


def table(questions: Sequence[Question], answers: Sequence[Answer]) -> list[str]:
    """One row for each answer."""
    rows = ["| question | subject | median | runs | aim | build |", "|---|---|---|---|---|---|"]
    for question in questions:
        rows += [_row(question, answer) for answer in answers if answer.question == question.name]
    return rows


def _row(question: Question, answer: Answer) -> str:
    name, aim = (question.says, question.goal) if answer.subject == OURS else ("", "")
    return f"| {name} | {answer.subject} | {_median(answer)} | {_spread(answer)} | {aim} | {answer.build} |"


def peer_tables(peers: Sequence[Question], answers: Sequence[Answer]) -> Iterator[str]:
    """For each question a table with one row for each stack."""
    for question in peers:
        chosen = [answer for answer in answers if answer.question == question.name]
        if chosen:
            yield f"| {question.says} | median (runs) [x halfopen] | build |"
            yield "|---|---|---|"
            yield from _peer_rows(chosen)
            yield ""


def _peer_rows(answers: Sequence[Answer]) -> Iterator[str]:
    ours = max((answer.value or 0 for answer in answers if answer.subject == OURS), default=0)
    for answer in answers:
        share = f" [{answer.value / ours:.2g}]" if answer.value and ours and answer.subject != OURS else ""
        yield f"| {answer.subject} | {_median(answer)} ({_spread(answer)}){share} | {answer.build} |"


def _median(answer: Answer) -> str:
    return answer.reason if answer.value is None else human(answer.value, answer.unit)


def _spread(answer: Answer) -> str:
    if not answer.runs:
        return "not measured"
    return f"{human(min(answer.runs), answer.unit)} to {human(max(answer.runs), answer.unit)}"

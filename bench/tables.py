"""The page of benchmarks in the docs, made from all that the results file holds."""

from collections.abc import Iterator, Sequence

from bench import machine
from bench.question import OURS, Answer, Question, human

INTRODUCTION = """\
# Benchmarks

Made by `make bench`; each figure is the median of several runs in which the subjects took turns, and beside it stands
the range of the runs. Figures of different machines, and of different days on one machine, do not compare; the
columns of one row do. The kernel is the peer in all rows with *kernel* in their name: a process of its own on a plain
socket. *kernel-veth* is the kernel at both ends, over a veth pair. Where the time goes, and what was tried:
[performance.md](performance.md).
"""

PEERS = """\
## Other stacks

Made by `make bench-peers`, which compiles against the packages that `make bench-peers-apt` installs. All stacks offer
the same three services, discard, chargen and one answer to each request, to the same clients on kernel sockets in a
namespace of their own. Beside each median stands the range of the runs, in which the subjects took turns, and in
brackets the median as a multiple of halfopen's. The kernels, gVisor and halfopen use reno.

* *kernel-veth* and *kernel-asyncio* are the kernel at both ends of a veth pair, behind it blocking sockets or asyncio.
* *c-responder* is next to no TCP: one ACK for each batch of reads, zeros whose checksum needs no sum, nothing verified.
* *lwip* is Debian's library with its options: windows of 64 KB, an MSS of 1460 octets, no offloads in any mode.
* *gvisor-tun* has an MTU of 65520 in its best mode, *gvisor-packet-gso* a packet socket with segments of 64 KB.
* *slirp4netns* and *pasta* have an MTU of 65520 in their best mode, and behind them an asyncio server on the host.
* *mitmproxy-rs* is smoltcp, asyncio streams on top; the kernel's segmentation is off for it in the rows of frames.
* *pmd-pytcp* and *pytcp* are stacks in Python, with frames of 1500 octets in any mode.
* *ns-3* simulates the networks of `bench/simulation.py`: TcpNewReno, 1448 octets, buffers of 256 KB, drop-tail queues.
"""


def page(questions: Sequence[Question], peers: Sequence[Question], answers: Sequence[Answer]) -> str:
    """All of it."""
    lines = [INTRODUCTION, *table(questions, answers), ""]
    others = list(peer_tables(peers, answers))
    if others:
        lines += [PEERS, *others]
    return "\n".join([*lines, "The machine of the last run:", "", *(f"* {line}" for line in machine.describe()), ""])


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
        yield f"| {answer.subject} | {_figures(answer)}{share}{_trouble(answer)} | {answer.build} |"


def _figures(answer: Answer) -> str:
    return f"{_median(answer)} ({_spread(answer)})" if answer.runs else _median(answer)


def _trouble(answer: Answer) -> str:
    return f"; then {answer.reason}" if answer.runs and answer.reason else ""


def _median(answer: Answer) -> str:
    return f"not measured: {answer.reason}" if answer.value is None else human(answer.value, answer.unit)


def _spread(answer: Answer) -> str:
    if not answer.runs:
        return ""
    return f"{human(min(answer.runs), answer.unit)} to {human(max(answer.runs), answer.unit)}"

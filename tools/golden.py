"""The golden table of congestion control: goodput and retransmissions over random loss, and how fair two flows share.

    python -m tools.golden           writes docs/congestion.md
    python -m tools.golden --check   says whether that is still what comes out; exit code 1 if not

One seed, one history: a changed figure is a changed behaviour, and shows as a diff. Models: Mathis, Semke, Mahdavi and
Ott (1997) for Reno, with the window in segments; RFC 9438 5.1 for CUBIC, whichever of its own and Reno's is greater.
"""

import asyncio
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from difflib import unified_diff
from math import sqrt
from pathlib import Path

from halfopen.sim.host import SimHost
from halfopen.sim.network import Network
from halfopen.sim.sysctl import LINUX
from halfopen.stack.config import StackConfig

TABLE = Path(__file__).parents[1] / "docs/congestion.md"
ALGORITHMS = ("reno", "cubic")
SEGMENT = 1448
"""Octets of data in a full segment with timestamps."""
PORT = 5001


@dataclass(slots=True, frozen=True)
class Cell:
    """Random loss of data, as a share; the delay each way in milliseconds; seconds of sending."""

    loss: float
    delay: int
    seconds: int

    @property
    def words(self) -> str:
        """For the direction of the data; acknowledgments are not lost."""
        return f"delay {self.delay}ms loss {self.loss * 100:g}% limit 100000"

    def model(self, algorithm: str) -> float:
        """Octets a second; 0 without loss, for which there is no model."""
        if not self.loss:
            return 0.0
        round_trip = 2 * self.delay / 1000
        window = sqrt(3 / 2) / sqrt(self.loss)
        if algorithm == "cubic":
            window = max(window, (0.4 * (3 + 0.7) / (4 * (1 - 0.7))) ** 0.25 * (round_trip / self.loss) ** 0.75)
        return window * SEGMENT / round_trip


CELLS = (
    Cell(0.0002, 100, 150),
    Cell(0.001, 50, 100),
    Cell(0.001, 10, 30),
    Cell(0.003, 50, 150),
    Cell(0.01, 50, 200),
    Cell(0.01, 10, 60),
    Cell(0.03, 50, 200),
)

PAIRS = (("reno", "reno"), ("cubic", "cubic"), ("reno", "cubic"))


@dataclass(slots=True)
class Flow:
    """What a sender got through."""

    octets: int = 0
    """Received by the application since it was last set to zero."""
    total: int = 0
    """Received since the beginning."""


@dataclass(slots=True, frozen=True)
class Result:
    """Of one cell and one algorithm: octets a second, and retransmitted segments for a thousand delivered."""

    goodput: float
    retransmitted: float


def with_algorithm(algorithm: str) -> StackConfig:
    """Linux's defaults but for congestion control."""
    tcp = replace(LINUX.tcp, congestion=replace(LINUX.tcp.congestion, algorithm=algorithm))
    return replace(LINUX, tcp=tcp)


async def receive(flow: Flow, host: SimHost, port: int) -> None:
    """Counts what comes."""

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while octets := await reader.read(1 << 18):
                flow.octets += len(octets)
                flow.total += len(octets)
        finally:
            writer.close()

    await host.run(asyncio.start_server(swallow, port=port))


async def send(server: str, port: int) -> None:
    """Sends for ever."""
    _, writer = await asyncio.open_connection(server, port)
    try:
        while True:
            writer.write(bytes(1 << 16))
            await writer.drain()
    finally:
        writer.close()


def measure(cell: Cell, algorithm: str) -> Result:
    """One flow, alone; the first tenth of the time is not counted."""
    flow = Flow()
    with Network(seed=1) as network:
        sender = network.host("sender", config=with_algorithm(algorithm))
        receiver = network.host("receiver")
        network.link(sender, receiver, cell.words, back=f"delay {cell.delay}ms limit 100000")

        async def main() -> None:
            await receive(flow, receiver, PORT)
            sending = sender.run(send("receiver", PORT))
            await asyncio.sleep(cell.seconds / 10)
            flow.octets = 0
            await asyncio.sleep(cell.seconds)
            sending.cancel()

        network.run(main())
        retransmitted = sender.stack.counters["RetransSegs"]
    return Result(flow.octets / cell.seconds, 1000 * retransmitted * SEGMENT / flow.total)


def fairness(algorithms: tuple[str, str]) -> tuple[float, float]:
    """Two flows over one bottleneck of 10 Mbit/s, the second ten seconds late: Jain's index, and the link's use."""
    flows = (Flow(), Flow())
    with Network(seed=1) as network:
        left, right = network.router("left"), network.router("right")
        network.link(left, right, "delay 15ms rate 10mbit limit 50")
        senders = [network.host(f"s{n}", config=with_algorithm(name)) for n, name in enumerate(algorithms)]
        receivers = [network.host(f"r{n}") for n in range(2)]
        network.switch("senders", left, *senders, words="delay 2ms rate 100mbit")
        network.switch("receivers", right, *receivers, words="delay 2ms rate 100mbit")

        async def main() -> None:
            for flow, receiver in zip(flows, receivers, strict=True):
                await receive(flow, receiver, PORT)
            sending = [senders[0].run(send("r0", PORT))]
            await asyncio.sleep(10)
            sending.append(senders[1].run(send("r1", PORT)))
            await asyncio.sleep(50)
            for flow in flows:
                flow.octets = 0
            await asyncio.sleep(60)
            for task in sending:
                task.cancel()

        network.run(main())
    one, other = (flow.octets for flow in flows)
    jain = (one + other) ** 2 / (2 * (one**2 + other**2))
    return jain, 8 * (one + other) * 1514 / SEGMENT / 60 / 10e6


def row(cell: Cell, algorithm: str) -> str:
    """A line of the first table."""
    found, model = measure(cell, algorithm), cell.model(algorithm)
    return (
        f"| {cell.loss:.2%} | {2 * cell.delay} ms | {algorithm} | {found.goodput / 1000:.0f} "
        f"| {model / 1000:.0f} | {found.goodput / model:.2f} | {found.retransmitted:.1f} |"
    )


def fairness_row(algorithms: tuple[str, str]) -> str:
    """A line of the second table."""
    jain, use = fairness(algorithms)
    return f"| {algorithms[0]} | {algorithms[1]} | {jain:.3f} | {use:.1%} |"


def lines() -> Iterator[str]:
    """The page."""
    yield "# Congestion control in the simulated network"
    yield ""
    yield "Written by `python -m tools.golden`; tests compare. One flow of full segments over random loss of data."
    yield "The models are those of Mathis et al. (1997) and RFC 9438 5.1. They know no timeouts, and mean little where"
    yield "several losses fall into one window."
    yield ""
    yield "| loss | RTT | algorithm | goodput, kB/s | model, kB/s | ratio | retransmitted for 1000 |"
    yield "|---|---|---|---|---|---|---|"
    for cell in CELLS:
        for algorithm in ALGORITHMS:
            yield row(cell, algorithm)
    yield ""
    yield "Two flows over a bottleneck of 10 Mbit/s with a queue of 50 packets and a base RTT of 38 ms, the second"
    yield "begun 10 s after the first, measured from 60 s to 120 s:"
    yield ""
    yield "| first | second | Jain's index | use of the link |"
    yield "|---|---|---|---|"
    for pair in PAIRS:
        yield fairness_row(pair)


def main(arguments: list[str]) -> int:
    """Writes or checks the page."""
    page = "\n".join(lines()) + "\n"
    if "--check" not in arguments:
        TABLE.write_text(page)
        return 0
    if TABLE.read_text() == page:
        return 0
    sys.stdout.writelines(unified_diff(TABLE.read_text().splitlines(True), page.splitlines(True), "recorded", "now"))
    print(f"{TABLE.name} is not what comes out now: python -m tools.golden writes it anew", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

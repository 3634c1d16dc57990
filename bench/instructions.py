"""`python -m bench.instructions [--store]`: instructions per unit of work, which no load of the machine changes.

Each path is walked twice, a short way and a long one, by a process of its own under valgrind: the difference is the
work without start-up and imports. What was stored for this build is the measure; a count that exceeds it by more than
`TOLERANCE` is a regression, and the exit status is 1. ``--store`` makes the counts of now the measure.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from bench import connection_cost, simulation
from bench.machine import build
from bench.segment_cost import Exchange
from bench.worlds import ROOT
from halfopen.sim.network import Network
from halfopen.wire.checksum import checksum

STORED = Path(__file__).parent / "instructions.json"

TOLERANCE = 0.03
"""Two runs of the same code differ by less than 1 %."""

SECONDS = 600
SHORT, LONG = 640, 5120

COUNTER = ("valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null")
RESULT = re.compile(r"I\s+refs:\s+([\d,]+)")


def segments(amount: int) -> int:
    """Data segments from send() in one stack to receive() in another."""
    return Exchange().move(amount)


def checksums(amount: int) -> int:
    """Internet checksums of 1448 octets; more of them, as each is little beside the start of the process."""
    octets = bytes(range(181)) * 8
    for _ in range(8 * amount):
        checksum(octets)
    return 8 * amount


def simulated(amount: int) -> int:
    """Data segments of a flow over a simulated cable with rate and delay, ACKs and the event loop included."""
    with Network(1) as network:
        ends = network.host("client"), network.host("server")
        network.link(*ends, "rate 100mbit delay 10ms")
        return round(simulation.move(network, [ends], amount))


def connections(amount: int) -> int:
    """Connections in memory with one request and answer, both ends, asyncio included; few, as each is so much."""
    return connection_cost.connect(amount // 10)


PATHS: Mapping[str, Callable[[int], int]] = {
    "segment-cost": segments,
    "checksum": checksums,
    "simulated-segment": simulated,
    "connection-cost": connections,
}
"""Each walks about so far, and says how far."""


def count(path: str) -> int:
    """Instructions per unit of work; a first walk, not counted, leaves nothing to compile to the others."""
    PATHS[path](SHORT)
    short, few = _walk(path, SHORT)
    long, many = _walk(path, LONG)
    return round((many - few) / (long - short))


def _walk(path: str, amount: int) -> tuple[int, int]:
    """How far, and how many instructions from the start of the process to its end."""
    command = [*COUNTER, sys.executable, "-m", "bench.instructions", "--walk", path, str(amount)]
    environment = os.environ | {"PYTHONHASHSEED": "0"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=SECONDS, check=True
    )
    counted = RESULT.search(done.stderr)
    if counted is None:
        raise RuntimeError(f"valgrind has counted nothing: {done.stderr}")
    return int(done.stdout), int(counted[1].replace(",", ""))


def verdict(path: str, now: int, stored: int | None) -> tuple[str, bool]:
    """A line for people, and whether it is good."""
    if stored is None:
        return f"{path:16}{now:>12,}   nothing is stored for this build", True
    change = now / stored - 1
    return f"{path:16}{now:>12,}   {change:+.1%} of {stored:,}", change <= TOLERANCE


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m bench.instructions", description="Catches regressions.")
    parser.add_argument("--store", action="store_true", help="make the counts of now the measure")
    parser.add_argument("--walk", nargs=2, metavar=("PATH", "AMOUNT"), help="what it starts under valgrind")
    arguments = parser.parse_args()
    if arguments.walk:
        print(PATHS[arguments.walk[0]](int(arguments.walk[1])))
        return 0
    if shutil.which(COUNTER[0]) is None:
        print("bench: there is no valgrind here: make bench-peers-apt", file=sys.stderr)
        return 2
    return _compare(store=arguments.store)


def _compare(*, store: bool) -> int:
    stored = json.loads(STORED.read_text()) if STORED.exists() else {}
    measure = stored.setdefault(build(), {})
    is_good = True
    print(f"instructions, {build()}", flush=True)
    for path in PATHS:
        now = count(path)
        line, is_path_good = verdict(path, now, measure.get(path))
        print(line, flush=True)
        is_good = is_good and is_path_good
        if store:
            measure[path] = now
    if store:
        STORED.write_text(json.dumps(stored, indent=2, sort_keys=True) + "\n")
    return 0 if is_good or store else 1


if __name__ == "__main__":
    sys.exit(main())

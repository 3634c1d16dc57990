"""Digests of the captures of seeded simulations: the same history in the interpreted build and in the compiled one.

    python -m tools.traces [--against PYTHON]

Prints one JSON object: what was simulated, and the SHA-256 of its capture, octets and times. With ``--against`` another
interpreter, which has the other build, plays the same; what differs is named, and the exit code is 1.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from io import BytesIO
from pathlib import Path

from halfopen.base.native import build
from halfopen.lab.catalogue import SCENARIOS
from halfopen.lab.scenario import Settings
from halfopen.sim.network import Network
from halfopen.sim.profiles import PROFILES, words_of

OCTETS = 120_000
PORT = 4000
SEEDS = (1, 2)
SLOW = frozenset({"slow", "edge"})
"""Profiles on which so many octets take too many turns of the loop."""


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tools.traces", description="Digests of seeded simulations.")
    parser.add_argument("--against", type=Path, metavar="PYTHON", help="an interpreter that has the other build")
    other = parser.parse_args().against
    command = [str(other), "-m", "tools.traces"]
    theirs = None if other is None else subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ)
    ours = {"build": build()} | dict(digests())
    if theirs is None:
        print(json.dumps(ours, indent=1))
        return 0
    told = json.loads(theirs.communicate()[0] or "{}")
    return compare(ours, told)


def compare(ours: dict[str, str], theirs: dict[str, str]) -> int:
    """Says which of the traces are not the same in two builds; 1 if any is not, or there is but one build."""
    builds = ours.pop("build"), theirs.pop("build", "nothing")
    if builds[0] == builds[1]:
        print(f"traces: both are {builds[0]}: nothing to compare")
        return 1
    different = sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))
    for name in different:
        print(f"traces: {name} is another history {builds[0]} than {builds[1]}")
    print(f"traces: {len(ours) - len(different)} of {len(ours)} are the same, {builds[0]} and {builds[1]}")
    return 1 if different else 0


def digests() -> Iterator[tuple[str, str]]:
    """(name, SHA-256) of each."""
    for profile in sorted(PROFILES.keys() - SLOW):
        for seed in SEEDS:
            yield f"{profile}, seed {seed}", sha256(exchange(words_of(profile), seed)).hexdigest()
    for name, scenario in SCENARIOS.items():
        yield f"lab {name}", sha256(scenario.run(Settings(seed=1)).capture).hexdigest()


def exchange(words: str, seed: int) -> bytes:
    """The capture of two hosts that send each other octets at the same time, and close."""
    file = BytesIO()
    with Network(seed) as network:
        left, right = network.host("left"), network.host("right")
        network.link(left, right, words)
        network.capture(file)

        async def both_ways() -> None:
            server = await right.run(asyncio.start_server(_exchange, None, PORT))
            reader, writer = await left.run(asyncio.open_connection("right", PORT))
            await _exchange(reader, writer)
            server.close()

        network.run(both_ways())
    return file.getvalue()


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(bytes(OCTETS))
    writer.write_eof()
    if len(await reader.read()) != OCTETS:
        raise RuntimeError("not everything has arrived")
    writer.close()
    await writer.wait_closed()


if __name__ == "__main__":
    sys.exit(main())

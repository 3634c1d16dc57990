"""The simulated network of one test: made as the options wish, watched, and described when the test fails."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from halfopen.sim.network import Network
from halfopen.sim.profiles import words_of
from halfopen.testing.history import History

LADDER = 20
"""Arrows of the ladder that a failed test shows."""


@dataclass(slots=True, frozen=True, kw_only=True)
class Wishes:
    """What pytest's options and the test's place say. ``fault`` is a profile's name or netem's words."""

    nodeid: str
    seed: str = "0"
    fault: str = ""
    keep_all: bool = False


class Simulation:
    """A `Network` with a `History`; ``options`` are further arguments of `Network`."""

    def __init__(self, wishes: Wishes, options: dict[str, Any]) -> None:
        self.wishes = wishes
        seed = int(wishes.seed) if wishes.seed.isdecimal() else wishes.seed
        self.network = Network(seed, **{"words": words_of(wishes.fault), "isolated": True, **options})
        self.history = History(whole=wishes.keep_all)
        self.network.observe(self.history)

    @contextmanager
    def running(self) -> Iterator[None]:
        """For the time of the test."""
        with self.network:
            yield

    @property
    def command(self) -> str:
        """What repeats the test as it was."""
        # The seed that --sim-seeds has put into the test's name goes: it is an option of its own then.
        nodeid = re.sub(r"(?<=[\[-])seed\d+-?|-seed\d+(?=\])", "", self.wishes.nodeid).replace("[]", "")
        fault = f" --sim-fault='{self.wishes.fault}'" if self.wishes.fault else ""
        return f"pytest '{nodeid}' --sim-seed={self.wishes.seed}{fault}"

    def describe_failure(self, directory: str) -> str:
        """Seed and command, the last packets, the sockets of every host, and the capture, written to ``directory``."""
        network = self.network
        lines = [f"seed {self.wishes.seed}, failed at {network.elapsed:.9f} s of virtual time; to repeat it:"]
        lines.append(f"    {self.command}")
        if self.history.sightings:
            lines += ["", self.history.ladder(network, LADDER), "", network.ss()]
            if directory:
                lines += ["", f"capture: {self.save(directory)}"]
        else:
            lines += ["", "No packet was on any cable.", "", network.ss()]
        return "\n".join(lines)

    def save(self, directory: str) -> Path:
        """Writes what the history has kept to a capture file, named like the test."""
        name = re.sub(r"[^\w.-]+", "-", self.wishes.nodeid.rpartition("/")[2]).strip("-")
        path = Path(directory) / f"{name}-{self.wishes.seed}.pcapng"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            self.history.write(self.network, file)
        return path

"""Many scripts: which there are, run on several processes, counted."""

import signal
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import astuple, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TypeAlias

from halfopen.packetdrill.addressing import IPV4
from halfopen.packetdrill.errors import Verdict
from halfopen.packetdrill.trials import Trial, attempt, family_of

AHEAD = 4
"""Trials for each worker that wait, so that none idles."""
FEW = 4
"""Trials that are not worth the start of other processes."""

Work: TypeAlias = Callable[[Trial], Verdict]


def find_scripts(directory: Path) -> list[Path]:
    """All ``*.pkt`` in a tree, in order."""
    return sorted(path for path in directory.rglob("*.pkt") if path.is_file())


def versions_for(path: Path, wanted: Sequence[str]) -> list[str]:
    """Those of the wanted IP versions that a script is for: all, unless its name restricts it to one."""
    family = family_of(str(path))
    return [version for version in wanted if family in (None, version)]


@dataclass(slots=True, frozen=True)
class Tally:
    """How many scripts ended how."""

    passed: int = 0
    failed: int = 0
    unsupported: int = 0
    xfailed: int = 0
    """Of the failed: those that are expected to fail."""

    @classmethod
    def of(cls, verdicts: Iterable[Verdict]) -> "Tally":
        """Of these."""
        count = Counter("xfail" if verdict.xfail else verdict.verdict for verdict in verdicts)
        return cls(count["pass"], count["fail"] + count["xfail"], count["unsupported"], count["xfail"])

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(*(ours + theirs for ours, theirs in zip(astuple(self), astuple(other), strict=True)))

    @property
    def total(self) -> int:
        """All of them."""
        return self.passed + self.failed + self.unsupported

    def __str__(self) -> str:
        expected = f" (xfail: {self.xfailed} of the failed)" if self.xfailed else ""
        return f"{self.passed} passed, {self.failed} failed, {self.unsupported} unsupported{expected}"


def by_folder(verdicts: Iterable[Verdict], root: Path) -> list[tuple[str, Tally]]:
    """The tally of each folder below ``root`` that has scripts, in order."""
    folders: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        folder = Path(verdict.script).parent
        name = str(folder.relative_to(root)) if folder.is_relative_to(root) else str(folder)
        folders.setdefault(name, []).append(verdict)
    return [(name, Tally.of(folders[name])) for name in sorted(folders)]


def run_all(trials: Sequence[Trial], workers: int, work: Work = attempt) -> Iterator[Verdict]:
    """The verdict on each trial, as they come; on processes of their own if they are many.

    A process that dies takes its script with it and no other: those that may have killed it are run again, each alone.
    """
    if workers < 2 or len(trials) <= FEW:
        yield from map(work, trials)
        return
    waiting = deque(trials)
    suspects: list[Trial] = []
    while waiting:
        yield from _pooled(waiting, workers, work, suspects)
    for trial in suspects:
        alone: list[Trial] = []
        yield from _pooled(deque([trial]), 1, work, alone)
        if alone:
            version = trial.ip_version or IPV4
            message = "the process that ran it died"
            yield Verdict(script=trial.path, ip_version=version, verdict="fail", message=message)


def _pooled(waiting: deque[Trial], workers: int, work: Work, lost: list[Trial]) -> Iterator[Verdict]:
    """Verdicts on what is waiting; up to the death of a process, which adds those then running to ``lost``."""
    flying: dict[Future[Verdict], Trial] = {}
    # Forks would inherit whatever threads and locks this process has.
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_settle)
    try:
        while waiting or flying:
            _launch(pool, waiting, work, flying, AHEAD * workers)
            done, _ = wait(flying, return_when=FIRST_COMPLETED)
            for future in sorted(done, key=lambda each: each.exception() is not None):
                verdict = future.result()
                del flying[future]
                yield verdict
    except BrokenProcessPool:
        lost.extend(flying.values())
    finally:
        pool.shutdown(cancel_futures=True)


def _launch(
    pool: ProcessPoolExecutor, waiting: deque[Trial], work: Work, flying: dict[Future[Verdict], Trial], most: int
) -> None:
    while waiting and len(flying) < most:
        flying[pool.submit(work, waiting[0])] = waiting[0]
        waiting.popleft()


def _settle() -> None:
    """Begins a worker: Ctrl-C is for whoever started it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

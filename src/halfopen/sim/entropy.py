"""The dice of a process, loaded while a simulation runs in it: what is random comes out of one seed.

``os.urandom`` and with it `secrets`, `uuid` and ``random.SystemRandom``; the global generator of `random`, each other
``random.Random`` that is alive, and those that are made meanwhile. What a generator was before, it is again afterwards.
The process id is 1000, and the node id of ``uuid.uuid1`` is drawn. So is where the rand() of C begins, by which pymongo
numbers its requests; it cannot be put back.

OpenSSL has dice of its own: what TLS and ssh send has the same lengths and times again, but not the same octets.
"""

import ctypes
import gc
import os
import random
import sys
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from os import getpid as real_getpid
from os import urandom as real_urandom
from random import Random
from random import seed as real_global_seed
from typing import Any
from uuid import getnode as real_getnode
from weakref import WeakKeyDictionary

from halfopen.base.rng import SeededRng
from halfopen.sim.aliases import Pair, is_spared, replaced
from halfopen.sim.stage import Stage

# These names stay real: no module of halfopen is among those whose names are replaced.

PROCESS_ID = 1000
"""One for all hosts: a pool that is made on one and used on another would think that it was forked."""

SEED_OCTETS = 32

real_seed = Random.seed

C_LIBRARY = ctypes.CDLL("msvcrt" if os.name == "nt" else None)


class Dice:
    """What a simulation rolls."""

    __slots__ = ("node", "rng")

    def __init__(self, rng: SeededRng) -> None:
        self.rng = rng.fork("urandom")
        self.node = int.from_bytes(rng.fork("node").octets(6), "big") | 1 << 40  # RFC 9562 6.10: the multicast bit.


class Entropy:
    """What stands for the functions of `os`, `random` and `uuid`, as methods."""

    def __init__(self) -> None:
        self.stage: Stage[Dice] = Stage("the random numbers")
        self.names: WeakKeyDictionary[Random, str] = WeakKeyDictionary()

    def urandom(self, size: int, /) -> bytes:
        """As `os.urandom`."""
        dice = self.stage.current()
        return real_urandom(size) if dice is None or size < 0 else dice.rng.octets(size)

    def getrandom(self, size: int, flags: int = 0) -> bytes:
        """As `os.getrandom`, which never has to wait here."""
        return self.urandom(size)

    def seed(self, a: Any = None, version: int = 2) -> None:
        """As `random.seed`."""
        real_global_seed(self.material() if a is None else a, version)

    def material(self) -> int:
        """What a generator is seeded with that is given no seed."""
        return int.from_bytes(self.urandom(SEED_OCTETS), "big")

    def getpid(self) -> int:
        """As `os.getpid`."""
        return real_getpid() if self.stage.current() is None else PROCESS_ID

    def getnode(self) -> int:
        """As `uuid.getnode`."""
        dice = self.stage.current()
        return real_getnode() if dice is None else dice.node


ENTROPY = Entropy()
"""The process has one source."""

PAIRS: tuple[Pair, ...] = (
    (real_urandom, ENTROPY.urandom),
    *(((os.getrandom, ENTROPY.getrandom),) if hasattr(os, "getrandom") else ()),
    (real_global_seed, ENTROPY.seed),
    (real_getpid, ENTROPY.getpid),
    (real_getnode, ENTROPY.getnode),
)
"""What is replaced by what."""


def seed_generator(self: Random, a: Any = None, version: int = 2) -> None:
    """`random.Random.seed`, also when a generator is made; the operating system is not asked."""
    real_seed(self, ENTROPY.material() if a is None else a, version)


@contextmanager
def seeded_entropy(rng: SeededRng) -> Iterator[None]:
    """While the block runs, whatever is random in the process follows from ``rng``."""
    with rolling(rng), replaced(PAIRS):
        yield


@contextmanager
def rolling(rng: SeededRng) -> Iterator[None]:
    """What stands second in `PAIRS` follows from ``rng``, and so do the generators; afterwards all is as before."""
    with ExitStack() as cleanup:
        cleanup.enter_context(ENTROPY.stage.held_by(Dice(rng)))
        C_LIBRARY.srand(rng.fork("rand").below(1 << 31))
        for generator, name in live_generators():
            cleanup.callback(generator.setstate, generator.getstate())
            real_seed(generator, rng.fork(f"generator {name}").octets(SEED_OCTETS))
        for owner, name, value in kept_draws(rng):
            if hasattr(owner, name):
                cleanup.callback(setattr, owner, name, getattr(owner, name))
                setattr(owner, name, value)
        yield


def kept_draws(rng: SeededRng) -> Iterator[tuple[Any, str, Any]]:
    """What modules have drawn when they were imported, or keep from one draw to the next: owner, name, new value."""
    yield Random, "seed", seed_generator
    for name in ("_generate_time_safe", "_last_timestamp"):  # The C library's own uuid1, and what came before.
        yield uuid, name, None
    if (objectid := sys.modules.get("bson.objectid")) is not None:  # Half of an ObjectId is drawn once for the process.
        drawn = rng.fork("bson.objectid")
        yield objectid.ObjectId, "_pid", PROCESS_ID
        yield objectid.ObjectId, "_ObjectId__random", drawn.octets(5)
        yield objectid.ObjectId, "_inc", drawn.below(1 << 24)


def live_generators() -> list[tuple[Random, str]]:
    """Each ``random.Random`` that is alive, and what to call it in every process: after who holds it.

    Two of one name get one seed; their order in memory is not to be relied upon. Those of test tools are left alone.
    """
    found = [thing for thing in gc.get_referrers(Random) if type(thing) is Random]
    if any(generator not in ENTROPY.names for generator in found):
        ENTROPY.names.update(names_of(found))
    return [(generator, name) for generator in found if (name := ENTROPY.names[generator])]


def names_of(generators: list[Random]) -> dict[Random, str]:
    """A name for each, empty if it is a test tool's: the modules, objects and default arguments that hold it."""
    labels: dict[Random, set[str]] = {generator: set() for generator in generators}
    for holder in gc.get_referrers(*generators):
        if holder is labels or not is_telling(holder):
            continue
        for held in gc.get_referents(holder):
            if type(held) is Random and held in labels:
                labels[held].add(label_of(holder, held))
    names = {generator: " ".join(sorted(found)) or "unnamed" for generator, found in labels.items()}
    for generator, found in labels.items():
        if any(is_spared(label) for label in found):
            names[generator] = ""
    return {**names, vars(random)["_inst"]: "random"}


def is_telling(holder: object) -> bool:
    """Whether who holds a generator says what it is for: not so a frame, a list or a bound method."""
    return isinstance(holder, dict | tuple) or type(holder).__module__ != "builtins"


def label_of(holder: object, held: Random) -> str:
    """A holder's name: ``module.name`` for a global, else its type."""
    if isinstance(holder, dict):
        names = sorted(str(name) for name, value in holder.items() if value is held)
        return f"{holder.get('__name__', 'dict')}.{'.'.join(names)}"
    return f"{type(holder).__module__}.{type(holder).__qualname__}"

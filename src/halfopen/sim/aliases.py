"""``from time import monotonic`` keeps a function out of the reach of who replaces it in its module.

Hence all modules that are loaded are walked, and whatever name means the function, by identity, is made to mean the
other. Out of reach stay classes, default arguments and closures that took hold of it before.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

Pair: TypeAlias = tuple[Any, Any]
"""A thing, and what takes its place."""

Namespace: TypeAlias = dict[str, Any]

SPARED = frozenset(
    (
        *("asyncio", "concurrent", "multiprocessing", "queue", "selectors", "subprocess", "threading", "halfopen"),
        *("_pytest", "pytest", "pytest_timeout", "pluggy", "xdist", "execnet", "hypothesis", "coverage"),
    )
)
"""Packages that serve real threads, or watch the run from outside. Their names stay what they are."""


def is_spared(module: str) -> bool:
    """Whether ``module`` is of a package that is left alone."""
    return module.partition(".")[0] in SPARED


@contextmanager
def replaced(pairs: Sequence[Pair]) -> Iterator[None]:
    """While the block runs, each name of any module that means the first of a pair means the second.

    A module that is imported meanwhile finds the second and takes it along; at the end it gets the first.
    """
    before = dict(namespaces())
    changed = [namespace for namespace in holders(before.values(), pairs) if not is_spared(module_of(namespace))]
    swap(changed, pairs)
    sizes = {identity: len(namespace) for identity, namespace in before.items()}
    try:
        yield
    finally:
        after = [namespace for identity, namespace in namespaces() if sizes.get(identity) != len(namespace)]
        swap([*changed, *after], backwards(pairs))


@contextmanager
def replaced_in(namespace: Namespace, pairs: Sequence[Pair]) -> Iterator[None]:
    """The same in one module, even if it is spared."""
    swap([namespace], pairs)
    try:
        yield
    finally:
        swap([namespace], backwards(pairs))


def backwards(pairs: Sequence[Pair]) -> list[Pair]:
    """What undoes ``pairs``."""
    return [(second, first) for first, second in pairs]


def namespaces() -> Iterator[tuple[int, Namespace]]:
    """The names of each module that is loaded, by identity: some modules are there twice."""
    for module in list(sys.modules.values()):
        namespace = getattr(module, "__dict__", None)
        if type(namespace) is dict:
            yield id(namespace), namespace


def module_of(namespace: Namespace) -> str:
    """The name of the module whose names they are."""
    return str(namespace.get("__name__", ""))


def holders(among: Iterable[Namespace], pairs: Sequence[Pair]) -> list[Namespace]:
    """The namespaces in which the first of a pair has a name."""
    firsts = frozenset(id(first) for first, _ in pairs)
    return [namespace for namespace in among if not firsts.isdisjoint(map(id, namespace.values()))]


def swap(among: Iterable[Namespace], pairs: Sequence[Pair]) -> None:
    """Puts the second of each pair where the first was."""
    seconds = {id(first): second for first, second in pairs}
    for namespace in among:
        for name, value in list(namespace.items()):
            if id(value) in seconds:
                namespace[name] = seconds[id(value)]

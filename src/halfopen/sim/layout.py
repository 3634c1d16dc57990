"""Where the parts of a network stand in a drawing: in layers from left to right, with few crossings.

Layers are distances from one end of the network, so that every line runs within a layer or to the next one. What hangs
on one line only stands on the outer side of what it hangs on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

Neighbors = Mapping[str, Sequence[str]]

SWEEPS = 12
ROW_GAP = 36.0


@dataclass(slots=True)
class Place:
    """Layer, and the middle of the card on the vertical axis."""

    layer: int
    y: float = 0.0


def arrange(neighbors: Neighbors, heights: Mapping[str, float]) -> dict[str, Place]:
    """Layers and heights of all; parts of the network that are not joined stand below each other."""
    places: dict[str, Place] = {}
    top = 0.0
    for component in components(neighbors):
        part = {key: Place(layer) for key, layer in layers(neighbors, component).items()}
        columns = [[key for key in part if part[key].layer == layer] for layer in range(max_layer(part) + 1)]
        untangle(columns, neighbors)
        level(columns, neighbors, heights, part)
        above = min(part[key].y - heights[key] / 2 for key in part)
        for place in part.values():
            place.y += top - above
        top = max(part[key].y + heights[key] / 2 for key in part) + 2 * ROW_GAP
        places.update(part)
    return {key: places[key] for key in neighbors}


def max_layer(places: Mapping[str, Place]) -> int:
    """The rightmost layer."""
    return max(place.layer for place in places.values())


def components(neighbors: Neighbors) -> list[list[str]]:
    """What is joined, each in the order of ``neighbors``."""
    found: list[list[str]] = []
    seen: set[str] = set()
    for key in neighbors:
        if key not in seen:
            reached = distances(neighbors, key)
            seen.update(reached)
            found.append([each for each in neighbors if each in reached])
    return found


def distances(neighbors: Neighbors, start: str, within: Sequence[str] | None = None) -> dict[str, int]:
    """How far everything is from ``start``, by way of ``within`` only."""
    allowed = set(neighbors if within is None else within)
    found = {start: 0}
    waiting = [start]
    for key in waiting:
        for other in neighbors[key]:
            if other not in found and other in allowed:
                found[other] = found[key] + 1
                waiting.append(other)
    return found


def layers(neighbors: Neighbors, component: Sequence[str]) -> dict[str, int]:
    """The layer of each part, from 0 on; what comes first is on the left if there is a choice."""
    core = [key for key in component if len(neighbors[key]) > 1] or list(component)
    near = component[0] if component[0] in core else neighbors[component[0]][0]
    far = farthest(distances(neighbors, near, core))
    left = farthest(distances(neighbors, far, core))
    from_left, from_far = distances(neighbors, left, core), distances(neighbors, far, core)
    found = from_far if from_far[near] < from_left[near] else from_left
    for key in core:
        leaves = [each for each in neighbors[key] if each not in core]
        before = any(found.get(each, found[key]) < found[key] for each in neighbors[key] if each in core)
        behind = any(found.get(each, found[key]) > found[key] for each in neighbors[key] if each in core)
        outer = (len(leaves) + 1) // 2 if before == behind else len(leaves) if behind else 0
        if before and behind:
            outer = 0
        for number, leaf in enumerate(leaves):
            found[leaf] = found[key] + (-1 if number < outer else 1)
    lowest = min(found.values())
    return {key: found[key] - lowest for key in component}


def farthest(reached: Mapping[str, int]) -> str:
    """The first of those that are farthest away."""
    return max(reached, key=lambda key: reached[key])


def untangle(columns: list[list[str]], neighbors: Neighbors) -> None:
    """Orders each layer by where the neighbours in the layer beside it stand (Sugiyama et al. 1981)."""
    for sweep in range(SWEEPS):
        order = columns if sweep % 2 == 0 else columns[::-1]
        for beside, column in pairwise(order):
            rank = {key: number / max(1, len(beside) - 1) for number, key in enumerate(beside)}
            own = {key: number / max(1, len(column) - 1) for number, key in enumerate(column)}
            wanted = {key: mean([rank[each] for each in neighbors[key] if each in rank], own[key]) for key in column}
            column.sort(key=wanted.__getitem__)


def level(
    columns: list[list[str]], neighbors: Neighbors, heights: Mapping[str, float], places: Mapping[str, Place]
) -> None:
    """Moves everything as near to the height of its neighbours as the order and the gaps allow."""
    for column in columns:
        stack(column, heights, places, [0.0] * len(column))
    for sweep in range(2 * SWEEPS):
        for column in columns if sweep % 2 == 0 else columns[::-1]:
            wanted = [mean([places[each].y for each in neighbors[key]], places[key].y) for key in column]
            stack(column, heights, places, wanted)


def stack(
    column: Sequence[str], heights: Mapping[str, float], places: Mapping[str, Place], wanted: list[float]
) -> None:
    """Sets the cards of a layer as near to ``wanted`` as they go, from above and from below, and takes the middle."""
    down: list[float] = []
    for key, want in zip(column, wanted, strict=True):
        least = down[-1] + gap(column[len(down) - 1], key, heights) if down else want
        down.append(max(want, least))
    up: list[float] = []
    for key, want in zip(reversed(column), reversed(wanted), strict=True):
        most = up[-1] - gap(column[len(column) - len(up)], key, heights) if up else want
        up.append(min(want, most))
    for key, low, high in zip(column, down, reversed(up), strict=True):
        places[key].y = (low + high) / 2


def gap(first: str, second: str, heights: Mapping[str, float]) -> float:
    """How far the middles of two cards that stand above each other are apart at least."""
    return (heights[first] + heights[second]) / 2 + ROW_GAP


def mean(values: Sequence[float], otherwise: float) -> float:
    """Their mean; ``otherwise`` if there are none."""
    return sum(values) / len(values) if values else otherwise

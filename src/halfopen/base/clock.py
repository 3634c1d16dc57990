"""Time as the core sees it: integer nanoseconds, handed in as arguments. No clock is read here."""

from typing import Final, TypeAlias

Instant: TypeAlias = int
"""Nanoseconds since an epoch that whoever drives the core has chosen; only differences mean anything."""

Duration: TypeAlias = int
"""Nanoseconds."""

MICROSECOND: Final[Duration] = 1_000
MILLISECOND: Final[Duration] = 1_000_000
SECOND: Final[Duration] = 1_000_000_000
MINUTE: Final[Duration] = 60 * SECOND

NEVER: Final[Instant] = (1 << 62) - 1
"""Later than every deadline (146 years); a timer that is off stands here, so that `min` needs no None.

It is the largest number that the compiled build compares as a machine word."""


def seconds(value: float) -> Duration:
    """Seconds to nanoseconds, to the nearest one."""
    return round(value * SECOND)


def millis(value: float) -> Duration:
    """Milliseconds to nanoseconds, to the nearest one."""
    return round(value * MILLISECOND)


def as_seconds(duration: Duration) -> float:
    """Nanoseconds to seconds, for people and for asyncio; never for arithmetic in the core."""
    return duration / SECOND


def format_duration(duration: Duration) -> str:
    """Three significant figures with a unit: ``"1.50 s"``, ``"200 ms"``, ``"40.0 us"``, ``"7 ns"``."""
    magnitude = abs(duration)
    if magnitude < MICROSECOND:
        return f"{duration} ns"
    rounded = round(magnitude, 3 - len(str(magnitude)))  # First, because it may carry into the next unit.
    if rounded < MILLISECOND:
        unit, name = MICROSECOND, "us"
    elif rounded < SECOND:
        unit, name = MILLISECOND, "ms"
    else:
        unit, name = SECOND, "s"
    decimals = 2 if rounded < 10 * unit else 1 if rounded < 100 * unit else 0
    sign = "-" if duration < 0 else ""
    return f"{sign}{rounded / unit:.{decimals}f} {name}"

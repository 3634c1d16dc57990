"""Plain text for people: aligned tables, figures with units, and text from the wire made safe to show."""

from collections.abc import Iterable, Sequence

from halfopen.base.clock import MICROSECOND, MILLISECOND, SECOND, Duration

_DECIMAL_UNITS = ("", "k", "M", "G", "T", "P", "E")


def printable(text: str) -> str:
    """``text`` on one line and without control characters, so that no capture or peer can steer a terminal."""
    return text if text.isprintable() else "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def format_table(rows: Iterable[Sequence[object]], header: Sequence[str]) -> str:
    """Columns as wide as their widest cell, two spaces apart, one line a row; columns of numbers stand to the right.

    None is an empty cell. Every row has as many cells as ``header``; ValueError otherwise.
    """
    kept = [tuple(row) for row in rows]
    for row in kept:
        if len(row) != len(header):
            raise ValueError(f"a row of {len(row)} cells does not fit a table of {len(header)} columns: {row!r}")
    columns = [_format_column(name, [row[index] for row in kept]) for index, name in enumerate(header)]
    return "\n".join("  ".join(cells).rstrip() for cells in zip(*columns, strict=True))


def _format_column(name: str, values: Sequence[object]) -> list[str]:
    is_numeric = any(value is not None for value in values) and all(
        value is None or (isinstance(value, int | float) and not isinstance(value, bool)) for value in values
    )
    cells = [name, *("" if value is None else printable(str(value)) for value in values)]
    width = max(map(len, cells))
    return [cell.rjust(width) if is_numeric else cell.ljust(width) for cell in cells]


def format_octets(octets: float) -> str:
    """``"268.4 MB"``: three or four digits and a decimal unit."""
    return _scaled(octets, "B")


def format_rate(octets: float, seconds: float) -> str:
    """``"1.53 GB/s"``; ``"-"`` if no time has passed."""
    return f"{_scaled(octets / seconds, 'B')}/s" if seconds > 0 else "-"


def _scaled(value: float, unit: str) -> str:
    power = 0
    while abs(value) >= 999.5 and power < len(_DECIMAL_UNITS) - 1:
        value /= 1000
        power += 1
    digits = 0 if not power or abs(value) >= 99.95 else 1 if abs(value) >= 9.995 else 2
    return f"{value:.{digits}f} {_DECIMAL_UNITS[power]}{unit}"


def format_duration(duration: Duration) -> str:
    """``"1.234 s"``, ``"12.3 ms"``, ``"45.6 us"`` or ``"789 ns"``."""
    for unit, name in ((SECOND, "s"), (MILLISECOND, "ms"), (MICROSECOND, "us")):
        if abs(duration) >= unit:
            return f"{duration / unit:.4g} {name}" if abs(duration) < 1000 * unit else f"{duration / unit:.0f} {name}"
    return f"{duration} ns"

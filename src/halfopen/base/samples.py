"""Figures over time that no packet tells: congestion windows, timers, queues; and how they are written down."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from halfopen.base.clock import Instant
from halfopen.base.native import mypyc_attr

FIELDS: Final = ("when", "subject", "name", "value")


@mypyc_attr(allow_interpreted_subclasses=True)
@dataclass(slots=True, frozen=True)
class Sample:
    """``value`` of ``name`` (octets, seconds or packets) at ``when``.

    ``subject`` is a sender, ``"client:49152>server:80"``, or a queue, ``"a-b>b"``: that of cable a-b towards b.
    """

    when: Instant
    subject: str
    name: str
    value: float


def as_objects(samples: Iterable[Sample]) -> Iterator[str]:
    """JSONL, a line each: ``{"when": 1000, "subject": "a-b>b", "name": "queue_packets", "value": 3}``."""
    for sample in samples:
        fields = (sample.when, sample.subject, sample.name, _plain(sample.value))
        yield json.dumps(dict(zip(FIELDS, fields, strict=True)), ensure_ascii=False) + "\n"


def as_table(samples: Iterable[Sample]) -> Iterator[str]:
    """CSV (RFC 4180), a line each behind a header; ``when`` is in nanoseconds."""
    yield ",".join(FIELDS) + "\n"
    for sample in samples:
        yield f"{sample.when},{_quoted(sample.subject)},{_quoted(sample.name)},{_plain(sample.value)}\n"


def _plain(value: float) -> float | int:
    """Whole numbers without a point; others with the fewest digits that tell them from their neighbours."""
    return int(value) if value == int(value) else value


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if any(mark in text for mark in ',"\n\r') else text

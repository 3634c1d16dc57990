"""How every layer talks about itself: events handed to a sink, which costs one attribute read when nobody listens."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Final

from halfopen.base.clock import Instant
from halfopen.base.native import mypyc_attr


@dataclass(slots=True, frozen=True)
class TraceEvent:
    """Something that happened: when, in which part (``"tcp"``, ``"arp"``), to whom, what, and the figures behind it."""

    when: Instant
    part: str
    subject: str
    what: str
    details: str = ""

    def __str__(self) -> str:
        details = f" ({self.details})" if self.details else ""
        return f"{self.when / 1e9:.6f} {self.part} {self.subject}: {self.what}{details}"


@mypyc_attr(allow_interpreted_subclasses=True)
class TraceSink(ABC):
    """Takes trace events. Ask `enabled` before building one: an event nobody reads is never made."""

    enabled: bool = True

    @abstractmethod
    def emit(self, event: TraceEvent) -> None:
        """Takes one event; must not call back into the stack."""


class NullSink(TraceSink):
    """Listens to nothing."""

    enabled = False

    def emit(self, event: TraceEvent) -> None:
        """Forgets it."""


class ListSink(TraceSink):
    """Keeps every event, for tests and reports."""

    def __init__(self) -> None:
        self.events: list[TraceEvent] = []

    def emit(self, event: TraceEvent) -> None:
        """Keeps it."""
        self.events.append(event)


SILENT: Final = NullSink()

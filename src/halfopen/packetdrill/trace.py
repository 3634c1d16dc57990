"""What happened in a run, line by line, as a script would write it; and two such runs side by side."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from halfopen.base.clock import Duration
from halfopen.packetdrill.notation import time_text

_TIMESTAMPS = re.compile(r"TS val \d+ ecr \d+")


@dataclass(slots=True, frozen=True)
class TraceLine:
    """A packet, call or verdict; ``time`` counts from the start of the script."""

    time: Duration
    text: str

    @property
    def substance(self) -> str:
        """The text without the values of timestamps, which are no two hosts' the same."""
        return _TIMESTAMPS.sub("TS", self.text)

    def __str__(self) -> str:
        return f"{time_text(self.time)} {self.text}"


def side_by_side(left: Sequence[TraceLine], right: Sequence[TraceLine], names: tuple[str, str]) -> Iterator[str]:
    """Both runs in columns, lines with the same text beside each other; ``|`` stands between those that differ."""
    width = max([len(names[0]), *(len(str(line)) for line in left)])
    yield f"{names[0]:<{width}}   {names[1]}"
    matcher = SequenceMatcher(
        None, [line.substance for line in left], [line.substance for line in right], autojunk=False
    )
    for kind, start, stop, other_start, other_stop in matcher.get_opcodes():
        ours, theirs = left[start:stop], right[other_start:other_stop]
        mark = " " if kind == "equal" else "|"
        for at in range(max(len(ours), len(theirs))):
            one = str(ours[at]) if at < len(ours) else ""
            other = str(theirs[at]) if at < len(theirs) else ""
            yield f"{one:<{width}} {mark} {other}".rstrip()

"""Draws docs/state-diagram.md, the picture of RFC 9293 3.3.2, from the table that the protocol moves by.

    python -m tools.state_diagram [--check]

With ``--check`` nothing is written, and a picture that is not up to date is an error.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from halfopen.tcp.state import TRANSITIONS, Event, State

PICTURE = Path("docs/state-diagram.md")

HEAD = """\
# The state diagram

Made by `python -m tools.state_diagram` from `halfopen.tcp.state.TRANSITIONS`, the table that every connection moves by:
RFC 9293 3.3.2, figure 5. An arrow bears the name of the event that takes it.
"""
TAIL = """\
Not drawn: *delete TCB* leads from every state but CLOSED to CLOSED, by a RST, ABORT, a timeout, or CLOSE in SYN-SENT.
What figure 5 writes below its lines, the segments that are sent, is not in the table either: a state or a rule marks
what is owed, and `tcp.output` sends it.

Where the walk differs from the figure:

* A port in LISTEN and a peer in SYN-RECEIVED after a passive OPEN are a listener and a record of its table
  (`tcp.half_open`). The connection that a record becomes takes those two arrows at once.
* A FIN that acknowledges ours as well takes two arrows from FIN-WAIT-1, by way of FIN-WAIT-2: the ACK is the fifth step
  of SEGMENT ARRIVES, the FIN the eighth.
* CLOSE in SYN-RECEIVED is always "queued for processing after entering ESTABLISHED" (RFC 9293 3.10.4): its arrow to
  FIN-WAIT-1 is never taken, though it might be.
* There is no arrow for SEND in LISTEN: a listener connects to nobody.
"""


def arrows() -> Iterator[tuple[State, Event, State]]:
    """Every transition but the deletions, in the order of the table."""
    for state, row in TRANSITIONS.items():
        for event, target in row.items():
            if event is not Event.DELETE:
                yield state, event, target


def draw() -> str:
    """The whole page."""
    lines = ["stateDiagram-v2", "    [*] --> CLOSED"]
    lines += [f'    state "{state.value}" as {state.name}' for state in State if state.value != state.name]
    lines += [f"    {source.name} --> {target.name}: {event.value}" for source, event, target in arrows()]
    return "\n".join([HEAD, "```mermaid", *lines, "```", "", TAIL])


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the page, or with ``--check`` compares it; 1 if it is out of date."""
    parser = argparse.ArgumentParser(prog="python -m tools.state_diagram", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the picture is out of date")
    if not parser.parse_args(arguments).check:
        PICTURE.write_text(draw(), encoding="utf-8")
    elif not PICTURE.exists() or PICTURE.read_text(encoding="utf-8") != draw():
        print(f"{PICTURE} is out of date: python -m tools.state_diagram")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What a step of SEGMENT ARRIVES says (RFC 9293 3.10.7.4): go on with the next, or stop, the segment is dealt with."""

from typing import Final, TypeAlias

Verdict: TypeAlias = bool

CONTINUE: Final[Verdict] = True
STOP: Final[Verdict] = False

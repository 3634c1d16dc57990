"""Sequence numbers (RFC 9293 3.4): modulo 2^32 on the wire, unbounded in here.

A sequence number is unwrapped once, where its segment arrives, to the integer nearest to one that is known (RCV.NXT
for SEG.SEQ, SND.UNA for SEG.ACK); from there on ``<`` means what it says, and it is wrapped again where a segment
leaves. So the comparison that every stack gets wrong once cannot be written. ISS and IRS start in the second lap,
so that nothing near them is negative.

    lap 0              lap 1              lap 2
    |------------------|------------------|------------------|
                            ^ iss              una ... nxt
"""

from typing import Final

MODULUS: Final = 1 << 32
MASK: Final = MODULUS - 1
HALF: Final = 1 << 31


def wrap(number: int) -> int:
    """What stands on the wire for ``number``."""
    return number & MASK


def signed_difference(left: int, right: int) -> int:
    """``left - right`` modulo 2^32, as a number in [-2^31, 2^31)."""
    return ((left - right + HALF) & MASK) - HALF


def unwrap(value: int, near: int) -> int:
    """The integer that ``value`` from the wire stands for: the one closest to ``near``."""
    return near + ((value - near + HALF) & MASK) - HALF


def first_lap(value: int) -> int:
    """Where an initial sequence number from the wire or a generator is put."""
    return (value & MASK) + MODULUS

"""What is offered of a receive buffer: how hosts differ (RFC 9293 3.8.6.2.2)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from halfopen.tcp.config import BufferConfig


@dataclass(slots=True, frozen=True, kw_only=True)
class WindowRule:
    """How much of a buffer is window, and in which steps it moves."""

    share: int = 1
    """The window is this part of the buffer; the rest is for what packets cost beside their octets."""
    rounding: str = ""
    """The first window is a multiple of the MSS: ``"down"`` or ``"up"`` to it; else as it is."""
    offer: str = "steady"
    """``"steady"``: see `ReceiveSpace.offer`; ``"segments"`` as Linux; ``"exact"`` as the BSDs: what there is."""


WINDOWS: Final[Mapping[str, WindowRule]] = {
    "steady": WindowRule(),
    "linux": WindowRule(share=2, rounding="down", offer="segments"),
    "bsd": WindowRule(rounding="up", offer="exact"),
}
"""By name, as in `halfopen.tcp.config.BufferConfig.window`."""


def first_window(buffers: BufferConfig, mss: int) -> int:
    """The window that a connection begins with, to a peer whose segments have ``mss`` octets."""
    rule = WINDOWS[buffers.window]
    octets = min(buffers.receive_initial, buffers.receive) // rule.share
    if buffers.window_clamp is not None:
        octets = min(octets, buffers.window_clamp)
    if octets > mss > 0:
        if rule.rounding == "down":
            octets -= octets % mss
        elif rule.rounding == "up":
            octets += -octets % mss
    return octets


def largest_window(buffers: BufferConfig) -> int:
    """What it may grow to."""
    return buffers.largest_window // WINDOWS[buffers.window].share


def syn_window(buffers: BufferConfig, mss: int) -> int:
    """The window field of a SYN, never scaled (RFC 7323 2.2); a BSD rounds up only once there is a connection."""
    is_raised = WINDOWS[buffers.window].rounding == "up"
    return min(buffers.first_window if is_raised else first_window(buffers, mss), 0xFFFF)


def scaled_octets(buffers: BufferConfig) -> int:
    """What the window scale has to be able to express: all that the buffer may grow to, or a fixed one's window.

    The whole of a buffer that grows counts, unless its window is clamped (Linux ``tcp_select_initial_window``).
    """
    clamp = buffers.window_clamp
    is_chosen = buffers.linux.most > 0
    octets = largest_window(buffers) if buffers.receive_initial >= buffers.receive else buffers.receive
    if not is_chosen:
        octets = max(buffers.scale_for, octets)
    return octets if clamp is None or buffers.window != "linux" else min(octets, clamp)


def send_limit(buffers: BufferConfig, mss: int) -> int:
    """What may wait to be acknowledged; a BSD has room for a whole number of segments."""
    if WINDOWS[buffers.window].rounding != "up" or buffers.send <= mss:
        return buffers.send
    return buffers.send + -buffers.send % mss

"""What a host knows of a route beforehand, and what connections make of it (Linux ``ip route``, RTAX_*)."""

from dataclasses import dataclass, replace
from typing import Final

from halfopen.base.clock import Duration
from halfopen.tcp.config import TcpConfig
from halfopen.tcp.windows import WINDOWS


@dataclass(slots=True, frozen=True, kw_only=True)
class Metrics:
    """By the names of ``ip route``; None: nothing is known."""

    mtu: int | None = None
    """No datagram is larger (``mtu``) ..."""
    mtu_is_locked: bool = False
    """... and none is smaller because ICMP says so (``mtu lock``): path MTU discovery is off."""
    advertised_mss: int | None = None
    """Our MSS option (``advmss``)."""
    initial_window: int | None = None
    """Segments to begin with (``initcwnd``) ..."""
    initial_receive_window: int | None = None
    """... and to let the peer begin with (``initrwnd``)."""
    rto_min: Duration | None = None
    quick_ack: bool = False
    """Nothing that comes this way waits for its ACK (``quickack``)."""


NO_METRICS: Final = Metrics()


def with_metrics(config: TcpConfig, metrics: Metrics, mss: int) -> TcpConfig:
    """``config`` for a connection by a route with these ``metrics``, whose segments to us have ``mss`` octets."""
    if metrics is NO_METRICS:
        return config
    if metrics.initial_window is not None:
        config = replace(config, congestion=replace(config.congestion, initial_window=metrics.initial_window))
    if metrics.rto_min is not None:
        config = replace(config, retransmission=replace(config.retransmission, rto_min=metrics.rto_min))
    if metrics.quick_ack:
        config = replace(config, acks=replace(config.acks, delay=0))
    if metrics.initial_receive_window is not None:
        octets = metrics.initial_receive_window * mss * WINDOWS[config.buffers.window].share
        config = replace(config, buffers=replace(config.buffers, receive_initial=octets))
    return config

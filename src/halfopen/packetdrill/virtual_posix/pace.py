"""``SO_MAX_PACING_RATE``: who sets it is paced, by TCP itself if need be (``sk_pacing_status``)."""

from dataclasses import replace

from halfopen.packetdrill.virtual_posix.tcp_face import TcpFace

UNLIMITED = 2**32 - 1


def set_largest_rate(socket: TcpFace, value: bytes) -> None:
    """Octets a second, as 32 or 64 bits; all of them set: no limit, and no pace."""
    octets = value[:8] if len(value) >= 8 else value[:4]
    rate = int.from_bytes(octets, "little")
    is_limit = octets.strip(b"\xff") != b"" and rate > 0
    config = socket.config
    pace = replace(config.congestion.pace, enabled=is_limit, largest_rate=rate if is_limit else None)
    socket.configure(replace(config, congestion=replace(config.congestion, pace=pace)))


def largest_rate(socket: TcpFace) -> int:
    """What was set."""
    rate = socket.config.congestion.pace.largest_rate
    return UNLIMITED if rate is None else min(rate, UNLIMITED)

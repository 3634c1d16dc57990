"""What a BSD makes of a segment from a half-open peer, before there is a connection to show it to.

As FreeBSD's ``syncache_chkrst``, ``syncache_expand`` and ``syncache_add``.
"""

from enum import Enum

from halfopen.base.clock import Duration
from halfopen.base.enums import quick
from halfopen.tcp.config import TcpConfig
from halfopen.tcp.half_open import HalfOpen
from halfopen.tcp.seqnum import signed_difference, wrap
from halfopen.wire.tcp import ACK, FIN, RST, SYN, Segment


@quick
class Fate(Enum):
    """What is to be done."""

    DROP = "nothing"
    FORGET = "the peer is forgotten"
    CHALLENGE = "a challenge ACK"
    REPEAT = "the SYN,ACK again, and all the time there was"
    REFUSE = "RST"
    EXPEL = "RST, and the peer is forgotten"
    GO_ON = "its handshake may be over"


def synack_waits(config: TcpConfig) -> list[Duration]:
    """Between SYN,ACKs: the first RTO, and twice as long each time with the slop (``syncache_timeout``)."""
    retransmission, slop = config.retransmission, config.timeouts.slop
    waits = [retransmission.rto_initial << n for n in range(retransmission.synack_retries + 1)]
    return [min(wait + slop * (n > 0), retransmission.rto_max) for n, wait in enumerate(waits)]


def fate_of(record: HalfOpen, segment: Segment, window: int, exact_rst: bool, needs_timestamps: bool) -> Fate:
    """Judges ``segment`` of the peer of ``record``, which was offered ``window`` octets.

    ``exact_rst``: a RST has to have exactly the number expected (RFC 5961 3.2); `OptionsConfig.needs_timestamps`.
    """
    flags = segment.flags
    offset = signed_difference(segment.seq, wrap(record.irs + 1))
    if flags & RST:
        return _fate_of_rst(flags, offset, window, exact_rst)
    if flags & SYN:
        return Fate.EXPEL if flags & ACK else Fate.REPEAT
    if not flags & ACK:
        return Fate.DROP
    stamps = segment.options.timestamps if segment.options is not None else None
    if record.ts_recent is not None and _is_out_of_time(stamps, record.ts_recent, needs_timestamps):
        return Fate.DROP
    if not 0 <= offset < window:
        return Fate.CHALLENGE
    return Fate.GO_ON if segment.ack == wrap(record.iss + 1) else Fate.REFUSE


def renew(record: HalfOpen, syn: Segment) -> None:
    """What the peer's SYN says when it comes again: only of its timestamps is notice taken."""
    stamps = syn.options.timestamps if syn.options is not None else None
    record.ts_recent = stamps[0] if record.ts_recent is not None and stamps is not None else None


def _is_out_of_time(stamps: tuple[int, int] | None, recent: int, needs_timestamps: bool) -> bool:
    """PAWS, before there is a connection; without timestamps, whether that matters."""
    return needs_timestamps if stamps is None else signed_difference(stamps[0], recent) < 0


def _fate_of_rst(flags: int, offset: int, window: int, exact_rst: bool) -> Fate:
    """RFC 793 3.4: who resets a SYN,ACK has nothing to acknowledge, and sends none of ACK, SYN and FIN."""
    if flags & (ACK | SYN | FIN) or not (0 <= offset < window or offset == window == 0):
        return Fate.DROP
    return Fate.CHALLENGE if offset and exact_rst else Fate.FORGET

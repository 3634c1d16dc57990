"""``TCP_INFO`` in the layout of Linux's ``struct tcp_info`` (its first 104 octets), from a connection's status."""

import struct

from halfopen.base.clock import MICROSECOND
from halfopen.tcp.state import State
from halfopen.tcp.status import Status
from halfopen.tcp.tcb import Phase

_INFO = struct.Struct("@8B24I")

STATES = {
    State.ESTABLISHED: 1,
    State.SYN_SENT: 2,
    State.SYN_RECEIVED: 3,
    State.FIN_WAIT_1: 4,
    State.FIN_WAIT_2: 5,
    State.TIME_WAIT: 6,
    State.CLOSED: 7,
    State.CLOSE_WAIT: 8,
    State.LAST_ACK: 9,
    State.LISTEN: 10,
    State.CLOSING: 11,
}
"""Linux's numbers."""

PHASES = {Phase.OPEN: 0, Phase.RECOVERY: 3, Phase.LOSS: 4}
"""Linux's TCP_CA_Open, TCP_CA_Recovery and TCP_CA_Loss."""

_TIMESTAMPS, _SACK, _SCALE, _SYN_DATA, _CHILD = 1, 2, 4, 32, 128
_MOST = 0xFFFFFFFF


def pack_tcp_info(status: Status) -> bytes:
    """What ``getsockopt(IPPROTO_TCP, TCP_INFO)`` returns; fields that we do not keep are 0."""
    snd, rcv = status.snd, status.rcv
    options = (
        _TIMESTAMPS * status.options.timestamps | _SACK * status.options.sack | _SCALE * bool(snd.shift or rcv.shift)
    )
    options |= _SYN_DATA * status.options.syn_data | _CHILD * status.options.fast_open_child
    mss = max(1, snd.mss)
    small = (
        STATES[status.state],
        PHASES[status.phase],
        min(status.retries, 255),
        0,
        0,
        options,
        snd.shift | rcv.shift << 4,
        0,
    )
    words = [0] * 24
    words[0] = status.rto // MICROSECOND
    words[2] = words[3] = snd.mss
    words[4] = -(-snd.outstanding // mss)
    words[5] = -(-snd.sacked // mss)
    words[6] = -(-snd.lost // mss)
    words[15] = status.srtt // MICROSECOND
    words[17] = status.ssthresh // mss
    words[18] = status.cwnd // mss
    words[19] = snd.mss
    words[22] = rcv.wnd
    return _INFO.pack(*small, *(min(word, _MOST) for word in words))

"""STATUS (RFC 9293 3.10.6): one frozen picture of a connection for tests, ``ss``, plots and TCP_INFO."""

from dataclasses import dataclass

from halfopen.base.clock import Duration
from halfopen.tcp.calls import urgent_octets
from halfopen.tcp.in_network import pipe
from halfopen.tcp.seqnum import wrap
from halfopen.tcp.state import State
from halfopen.tcp.tcb import Phase, Tcb


@dataclass(slots=True, frozen=True, kw_only=True)
class SendStatus:
    """SND.*; sequence numbers as on the wire, sizes in octets."""

    iss: int
    una: int
    nxt: int
    wnd: int
    mss: int
    shift: int
    outstanding: int
    unsent: int
    sacked: int
    lost: int


@dataclass(slots=True, frozen=True, kw_only=True)
class ReceiveStatus:
    """RCV.*; sequence numbers as on the wire, sizes in octets."""

    irs: int
    nxt: int
    wnd: int
    shift: int
    unread: int
    early: int
    urgent: int


@dataclass(slots=True, frozen=True, kw_only=True)
class OptionStatus:
    """What options have made of the connection."""

    sack: bool
    timestamps: bool
    syn_data: bool
    """Text in our SYN was acknowledged by the SYN,ACK (``TCPI_OPT_SYN_DATA``)."""
    fast_open_child: bool
    """A SYN with a Fast Open cookie has made it (``TCPI_OPT_TFO_CHILD``)."""


@dataclass(slots=True, frozen=True, kw_only=True)
class Status:
    """The connection at one moment."""

    state: State
    snd: SendStatus
    rcv: ReceiveStatus
    phase: Phase
    cwnd: int
    ssthresh: int
    pipe: int
    srtt: Duration
    rto: Duration
    retries: int
    options: OptionStatus


def make_status(tcb: Tcb) -> Status:
    """The picture of ``tcb`` now."""
    snd, rcv, early = tcb.snd, tcb.rcv, tcb.user.early
    return Status(
        state=tcb.state,
        snd=SendStatus(
            iss=wrap(snd.iss),
            una=wrap(snd.una),
            nxt=wrap(snd.nxt),
            wnd=snd.wnd,
            mss=snd.mss,
            shift=tcb.agreed.snd_shift,
            outstanding=snd.outstanding,
            unsent=snd.unsent,
            sacked=snd.flight.sacked,
            lost=snd.flight.lost,
        ),
        rcv=ReceiveStatus(
            irs=wrap(rcv.irs),
            nxt=wrap(rcv.nxt),
            wnd=rcv.wnd,
            shift=rcv.shift,
            unread=len(rcv.queue),
            early=rcv.early.octets,
            urgent=urgent_octets(tcb),
        ),
        phase=tcb.recovery.phase,
        cwnd=tcb.congestion.cwnd,
        ssthresh=tcb.congestion.ssthresh,
        pipe=pipe(tcb),
        srtt=tcb.rtt.srtt,
        rto=tcb.rtt.rto,
        retries=tcb.recovery.retries,
        options=OptionStatus(
            sack=tcb.agreed.sack,
            timestamps=tcb.timestamps is not None,
            syn_data=early is not None and early.is_acknowledged,
            fast_open_child=early is not None and early.is_child,
        ),
    )

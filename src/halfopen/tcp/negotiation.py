"""What the SYNs agree on (RFC 9293 3.7.1; RFC 7323 2.2, 3.2; RFC 2018 2; RFC 3168 6.1.1; RFC 9768 3.1)."""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from halfopen.tcp.accurate_ecn import AccurateEcn, asks_for_accuracy, grants_accuracy
from halfopen.tcp.config import Ecn, TcpConfig
from halfopen.tcp.windows import scaled_octets
from halfopen.wire.ecn import CE, NOT_ECT
from halfopen.wire.tcp import ACK, AE, CWR, ECE, Segment
from halfopen.wire.tcp_options import TIMESTAMPS_OCTETS, Options

LAST_WITH_OPTIONS: Final = 2
"""Retransmissions of a SYN that have all its options, where later ones have not (`OptionsConfig.drops_late`)."""
MAX_WINDOW_SHIFT: Final = 14
"""RFC 7323 2.3."""
DEFAULT_MSS: Final = 536
"""Assumed of a peer that sends no MSS option (MUST-15)."""
DEFAULT_MSS_IPV6: Final = 1220
"""The same for IPv6; the host, which knows addresses, passes it on."""
MINIMUM_MSS: Final = 48
"""What a peer can at the least make us send (Linux ``tcp_min_snd_mss``): less would turn one octet into one packet,
CVE-2019-11479."""
LEAST_MSS: Final = 20
"""Where that is to be shown: with timestamps 8 octets of text, as a Linux of then."""


@dataclass(slots=True, frozen=True)
class Agreed:
    """The outcome; connections with the same share one. Before the peer's SYN has come: what holds without options."""

    mss: int = DEFAULT_MSS
    """The peer's MSS option, or less if the user wants that; never below `MINIMUM_MSS`."""
    snd_shift: int = 0
    """Snd.Wind.Shift: how the peer's window field is scaled."""
    rcv_shift: int = 0
    """Rcv.Wind.Shift: how ours is."""
    sack: bool = False
    ecn: bool = False
    """The classic kind."""
    timestamps: bool = False
    signature_octets: int = 0
    """What an option that authenticates will take, of every segment (RFC 5925 7.6)."""
    accurate: AccurateEcn | None = None
    """None unless both sides use Accurate ECN."""
    ecn_seen: bool = False
    """The peer has sent something ECN-capable since."""
    ce_delivered: int = 0
    """Segments whose ACKs had ECN-Echo."""

    @property
    def option_octets(self) -> int:
        """Octets of options on every data segment."""
        return self.signature_octets + (TIMESTAMPS_OCTETS if self.timestamps else 0)


def shared(agreed: Agreed) -> Agreed:
    """The first of those that are alike: an idle connection holds none of its own."""
    return agreed if agreed.accurate is not None else _shared(agreed)


@lru_cache(maxsize=64)
def _shared(agreed: Agreed) -> Agreed:
    return agreed


def window_shift(receive_octets: int) -> int:
    """The smallest shift with which 16 bits can express a window of ``receive_octets``, rounded down (RFC 7323 2.3)."""
    shift = max(0, receive_octets.bit_length() - 16)
    return min(shift, MAX_WINDOW_SHIFT)


def offer(config: TcpConfig, mss: int, timestamps: tuple[int, int] | None) -> Options:
    """The options of a SYN without ACK (SHLD-5, MAY-3: always with an MSS)."""
    chosen = config.options
    return Options(
        mss=min(mss, chosen.mss or mss) if chosen.mss_manner.is_said else None,
        window_scale=window_shift(scaled_octets(config.buffers)) if chosen.window_scaling else None,
        sack_permitted=chosen.sack,
        timestamps=timestamps if chosen.timestamps else None,
        dense=chosen.layout == "dense",
    )


def answer(config: TcpConfig, mss: int, timestamps: tuple[int, int] | None, sack: bool, scaled: bool) -> Options:
    """The options of a SYN,ACK: only what the peer's SYN offered too."""
    return Options(
        mss=min(mss, config.options.mss or mss) if config.options.mss_manner.is_said else None,
        window_scale=window_shift(scaled_octets(config.buffers)) if scaled else None,
        sack_permitted=sack,
        timestamps=timestamps,
        dense=config.options.layout == "dense",
    )


def agree(config: TcpConfig, syn: Segment, default_mss: int, signature_octets: int = 0) -> Agreed:
    """What holds once the peer's SYN or SYN,ACK is here.

    MUST-14, MUST-15: an MSS option counts, and `DEFAULT_MSS` without one, or with one of 0 (Linux, the BSDs). A shift
    above 14 is 14 (RFC 7323 2.3).
    """
    options = syn.options or Options()
    chosen = config.options
    manner = chosen.mss_manner
    own_default = manner.default_ipv6 if default_mss == DEFAULT_MSS_IPV6 else manner.default
    mss = options.mss or own_default or default_mss
    if not manner.discovers_path:
        mss = min(mss, own_default or default_mss)
    scaled = chosen.window_scaling and options.window_scale is not None
    accurate = agree_on_accuracy(config, syn)
    return Agreed(
        mss=max(chosen.least_mss if config.security.bounds else LEAST_MSS, min(mss, chosen.mss or mss)),
        snd_shift=min(options.window_scale or 0, MAX_WINDOW_SHIFT) if scaled else 0,
        rcv_shift=window_shift(scaled_octets(config.buffers)) if scaled else 0,
        sack=chosen.sack and options.sack_permitted,
        ecn=accurate is None and agrees_on_ecn(chosen.ecn, syn),
        accurate=accurate,
        timestamps=chosen.timestamps and options.timestamps is not None,
        signature_octets=signature_octets,
    )


def agrees_on_ecn(wish: Ecn, syn: Segment) -> bool:
    """A SYN with ECE and CWR; or a SYN,ACK with ECE alone, if ours had asked (RFC 3168 6.1.1).

    A SYN,ACK with both is from a host that reflects reserved bits (6.1.1.1). A SYN that says to be ECN-capable itself
    has met somebody who plays with these bits, and who would make up congestion, too (Linux); but for Accurate ECN.
    """
    marks = syn.flags & (ECE | CWR)
    if syn.flags & ACK:
        return wish in (Ecn.ACTIVE, Ecn.ACCURATE, Ecn.ACCURATE_IF_ASKED) and marks == ECE
    return wish is not Ecn.OFF and marks == ECE | CWR and (not syn.ecn or bool(syn.flags & AE))


def agree_on_accuracy(config: TcpConfig, syn: Segment) -> AccurateEcn | None:
    """A SYN that asks for Accurate ECN, or a SYN,ACK that grants it if ours had asked (RFC 9768 3.1)."""
    wish, manner = config.options.ecn, config.options.ecn_manner
    if not syn.flags & ACK:
        is_agreed = wish.value >= Ecn.ACCURATE.value and asks_for_accuracy(syn)
        return AccurateEcn(syn.ecn) if is_agreed else None
    if wish is not Ecn.ACCURATE or not grants_accuracy(syn):
        return None
    accurate = AccurateEcn(NOT_ECT)
    accurate.on_syn_ack(syn, manner.fallback and (manner.checks_unmarked or syn.ecn == CE))
    return accurate


def without_extensions(config: TcpConfig) -> TcpConfig:
    """No window scaling, timestamps and SACK, for a peer that may be confused by them."""
    return replace(config, options=replace(config.options, window_scaling=False, timestamps=False, sack=False))

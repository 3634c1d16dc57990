"""Connections with a handshake that has taken time, so that there is a round trip to reckon with."""

from dataclasses import replace

from halfopen.base.clock import MILLISECOND, Duration
from halfopen.tcp.config import (
    DEFAULT,
    AckConfig,
    Ecn,
    OptionsConfig,
    RetransmissionConfig,
    TcpConfig,
)
from halfopen.tcp.congestion_config import CongestionConfig
from halfopen.testing.exchange import Exchange, Setting

RTT: Duration = 50 * MILLISECOND
RTO: Duration = 250 * MILLISECOND
"""SRTT 50 ms, RTTVAR 25 ms, of which four are less than the minimum of 200 ms."""
PTO: Duration = 100 * MILLISECOND

EAGER = replace(DEFAULT, acks=AckConfig(nagle=False))
"""Nagle off, so that every SEND is a segment."""
PLAIN = replace(
    EAGER, congestion=CongestionConfig(algorithm="reno"), retransmission=RetransmissionConfig(tail_loss_probe=False)
)
"""NewReno, no tail loss probe: where a test is about what is left then."""
WITHOUT_RACK = replace(PLAIN, retransmission=RetransmissionConfig(tail_loss_probe=False, rack=False))


def connect(
    options: str = "mss 1000",
    *,
    window: int = 65535,
    rtt: Duration = RTT,
    config: TcpConfig = EAGER,
    burst: int = 0,
    iss: int = 1_000_000,
) -> Exchange:
    """An active open whose SYN,ACK came after ``rtt``."""
    exchange = Exchange.active(Setting(config=config, burst=burst, iss=iss))
    exchange.after(rtt)
    exchange.peer.sends(f"S. 0:0(0) ack 1 win {window} <{options}>")
    exchange.peer.ignores()
    exchange.user.hears("Connected")
    return exchange


def retransmitting(**choices: object) -> TcpConfig:
    """`EAGER`, with other choices about retransmission."""
    return replace(EAGER, retransmission=RetransmissionConfig(**choices))  # type: ignore[arg-type]  # names are checked


def flight(exchange: Exchange, segments: int, octets: int = 1000) -> None:
    """Sends that many segments, and takes them from the wire."""
    exchange.user.sends(segments * octets)
    assert len(exchange.peer.ignores()) == segments


def starts(exchange: Exchange) -> list[int]:
    """Where the segments begin that nobody has taken yet."""
    return [seen.words.start for seen in exchange.peer.ignores()]


def duplicates(exchange: Exchange, ack: int, count: int) -> None:
    """The peer sends that many ACKs that are alike."""
    exchange.peer.sends(*[f". 1:1(0) ack {ack}"] * count)


def shrunk_by_an_option(segments: int = 10) -> Exchange:
    """That many segments of 1000 octets in flight, not of 1012: Accurate ECN's option is due, and takes the rest."""
    options = OptionsConfig(ecn=Ecn.ACCURATE, timestamps=False)
    exchange = Exchange.active(Setting(config=replace(PLAIN, options=options)))
    exchange.after(RTT)
    exchange.peer.sends("SW. 0:0(0) ack 1 win 65535 <mss 1012,sackOK,ECN e1b 1 ceb 0 e0b 1>")
    exchange.peer.ignores()
    exchange.user.hears("Connected")
    flight(exchange, segments)
    return exchange


def with_ecn() -> Exchange:
    """An active open that has agreed on ECN (RFC 3168 6.1.1)."""
    exchange = Exchange.active(Setting(config=replace(PLAIN, options=OptionsConfig(ecn=Ecn.ACTIVE))))
    exchange.peer.expects_any("SEW")
    exchange.peer.sends("S.E 0:0(0) ack 1 win 65535 <mss 1000>")
    exchange.peer.ignores()
    exchange.user.hears("Connected")
    return exchange

"""Fast Open (RFC 7413): cookies that a server gives to addresses, and what a client remembers of servers.

A cookie proves that its owner has been at that address lately, no more: text that comes with it is taken before the
handshake is complete. It is the SipHash of both addresses, as Linux computes it: hosts that share keys share cookies.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hmac import compare_digest
from typing import Final, TypeAlias

from halfopen.base.clock import SECOND, Duration, Instant
from halfopen.base.counters import Counters
from halfopen.tcp.fast_open_config import FastOpenConfig
from halfopen.tcp.siphash import siphash
from halfopen.tcp.state import HasState, State
from halfopen.wire.tcp import Segment
from halfopen.wire.tcp_options import EXPERIMENT, FAST_OPEN, Options

CookieOption: TypeAlias = tuple[int, bytes]
"""The option's kind, for there are two, and the cookie; empty: asked for."""

COOKIE_OCTETS: Final = 8

RESET_HOLD: Duration = 60 * SECOND
"""How long one that was reset before its handshake was complete takes up a place (RFC 7413 5.1; as Linux)."""

LOSS_HOLD: Duration = 60 * SECOND
"""After the second SYN in a row that was lost with its text none is sent; it doubles (RFC 7413 4.1.3.1, as Linux)."""

MOST_LOSSES: Final = 10

MOST_DOUBLINGS: Final = 6
"""Of the time without Fast Open after signs that the path swallows it (Linux)."""

UNAVAILABLE, NOT_ACKNOWLEDGED, RETRANSMITTED = 1, 2, 3
"""Why no text of a SYN was taken (Linux ``tcpi_fastopen_client_fail``)."""

SERVERS: Final = 1024
"""Servers that are remembered; who was asked least lately goes first."""


def make_cookie(key: bytes, flow: bytes) -> bytes:
    """The cookie of the peer of ``flow``: its address, then ours."""
    return siphash(key, flow[:-4]).to_bytes(COOKIE_OCTETS, "little")


def cookie_option(options: Options | None) -> CookieOption | None:
    """The option, if it is one: a request, or 4 to 16 octets, an even number (RFC 7413 4.1.1)."""
    option = options.fast_open if options is not None else None
    if option is None or len(option[1]) % 2 or not (option[1] == b"" or 4 <= len(option[1]) <= 16):
        return None
    return option


@dataclass(slots=True, frozen=True)
class Judgement:
    """Whether a SYN opens a connection at once, and what its SYN,ACK has to say about cookies."""

    is_accepted: bool = False
    option: CookieOption | None = None


REFUSED: Final = Judgement()


class FastOpenServer:
    """One listener's view of SYNs with text (RFC 7413 4.1.2, 4.2.2)."""

    __slots__ = ("_counters", "_key", "_pending")

    def __init__(self, key: bytes, counters: Counters) -> None:
        self._key = key
        self._counters = counters
        self._pending: list[tuple[HasState, Instant]] = []

    def add(self, connection: HasState, now: Instant) -> None:
        """It was opened by a SYN; until its handshake is complete it takes up a place."""
        self._pending.append((connection, now))

    def judge(self, flow: bytes, syn: Segment, config: FastOpenConfig, now: Instant) -> Judgement:
        """What becomes of a SYN. Who asks gets a cookie; one by an older key is replaced; a wrong one too."""
        option = cookie_option(syn.options)
        if option is not None and not config.experiment and option[0] == EXPERIMENT:
            option = None
        if option is not None and not option[1]:
            self._counters.add("TCPFastOpenCookieReqd")
        if (
            not (config.server and config.may_serve)
            or (option is None and not syn.octets)
            or self._is_full(config, now)
        ):
            return REFUSED
        if config.needs_no_cookie:
            return self._accept()
        return REFUSED if option is None else self._check(flow, option, config.keys or (self._key,))

    def _check(self, flow: bytes, option: CookieOption, keys: Sequence[bytes]) -> Judgement:
        kind, cookie = option
        answer = (kind, make_cookie(keys[0], flow))
        if not cookie:
            return Judgement(option=answer)
        for key in keys:
            if compare_digest(make_cookie(key, flow), cookie):
                if key == keys[0]:
                    return self._accept()
                self._counters.add("TCPFastOpenPassiveAltKey")
                return self._accept(answer)
        self._counters.add("TCPFastOpenPassiveFail")
        return Judgement(option=answer)

    def _accept(self, answer: CookieOption | None = None) -> Judgement:
        self._counters.add("TCPFastOpenPassive")
        return Judgement(True, answer)

    def _is_full(self, config: FastOpenConfig, now: Instant) -> bool:
        """As many as may have not completed their handshake: then SYNs are without text again (RFC 7413 5.1)."""
        if len(self._pending) < config.backlog:
            return False
        self._pending = [each for each in self._pending if _is_pending(*each, now)]
        if len(self._pending) < config.backlog:
            return False
        self._counters.add("TCPFastOpenListenOverflow")
        return True


def _is_pending(connection: HasState, since: Instant, now: Instant) -> bool:
    if connection.state is State.CLOSED:
        return now - since < RESET_HOLD
    return connection.state is State.SYN_RECEIVED


@dataclass(slots=True, frozen=True)
class Request:
    """What an active OPEN has for its SYN."""

    cookies: "ServerCookies"
    """Where what the server answers is kept."""
    peer: bytes
    """The server's address."""
    option: CookieOption | None
    mss: int
    """The server's, as it was last time; 0: nobody knows."""
    sends_text: bool
    """What is queued may go with the SYN."""
    checks: bool = False
    """The path was once thought to swallow Fast Open: text that comes shows that it does not any more."""


@dataclass(slots=True)
class _Known:
    """What is known of a server."""

    mss: int = 0
    cookie: CookieOption | None = None
    kind: int = FAST_OPEN
    """How it is asked."""
    silences: int = 0
    """How often it was asked and did not answer."""
    losses: int = 0
    """SYNs with text in a row that were lost."""
    lost_at: Instant = 0


class ServerCookies:
    """A client's cookies, and what it knows of servers that have none (RFC 7413 4.1.3)."""

    __slots__ = ("_known", "_signs", "_suspected_at")

    def __init__(self) -> None:
        self._known: dict[bytes, _Known] = {}
        self._signs = 0
        """That some path swallows Fast Open."""
        self._suspected_at: Instant = 0

    def request(self, peer: bytes, config: FastOpenConfig, now: Instant) -> Request | None:
        """What a SYN to ``peer`` shall have; None: nothing, where it is not wanted, or was lost too often."""
        known = self._known.get(peer) or _Known(kind=EXPERIMENT if config.asks_by_experiment else FAST_OPEN)
        if not config.client or (config.manner.minds_losses and _is_held(known, now)) or self._is_avoided(config, now):
            return None
        checks = self._signs > 0
        if config.sends_no_cookie:
            return Request(self, peer, None, known.mss, True, checks)
        if known.cookie is None:
            return Request(self, peer, (known.kind, b""), known.mss, False, checks)
        return Request(self, peer, known.cookie, known.mss, True, checks)

    def _is_avoided(self, config: FastOpenConfig, now: Instant) -> bool:
        times = min(self._signs - 1, MOST_DOUBLINGS)
        return times >= 0 and now < self._suspected_at + (config.manner.blackhole << times)

    def learn(self, request: Request, mss: int, answer: CookieOption | None, was_repeated: bool) -> None:
        """A SYN,ACK has come: the server's MSS, and a cookie or none.

        Who was asked in one form and did not answer is asked in the other one next (RFC 7413 appendix A.1), and from
        then on in the first again (as Linux). A SYN that ``was_repeated`` had not asked.
        """
        known = self._take(request.peer)
        known.mss = mss
        known.losses = 0
        if answer is not None and answer[1]:
            known.cookie = answer
        elif request.option is not None and not request.sends_text and not was_repeated and known.silences < 2:
            known.silences += 1
            known.kind = FAST_OPEN if request.option[0] == EXPERIMENT else EXPERIMENT

    def lose(self, request: Request, now: Instant) -> None:
        """The SYN had to be sent again, and nothing shows that the first one, with text, has arrived."""
        known = self._take(request.peer)
        known.losses = min(known.losses + 1, MOST_LOSSES)
        known.lost_at = now

    def suspect(self, now: Instant) -> None:
        """A sign that some path swallows what has to do with Fast Open, or what comes after it."""
        self._signs += 1
        self._suspected_at = now

    def trust(self) -> None:
        """Text has come on such a connection: it is over."""
        self._signs = 0

    def forget(self) -> None:
        """All of it (Linux ``ip tcp_metrics flush``)."""
        self._known.clear()

    def _take(self, peer: bytes) -> _Known:
        known = self._known.pop(peer, None) or _Known()
        self._known[peer] = known
        if len(self._known) > SERVERS:
            del self._known[next(iter(self._known))]
        return known


def _is_held(known: _Known, now: Instant) -> bool:
    return known.losses > 1 and now < known.lost_at + (LOSS_HOLD << known.losses - 2)


class Early:
    """Of a connection with text before the handshake, or one that would like to have some."""

    __slots__ = ("answer", "failure", "is_accepted", "is_acknowledged", "is_child", "is_deferred", "octets", "request")

    def __init__(self, request: Request | None = None, answer: CookieOption | None = None) -> None:
        self.request = request
        """Of an active OPEN."""
        self.answer = answer
        """What the first SYN,ACK has to say."""
        self.is_child = request is None
        """A SYN has made it, with a cookie: it sends and receives in SYN-RECEIVED (``TCPI_OPT_TFO_CHILD``)."""
        self.is_accepted = False
        """A child: somebody has it."""
        self.is_deferred = request is not None and request.sends_text
        """The SYN waits for text (``TCP_FASTOPEN_CONNECT``)."""
        self.octets = 0
        """Of text, in our SYN."""
        self.is_acknowledged = False
        """All of them, by the SYN,ACK; or those of a SYN have been taken (``TCPI_OPT_SYN_DATA``)."""
        self.failure = 0 if request is None or request.sends_text else UNAVAILABLE
        """Why text did not go with the SYN, or was not taken (``tcpi_fastopen_client_fail``)."""

    @property
    def was_sent(self) -> bool:
        """Our SYN had something of Fast Open."""
        return self.request is not None and (self.octets > 0 or self.request.option is not None)

    def on_end(self, has_text: bool, has_lost_fin: bool, now: Instant, config: FastOpenConfig) -> None:
        """The connection is over; a FIN that is all that ever came, behind a hole, shows what became of the rest."""
        request = self.request
        if request is None or not self.was_sent:
            return
        if has_text and request.checks:
            request.cookies.trust()
        elif has_lost_fin and not has_text and config.manner.blackhole:
            request.cookies.suspect(now)

"""What moves a stack in an event loop: news to those it concerns, packets to the links, one timer for everything."""

import asyncio
from abc import ABC, abstractmethod
from contextvars import Context
from dataclasses import replace

from halfopen.aio.face import EchoFace, Face
from halfopen.base.clock import NEVER, SECOND, Instant
from halfopen.base.native import mypyc_attr
from halfopen.stack.interface import Interface
from halfopen.stack.stack import Stack
from halfopen.stack.tcp_socket import TcpListener, TcpSocket
from halfopen.stack.udp import UdpSocket
from halfopen.tcp.config import TcpConfig
from halfopen.wire.packet import Packet

AnySocket = TcpSocket | TcpListener | UdpSocket

ROUNDS = 4
"""News and transmission in turns within one flush, before the rest of the program gets its turn."""


@mypyc_attr(allow_interpreted_subclasses=True)
class Pump(ABC):
    """Drives one stack. A subclass knows the clock and the links, and calls `receive` and `flush`.

    Whoever has given a command to a socket calls `kick`; then, once in this iteration of the loop, `flush` sends what
    has come of it.
    """

    def __init__(self, stack: Stack, loop: asyncio.AbstractEventLoop) -> None:
        self.stack = stack
        self.loop = loop
        self._faces: dict[AnySocket, Face] = {}
        self._echoes: dict[int, EchoFace] = {}
        self._context = Context()
        self._is_kicked = False
        self._is_flushing = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at: Instant = NEVER
        self._without_nagle: tuple[TcpConfig, TcpConfig] | None = None

    @abstractmethod
    def now(self) -> Instant:
        """The stack's time."""

    @abstractmethod
    def send(self, interface: Interface, packet: Packet) -> None:
        """Puts a packet on the link of ``interface``."""

    def without_nagle(self, config: TcpConfig) -> TcpConfig:
        """``config`` with TCP_NODELAY set; connections that share the one share the other."""
        known = self._without_nagle
        if known is None or known[0] is not config:
            known = self._without_nagle = (config, replace(config, acks=replace(config.acks, nagle=False)))
        return known[1]

    def attach(self, socket: AnySocket, face: Face) -> None:
        """From now on ``face`` hears of the news of ``socket``, and nobody else."""
        self._faces[socket] = face

    def detach(self, socket: AnySocket) -> None:
        """Nobody listens to ``socket`` any more."""
        self._faces.pop(socket, None)

    def attach_echo(self, identifier: int, face: EchoFace) -> None:
        """From now on ``face`` hears of answers to echo requests with ``identifier``; all others are dropped."""
        self._echoes[identifier] = face

    def has_echo(self, identifier: int) -> bool:
        """Whether somebody sends with that identifier."""
        return identifier in self._echoes

    def detach_echo(self, identifier: int) -> None:
        """Nobody waits for them any more. When nobody at all does, answers are left for who polls."""
        self._echoes.pop(identifier, None)

    def kick(self) -> None:
        """Something was done to a socket: flush soon. Costs nothing when repeated."""
        if not (self._is_kicked or self._is_flushing):
            self._is_kicked = True
            self.loop.call_soon(self.flush, context=self._context)

    def flush(self) -> None:
        """Hands out news, sends what there is to send, sets the timer."""
        self._is_kicked = False
        self._is_flushing = True
        now = self.now()
        is_done = False
        try:
            for _ in range(ROUNDS):
                if self._has_news:
                    self._tell_news(now)
                has_sent = self._transmit(now)
                is_done = not self._has_news
                # The stack has said all: only who hears of news could give it more to say.
                if is_done or not has_sent:
                    break
        finally:
            self._is_flushing = False
        if not is_done:
            self.kick()
        self._set_timer(now)

    def close(self) -> None:
        """Stops the timer. Connections are left as they are: a host that loses its power sends nothing."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_at = NEVER

    @property
    def _has_news(self) -> bool:
        stack = self.stack
        return bool(stack.tcp.news or stack.udp.news or (self._echoes and stack.icmp.has_replies))

    def _tell_news(self, now: Instant) -> None:
        tcp, udp, icmp = self.stack.tcp, self.stack.udp, self.stack.icmp
        while tcp.news and (socket := tcp.poll_event()) is not None:
            self._tell(socket, now)
        while udp.news and (datagrams := udp.poll_event()) is not None:
            self._tell(datagrams, now)
        while self._echoes and (reply := icmp.poll_reply()) is not None:
            face = self._echoes.get(reply.identifier)
            if face is not None:
                face.on_reply(reply)

    def _tell(self, socket: AnySocket, now: Instant) -> None:
        """Calls the face of ``socket``, if it has one."""
        face = self._faces.get(socket)
        if face is not None:
            face.on_news(now)

    def _transmit(self, now: Instant) -> bool:
        """Whether anything was sent."""
        poll, send = self.stack.poll_transmit, self.send
        item = poll(now)
        if item is None:
            return False
        while item is not None:
            send(item[0], item[1])
            item = poll(now)
        return True

    def _set_timer(self, now: Instant) -> None:
        """Only an earlier deadline touches the loop's timer; one that has moved is found out when it fires."""
        deadline = self.stack.next_deadline()
        if deadline >= self._timer_at:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = deadline
        delay = max(0, deadline - now) / SECOND
        self._timer = self.loop.call_at(self.loop.time() + delay, self._on_timer, context=self._context)

    def _on_timer(self) -> None:
        self._timer = None
        self._timer_at = NEVER
        now = self.now()
        if self.stack.next_deadline() <= now:
            self.stack.on_deadline(now)
        self.flush()

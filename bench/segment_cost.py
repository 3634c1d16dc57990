"""What one data segment costs from one program to another through two stacks in memory, its share of ACKs included."""

import time

from bench.question import Question
from bench.worlds import stack_config
from halfopen.base.addresses import parse_address
from halfopen.base.rng import SeededRng
from halfopen.stack.config import InterfaceConfig
from halfopen.stack.interface import Interface, Offloads
from halfopen.stack.ports import NOBODY
from halfopen.stack.stack import Stack
from halfopen.stack.tcp_socket import TcpSocket

SEGMENTS = 50_000
BATCH = 64
PORT = 7000
RTT = 100_000
"""Nanoseconds that pass with each batch; the stacks' clock stands still in between."""


def through_the_stack() -> float:
    """Seconds per data segment of 1448 octets; one ACK for each batch of at most 64."""
    exchange = Exchange()
    exchange.move(SEGMENTS // 10)
    started = time.perf_counter()
    moved = exchange.move(SEGMENTS)
    return (time.perf_counter() - started) / moved


class Exchange:
    """A sender and a receiver whose interfaces are joined by nothing but this loop."""

    def __init__(self) -> None:
        self._now = 1_000_000_000
        self._sender, self._out = _host("192.0.2.1")
        self._receiver, self._in = _host("192.0.2.2")
        address = parse_address("192.0.2.2")
        listener = self._receiver.tcp.listen((address, PORT), NOBODY)
        self._source = self._sender.tcp.connect((address, PORT), NOBODY, self._now)
        target: TcpSocket | None = None
        while target is None:
            self._carry(self._sender, self._receiver, self._in)
            self._carry(self._receiver, self._sender, self._out)
            target = listener.accept()
        self._target = target

    def move(self, segments: int) -> int:
        """Moves about so many segments' worth of octets; returns how many segments that took."""
        octets = bytes(BATCH * 1448)
        moved = 0
        while moved < segments:
            self._source.send(octets, self._now)
            while self._source.unsent_octets:
                moved += self._carry(self._sender, self._receiver, self._in)
                self._target.receive(len(octets), self._now)
                self._take_news(self._receiver)
                self._carry(self._receiver, self._sender, self._out)
                self._take_news(self._sender)
                self._now += RTT
        return moved

    def _carry(self, sender: Stack, receiver: Stack, interface: Interface) -> int:
        """A batch of packets; how many."""
        count = 0
        while count < BATCH and (item := sender.poll_transmit(self._now)) is not None:
            receiver.receive(interface, item[1], self._now)
            count += 1
        return count

    def _take_news(self, stack: Stack) -> None:
        while (socket := stack.tcp.poll_event()) is not None:
            if isinstance(socket, TcpSocket):
                while socket.poll_event() is not None:
                    pass


def _host(address: str) -> tuple[Stack, Interface]:
    stack = Stack(stack_config(), SeededRng(address))
    offloads = Offloads(checksum=True)
    settings = InterfaceConfig(name="tun0", kind="ip", addresses=(f"{address}/24",), offloads=offloads)
    return stack, stack.add_interface(settings)


QUESTIONS = (
    Question(
        name="segment-cost",
        says="one data segment of 1448 octets from send() in one stack to receive() in another, each packet alone",
        unit="s",
        subjects={"halfopen": through_the_stack},
        target=8e-6,
        is_cost=True,
    ),
)

"""What a segment costs when there are 100,000 connections in the process, beside ten; and what they cost while idle."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from itertools import count, islice

from bench.memory import Idle, hosts_on_a_cable
from bench.question import Question
from bench.worlds import stack_config
from halfopen.base.addresses import parse_address
from halfopen.base.rng import SeededRng
from halfopen.stack.config import InterfaceConfig
from halfopen.stack.interface import Interface, Offloads
from halfopen.stack.ports import NOBODY
from halfopen.stack.stack import Stack
from halfopen.stack.tcp_socket import TcpListener, TcpSocket

MANY, FEW = 50_000, 10
"""Pairs of connections: both ends are in this process."""

ROUND = FEW
"""Connections that send an answer each before anybody acknowledges."""

STRIDE = 7919
"""Whose turn it is next is no neighbour in memory; a prime, so that all get their turn."""

SEGMENTS = 50_000
ANSWER = 10
"""Segments at a time: as many as the initial window lets out (RFC 6928)."""
OCTETS = bytes(1448 * ANSWER)
RTT = 100_000
PORT = 7000
PER_PORT = 20_000
AT_ONCE = 50
IDLE_SECONDS = 2.0


class Crowd:
    """Two stacks in memory with so many connections between them."""

    def __init__(self, pairs: int) -> None:
        self._now = 1_000_000_000
        self._near, self._near_side = _stack("192.0.2.1")
        self._far, self._far_side = _stack("192.0.2.2")
        self._pairs: list[tuple[TcpSocket, TcpSocket]] = []
        for port in range(PORT, PORT + -(-pairs // PER_PORT)):
            address = parse_address("192.0.2.2")
            listener = self._far.tcp.listen((address, port), NOBODY)
            for _ in range(min(PER_PORT, pairs - len(self._pairs))):
                self._pairs.append(self._open(listener))
        self._turns = count(0, STRIDE)

    def _open(self, listener: TcpListener) -> tuple[TcpSocket, TcpSocket]:
        near = self._near.tcp.connect((listener.address, listener.port), NOBODY, self._now)
        far: TcpSocket | None = None
        while far is None:
            self._exchange()
            far = listener.accept()
        return near, far

    def move(self, segments: int) -> None:
        """So many data segments, an answer of each connection whose turn it is, and their ACKs."""
        pairs = self._pairs
        for _ in range(segments // (ROUND * ANSWER)):
            chosen = [pairs[turn % len(pairs)] for turn in islice(self._turns, ROUND)]
            for near, _ in chosen:
                near.send(OCTETS, self._now)
            self._exchange()
            for _, far in chosen:
                far.receive(len(OCTETS), self._now)
            self._exchange()

    def _exchange(self) -> None:
        """Until nobody has more to say; and a little later than that."""
        while self._carry(self._near, self._far, self._far_side) + self._carry(self._far, self._near, self._near_side):
            self._now += RTT
        for stack in (self._near, self._far):
            if stack.next_deadline() <= self._now:
                stack.on_deadline(self._now)

    def _carry(self, sender: Stack, receiver: Stack, interface: Interface) -> int:
        packets = 0
        while (item := sender.poll_transmit(self._now)) is not None:
            receiver.receive(interface, item[1], self._now)
            packets += 1
        while (socket := receiver.tcp.poll_event()) is not None:
            if isinstance(socket, TcpSocket):
                while socket.poll_event() is not None:
                    pass
        return packets


def _stack(address: str) -> tuple[Stack, Interface]:
    stack = Stack(stack_config(), SeededRng(address))
    offloads = Offloads(checksum=True)
    settings = InterfaceConfig(name="tun0", kind="ip", addresses=(f"{address}/24",), offloads=offloads)
    return stack, stack.add_interface(settings)


@cache
def crowd(pairs: int) -> Crowd:
    """Made once: it takes a while."""
    made = Crowd(pairs)
    made.move(SEGMENTS)
    return made


def _cost(pairs: int) -> float:
    """CPU time of a segment and its share of ACKs."""
    among = crowd(pairs)
    started = time.process_time()
    among.move(SEGMENTS)
    return (time.process_time() - started) / SEGMENTS


def growth() -> float:
    """By what a segment costs more among many than among few."""
    return _cost(MANY) / _cost(FEW)


def idle() -> float:
    """CPU time of the event loop for each second in which 100,000 connections do nothing."""

    async def measure() -> float:
        async with idle_connections(MANY):
            started = time.process_time()
            await asyncio.sleep(IDLE_SECONDS)
            return (time.process_time() - started) / IDLE_SECONDS

    return asyncio.run(measure())


@asynccontextmanager
async def idle_connections(pairs: int) -> AsyncIterator[None]:
    """Between two asyncio hosts, with a transport and a protocol at each end."""
    client, server = hosts_on_a_cable()
    for begin in range(0, pairs, AT_ONCE):
        port = PORT + begin // PER_PORT
        if not begin % PER_PORT:
            await server.create_server(Idle, "192.0.2.2", port, backlog=1024)
        opening = [client.create_connection(Idle, "192.0.2.2", port) for _ in range(AT_ONCE)]
        await asyncio.gather(*opening)
    await asyncio.sleep(2)  # Until the last timer of the handshakes has been found to be off.
    yield
    for host in (client, server):
        host.pump.close()


QUESTIONS = (
    Question(
        name="scale",
        says=f"CPU time of a data segment among {2 * MANY:,} connections, each of which sends {ANSWER} at a time, as a "
        f"multiple of it among {2 * FEW}",
        unit="x",
        subjects={"halfopen": growth},
        target=1.3,
        is_cost=True,
    ),
    Question(
        name="scale-idle",
        says=f"CPU time of the event loop for each second in which {2 * MANY:,} connections do nothing",
        unit="s",
        subjects={"halfopen": idle},
        target=1e-3,
        is_cost=True,
    ),
)

"""What a connection costs from connect() to its end, one request and answer in between: both ends, asyncio included."""

import asyncio
import time
from collections.abc import Iterator

from bench.memory import hosts_on_a_cable
from bench.peers import REQUEST, RESPONSE, Answering
from bench.question import Question
from halfopen.aio.host import Host

AT_ONCE = 64
CONNECTIONS = 2000
PORT = 7000


def both_ends() -> float:
    """CPU time per connection."""
    connect(CONNECTIONS // 10)
    started = time.process_time()
    connect(CONNECTIONS)
    return (time.process_time() - started) / CONNECTIONS


def connect(amount: int) -> int:
    """Opens, asks, is answered and closes so often, `AT_ONCE` at a time; returns how often."""

    async def run() -> None:
        client, server = hosts_on_a_cable()
        await server.create_server(Answering, "192.0.2.2", PORT, backlog=AT_ONCE)
        tickets = iter(range(amount))
        await asyncio.gather(*[_ask(client, tickets) for _ in range(AT_ONCE)])
        for host in (client, server):
            host.pump.close()

    asyncio.run(run())
    return amount


async def _ask(client: Host, tickets: Iterator[int]) -> None:
    loop = asyncio.get_running_loop()
    for _ in tickets:
        asking = Asking(loop.create_future())
        await client.create_connection(asking.itself, "192.0.2.2", PORT)
        await asking.done


class Asking(asyncio.Protocol):
    """Asks when it can, and closes when it has the answer."""

    def __init__(self, done: "asyncio.Future[None]") -> None:
        self.done = done

    def itself(self) -> "Asking":
        """What asyncio calls for a protocol."""
        return self

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asks."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(REQUEST)

    def data_received(self, data: bytes) -> None:
        """The answer, which comes in one piece."""
        if data != RESPONSE:
            raise RuntimeError("the answer is another")
        self._transport.close()

    def connection_lost(self, exception: Exception | None) -> None:
        """It is over."""
        self.done.set_result(None)


QUESTIONS = (
    Question(
        name="connection-cost",
        says="CPU time of a connection in memory: connect, one request and answer, close; both ends, asyncio included",
        unit="s",
        subjects={"halfopen": both_ends},
        is_cost=True,
    ),
)

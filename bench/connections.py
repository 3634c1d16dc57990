"""How many connections a second are opened, asked one small question, answered and closed; 64 at once."""

import asyncio

from bench.peers import PORT, Answering
from bench.question import Question
from bench.worlds import KERNEL, OURS, Peer, make_host, tun_world, veth_world

SECONDS = 2.0
AT_ONCE = 64


def ours() -> float:
    """The kernel asks, an asyncio server on halfopen answers."""

    async def run() -> float:
        host = make_host(link)
        await host.create_server(Answering, OURS, PORT, backlog=1024)
        with Peer(kernel, "ask", OURS, str(SECONDS), str(AT_ONCE)) as peer:
            figure = await asyncio.to_thread(peer.figure)
        host.pump.close()
        return figure

    with tun_world(offload=True) as (kernel, link):
        return asyncio.run(run())


def the_kernels() -> float:
    """The same server on the kernel's TCP, the client over veth."""
    with veth_world(offload=True) as (first, second), Peer(first, "serve") as server:
        server.wait_until_ready()
        with Peer(second, "ask", KERNEL, str(SECONDS), str(AT_ONCE)) as peer:
            return peer.figure()


QUESTIONS = (
    Question(
        name="connections",
        says=f"connect, one request and response, close; {AT_ONCE} at once; an asyncio server, the kernel's client",
        unit="1/s",
        subjects={"halfopen": ours, "kernel-asyncio": the_kernels},
        target=3000,
    ),
)

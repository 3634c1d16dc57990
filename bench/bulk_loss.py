"""How fast one connection is when a router loses 1 % of the packets in each direction, beside the kernel with itself.

The router is a third namespace: packets dropped where they are sent would come back as an error of the device.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from bench.bulk import SECONDS, drain, fill
from bench.question import Question
from bench.worlds import FAR, KERNEL, OURS, Peer, behind_router, cable, make_host, namespace, tun_world
from halfopen.links.interfaces import LinkSettings, configure
from halfopen.links.namespaces import Namespace
from halfopen.links.tuntap import TunTap

LOSS = """
table ip bench {
    chain lose {
        type filter hook forward priority 0; policy accept;
        numgen random mod 1000 < 10 drop
    }
}
"""


def to_kernel() -> float:
    """halfopen sends, a kernel behind the router receives."""

    async def run() -> None:
        host = make_host(link)
        await fill(host, FAR)
        host.pump.close()

    with _lossy_tun() as (kernel, link), Peer(kernel, "sink") as peer:
        peer.wait_until_ready()
        asyncio.run(run())
        return peer.figure()


def from_kernel() -> float:
    """A kernel behind the router sends, halfopen receives."""

    async def run() -> float:
        host = make_host(link)
        rate = await drain(host, FAR)
        host.pump.close()
        return rate

    with _lossy_tun() as (kernel, link), Peer(kernel, "source", str(SECONDS)) as peer:
        peer.wait_until_ready()
        return asyncio.run(run())


def between_kernels() -> float:
    """Kernels on both sides of the router."""
    with namespace() as router, namespace() as sender, behind_router(router, OURS) as far:
        cable(router, sender, (KERNEL, OURS))
        with sender.enter():
            configure("bench1", LinkSettings(routes=(("default", KERNEL),)))
        lose(router)
        with Peer(far, "sink") as sink:
            sink.wait_until_ready()
            with Peer(sender, "send", FAR, str(SECONDS)) as peer:
                figure = sink.figure()
                peer.wait()
                return figure


def lose(router: Namespace) -> None:
    """From now on 1 % of what the router forwards is lost."""
    with router.popen(["nft", "-f", "-"], stdin=-1) as nft:
        nft.communicate(LOSS.encode())
    if nft.returncode:
        raise RuntimeError("nft refused the rule")


@contextmanager
def _lossy_tun() -> Iterator[tuple[Namespace, TunTap]]:
    with tun_world(offload=True) as (router, link), behind_router(router, OURS) as far:
        lose(router)
        yield far, link


QUESTIONS = tuple(
    Question(
        name=f"bulk-{direction}-kernel-loss",
        says=f"one connection {direction} a kernel behind a router that loses 1 % of the packets, offloads on",
        unit="B/s",
        subjects={"halfopen": ours, "kernel-veth": between_kernels},
        least_ratio=0.5,
    )
    for direction, ours in (("to", to_kernel), ("from", from_kernel))
)

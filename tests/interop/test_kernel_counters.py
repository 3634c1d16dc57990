"""The kernel's own counters judge us: over a lossy device, next to what it counts with itself as the peer.

nftables loses packets at the kernel's end of the device, at random and in both directions. What a peer of good manners
never causes has to be zero (`judge.SPOTLESS`); timeouts and retransmissions for nothing are compared with those of two
kernels over a veth pair under the same rules. Packets are of MTU size in all of them, so that each is lost on its own.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import sqrt

import pytest

from halfopen.links.impairment import Impairment
from halfopen.links.interfaces import LinkSettings, add_veth, configure, set_offloads
from halfopen.links.namespaces import Namespace
from tests.interop.bulk import between_kernels, from_kernel, to_kernel
from tests.interop.judge import blemishes, kernel_counters, lose_inbound
from tests.interop.kernel_peer import digest
from tests.interop.world import NEEDS, PLAIN_TAP, TAP, World, kernel_namespace

pytestmark = [*NEEDS, pytest.mark.needs("nft"), pytest.mark.asyncio]

OCTETS = 60_000_000
SAMPLES = 3
"""Transfers of a kernel to itself."""
ONE_PERCENT = 10
LEFT, RIGHT = "198.51.100.1", "198.51.100.2"

SENDER = (
    "TcpRetransSegs",
    "TcpExtTCPTimeouts",
    "TcpExtTCPSpuriousRTOs",
    "TcpExtTCPDSACKRecv",
    "TcpExtTCPDSACKOfoRecv",
    "TcpExtTCPLostRetransmit",
)
"""What a sending kernel counts: how often it had to wait for its timer, and what it has sent for nothing."""

RECEIVER = ("TcpExtTCPDSACKOldSent", "TcpExtTCPDSACKOfoSent")
"""What a receiving kernel counts: what it was sent for nothing."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """What the kernels at both ends have counted over some transfers."""

    sender: dict[str, int]
    receiver: dict[str, int]


@contextmanager
def cable() -> Iterator[tuple[Namespace, Namespace]]:
    """Two kernels on a veth pair, as plain as a wire: no super-segments, no unfinished checksums."""
    with kernel_namespace() as left, kernel_namespace() as right:
        with left.enter():
            add_veth("v0", "v1", right.fileno())
        for namespace, name, address in ((left, "v0", LEFT), (right, "v1", RIGHT)):
            with namespace.enter():
                configure(name, LinkSettings(addresses=(f"{address}/24",), txqueuelen=1000, ipv6=False))
                set_offloads(name, False)
        yield left, right


@pytest.fixture(scope="module")
def kernel_with_itself() -> Account:
    with cable() as (left, right):
        lose_inbound(left, "v0", ONE_PERCENT)
        lose_inbound(right, "v1", ONE_PERCENT)
        for _ in range(SAMPLES):
            assert between_kernels(left, right, LEFT, OCTETS).sha256 == digest(OCTETS)
        return Account(sender=kernel_counters(left), receiver=kernel_counters(right))


def no_more(counters: dict[str, int], itself: dict[str, int], names: tuple[str, ...]) -> dict[str, tuple[int, float]]:
    """Those of ``names`` that are higher after one transfer than chance allows, with a kernel's mean with itself.

    Counts of rare and independent events (Poisson): four standard deviations of the difference.
    """
    found = {name: (counters[name], itself[name] / SAMPLES) for name in names}
    return {
        name: (ours, mean)
        for name, (ours, mean) in found.items()
        if ours > mean + 4 * sqrt((mean + 1) * (1 + 1 / SAMPLES))
    }


LOSSY = replace(PLAIN_TAP, record=False, inbound=Impairment(loss=0.01))


@pytest.mark.parametrize("wire", [LOSSY], ids=str, indirect=True)
async def test_the_kernel_sends_to_us_as_well_as_to_itself(world: World, kernel_with_itself: Account) -> None:
    lose_inbound(world.wire.namespace, world.wire.name, ONE_PERCENT)
    transfer = await from_kernel(world, OCTETS)
    assert transfer.sha256 == digest(OCTETS)
    counters = world.kernel.counters()
    assert counters["TcpRetransSegs"] > 200
    assert no_more(counters, kernel_with_itself.sender, SENDER) == {}
    assert blemishes(counters) == {}


@pytest.mark.parametrize("wire", [LOSSY], ids=str, indirect=True)
async def test_we_send_to_the_kernel_as_well_as_itself(world: World, kernel_with_itself: Account) -> None:
    lose_inbound(world.wire.namespace, world.wire.name, ONE_PERCENT)
    transfer = await to_kernel(world, OCTETS)
    assert transfer.sha256 == digest(OCTETS)
    counters = world.kernel.counters()
    assert counters["TcpExtTCPOFOQueue"] > 200
    assert no_more(counters, kernel_with_itself.receiver, RECEIVER) == {}
    assert blemishes(counters) == {}


@pytest.mark.parametrize("wire", [replace(TAP, inbound=Impairment(loss=0.01))], ids=str, indirect=True)
async def test_super_segments_that_are_lost_whole_are_made_up_for(world: World) -> None:
    """A drop at the device takes up to 64 KB of ours at once."""
    lose_inbound(world.wire.namespace, world.wire.name, ONE_PERCENT)
    for transfer in (await from_kernel(world, 10_000_000), await to_kernel(world, 10_000_000)):
        assert transfer.sha256 == digest(10_000_000)
    counters = world.kernel.counters()
    assert counters["TcpRetransSegs"] > 20
    assert blemishes(counters) == {}

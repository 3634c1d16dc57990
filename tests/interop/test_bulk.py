"""Large transfers: every octet arrives, and the kernel has nothing to complain about."""

from dataclasses import replace

import pytest

from halfopen.base.clock import MILLISECOND
from halfopen.links.impairment import Impairment
from tests.interop.bulk import Transfer, from_kernel, to_kernel
from tests.interop.kernel_peer import digest
from tests.interop.world import MEDIA, NEEDS, VETH, World, with_loss

pytestmark = [*NEEDS, pytest.mark.asyncio]

GIGABYTE = 1_000_000_000
HUNDRED = 100_000_000
UNRECORDED = [replace(medium, record=False) for medium in MEDIA + VETH]

on_tap = pytest.mark.parametrize("wire", UNRECORDED[:1], ids=str, indirect=True)
on_each = pytest.mark.parametrize("wire", UNRECORDED, ids=str, indirect=True)
in_either_role = pytest.mark.parametrize("we_listen", [True, False], ids=["passive", "active"])


def check(transfer: Transfer, octets: int) -> None:
    assert transfer.octets == octets
    assert transfer.sha256 == digest(octets)
    print(f"{transfer.megabytes_per_second:.0f} MB/s")


@on_tap
async def test_a_gigabyte_arrives_from_the_kernel(world: World) -> None:
    check(await from_kernel(world, GIGABYTE), GIGABYTE)


@on_tap
async def test_a_gigabyte_arrives_at_the_kernel(world: World) -> None:
    check(await to_kernel(world, GIGABYTE), GIGABYTE)


@in_either_role
@on_each
async def test_a_hundred_megabytes_arrive_from_the_kernel(world: World, we_listen: bool) -> None:
    check(await from_kernel(world, HUNDRED, we_listen=we_listen), HUNDRED)


@in_either_role
@on_each
async def test_a_hundred_megabytes_arrive_at_the_kernel(world: World, we_listen: bool) -> None:
    check(await to_kernel(world, HUNDRED, we_listen=we_listen), HUNDRED)
    # A machine that stalls for longer than a tail probe waits makes one needless.
    assert world.kernel.counters()["TcpExtTCPDSACKOldSent"] <= 2


BAD = Impairment(loss=0.05, delay=3 * MILLISECOND, jitter=1 * MILLISECOND, reorder=0.05, duplicate=0.01)


@pytest.mark.parametrize("wire", [with_loss(medium, BAD) for medium in MEDIA[:2]], ids=str, indirect=True)
async def test_everything_arrives_over_a_bad_network(world: World) -> None:
    """5 % of loss, reordering and duplication in both directions."""
    octets = 2_000_000
    check(await from_kernel(world, octets), octets)
    check(await to_kernel(world, octets), octets)
    lost = world.wire.link.counters
    assert lost["ImpairedInLost"] > 20
    assert lost["ImpairedOutReordered"] > 20


CORRUPT = with_loss(UNRECORDED[0], Impairment(corrupt=0.02, delay=1 * MILLISECOND))


@pytest.mark.parametrize("wire", [CORRUPT], ids=str, indirect=True)
async def test_corrupted_packets_are_dropped_and_the_stream_stays_whole(world: World) -> None:
    octets = 3_000_000
    check(await from_kernel(world, octets), octets)
    check(await to_kernel(world, octets), octets)
    assert world.stack.counters["InCsumErrors"] > 5
    assert world.kernel.counters()["TcpInCsumErrors"] > 5

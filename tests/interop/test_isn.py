"""nmap's own opinion of our initial sequence numbers, beside that of our meter on the same numbers."""

import asyncio
from xml.etree import ElementTree

import pytest

from halfopen.base.clock import Instant
from halfopen.capture.pcapng import Reader
from halfopen.lab.predictability import Sample, nmap_figures
from halfopen.sim.match import Passing
from halfopen.tcp.seqnum import wrap
from halfopen.wire.packet import Packet
from tests.interop.world import NEEDS, OURS, Wire, World, echo

pytestmark = [*NEEDS, pytest.mark.needs("nmap"), pytest.mark.asyncio]

OPEN, CLOSED = 80, 81
ALIKE = 2
"""By how much the two may differ: nmap notes when it meant to send, the capture when it was sent."""


async def test_nmap_finds_our_numbers_as_unpredictable_as_our_meter_does(world: World) -> None:
    server = await world.host.start_server(echo, OURS, OPEN)
    report = await fingerprint(world)
    server.close()
    await server.wait_closed()
    (sequence,) = report.iter("tcpsequence")
    figures = nmap_figures(samples(world.wire, sequence.attrib["values"]))
    assert abs(figures.sp - int(sequence.attrib["index"])) <= ALIKE
    assert figures.words == sequence.attrib["difficulty"] == "Good luck!"
    assert figures.sp >= 225


async def fingerprint(world: World) -> ElementTree.Element:
    """``nmap -O -v -oX``: one open port and one closed are what it needs."""
    command = ["nmap", "-n", "-Pn", "-O", "-v", "--max-os-tries", "1", "-p", f"{OPEN},{CLOSED}", "-oX", "-", OURS]
    output = await asyncio.to_thread(world.wire.namespace.run, command, timeout=100)
    return ElementTree.fromstring(output.stdout[output.stdout.index("<?xml") :])


def samples(wire: Wire, values: str) -> list[Sample]:
    """When the SYNs were sent that had these numbers for an answer: ``"A1B2C3D4,..."``."""
    asked: dict[tuple[int, int], Instant] = {}
    found: dict[int, Instant] = {}
    wire.segments()  # writes what is still to be written
    assert wire.capture is not None
    with wire.capture.open("rb") as file:
        for record in Reader(file):
            passing = Passing(Packet(record.octets), record.when, ("", ""), wire.link.network_offset)
            segment = passing.tcp
            if segment is not None and passing.flags == "S":
                asked[segment.source_port, segment.seq] = record.when
            elif segment is not None and passing.flags == "S.":
                found[segment.seq] = asked[segment.destination_port, wrap(segment.ack - 1)]
    return [Sample(found[int(value, 16)], int(value, 16)) for value in values.split(",")]

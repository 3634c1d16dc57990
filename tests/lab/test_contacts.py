import asyncio
from collections.abc import Iterator

import pytest

from halfopen.base.clock import MILLISECOND, SECOND
from halfopen.lab.contacts import ContactLog, Watcher
from halfopen.lab.crafting import make_segment, make_tcp, make_udp
from halfopen.lab.detectors import SCANNER, Contact, Psad, ThresholdRandomWalk
from halfopen.lab.scans import SCANS, Scanner, Timing
from halfopen.lab.scenario import Settings
from halfopen.lab.world import World, packed
from halfopen.sim.match import Passing
from halfopen.wire.tcp import Segment

PEER, HOST = bytes((192, 0, 2, 1)), bytes((198, 51, 100, 2))


class Wire:
    """A log and the segments between one peer and the host."""

    def __init__(self, log: ContactLog) -> None:
        self.log = log
        self.now = 0
        self.decided: list[Contact] = []

    def hears(self, flags: str, ack: int = 0, ports: tuple[int, int] = (40000, 80)) -> "Wire":
        return self._pass(PEER, HOST, make_segment(ports, flags, ack=ack), is_sent=False)

    def says(self, flags: str, seq: int = 0, ports: tuple[int, int] = (40000, 80)) -> "Wire":
        return self._pass(HOST, PEER, make_segment(ports[::-1], flags, seq=seq), is_sent=True)

    def _pass(self, source: bytes, destination: bytes, segment: Segment, *, is_sent: bool) -> "Wire":
        self.now += MILLISECOND
        packet = make_tcp(source, destination, segment)
        self.decided += self.log.on_segment(self.now, Passing(packet, self.now, ("", ""), 0), is_sent=is_sent)
        return self

    def waits(self, duration: int = SECOND) -> "Wire":
        self.now += duration
        self.decided += self.log.lapse(self.now)
        return self

    @property
    def outcomes(self) -> list[tuple[int, bool, bool]]:
        return [(each.port, each.succeeded, each.is_validated) for each in self.decided]


@pytest.fixture
def wire() -> Wire:
    return Wire(ContactLog())


def test_a_completed_handshake_is_a_validated_success(wire: Wire) -> None:
    assert wire.hears("S").says("S.", seq=7).hears(".", ack=8).outcomes == [(80, True, True)]


def test_an_ack_of_another_number_completes_nothing(wire: Wire) -> None:
    assert wire.hears("S").says("S.", seq=7).hears(".", ack=9).outcomes == []


def test_a_refusal_is_a_failure_at_once_and_proves_nothing(wire: Wire) -> None:
    assert wire.hears("S").says("R.").outcomes == [(80, False, False)]
    assert wire.decided[0].when == 2 * MILLISECOND


def test_a_half_open_scan_is_a_success_that_proves_nothing(wire: Wire) -> None:
    assert wire.hears("S").says("S.", seq=7).hears("R").outcomes == [(80, True, False)]


def test_silence_is_a_failure_after_some_patience(wire: Wire) -> None:
    assert wire.hears("F").waits(SECOND - MILLISECOND).outcomes == []
    assert wire.waits(MILLISECOND).outcomes == [(80, False, False)]


def test_a_synack_that_nobody_ever_acknowledges_is_a_success_that_proves_nothing(wire: Wire) -> None:
    assert wire.hears("S").says("S.", seq=7).waits().outcomes == [(80, True, False)]


def test_a_repeated_syn_is_the_same_attempt(wire: Wire) -> None:
    assert wire.hears("S").hears("S").says("R.").outcomes == [(80, False, False)]


def test_what_a_connection_says_later_is_no_attempt(wire: Wire) -> None:
    wire.hears("S").says("S.", seq=7).hears(".", ack=8).hears("P.", ack=8).says(".").hears("F.", ack=8).waits()
    assert len(wire.decided) == 1


def test_a_port_may_be_used_again_after_the_connection(wire: Wire) -> None:
    handshake = wire.hears("S").says("S.", seq=7).hears(".", ack=8)
    assert len(handshake.hears("R").hears("S").says("R.").decided) == 2
    again = wire.hears("S").says("S.", seq=7).hears(".", ack=8).says("R")
    assert len(again.hears(".").says("R").decided) == 4


def test_what_the_host_itself_begins_is_nobodys_attempt(wire: Wire) -> None:
    assert wire.says("S").hears("S.").says(".").hears("P.").waits().outcomes == []


def test_a_stray_reset_is_no_attempt(wire: Wire) -> None:
    assert wire.hears("R").waits().outcomes == []


def test_other_protocols_are_none_of_its_business(wire: Wire) -> None:
    packet = make_udp((PEER, HOST), (53, 53), b"")
    assert wire.log.on_segment(1, Passing(packet, 1, ("", ""), 0), is_sent=False) == []


def test_who_has_once_completed_a_handshake_is_believed_later(wire: Wire) -> None:
    wire.hears("S").says("S.", seq=7).hears(".", ack=8)
    assert wire.hears("S", ports=(40001, 81)).says("R.", ports=(40001, 81)).outcomes[1] == (81, False, True)


def test_or_only_for_that_contact_if_asked_for() -> None:
    wire = Wire(ContactLog(by_contact=True))
    wire.hears("S").says("S.", seq=7).hears(".", ack=8)
    assert wire.hears("S", ports=(40001, 81)).says("R.", ports=(40001, 81)).outcomes == [
        (80, True, True),
        (81, False, False),
    ]


def test_what_a_tarpit_answers_is_nobody_but_proves_who_asked() -> None:
    wire = Wire(ContactLog({80}, by_contact=True))
    ports = (40001, 81)
    assert wire.hears("S", ports=ports).says("S.", 7, ports).hears(".", 8, ports).outcomes == [(81, False, True)]


@pytest.fixture
def world() -> Iterator[World]:
    with World(Settings(seed=1)) as world:
        yield world


@pytest.mark.parametrize(("name", "is_validated"), [("syn", False), ("connect", True), ("xmas", False)])
def test_a_watcher_finds_a_scan_in_the_segments_of_a_host(world: World, name: str, is_validated: bool) -> None:
    told: list[str] = []
    walk = ThresholdRandomWalk()
    watcher = Watcher(world.server, ContactLog(), [walk, Psad()], lambda name, finding: told.append(name))
    world.network.observe(watcher)

    async def story() -> None:
        await world.server.start_server(lambda reader, writer: writer.close(), None, 80)
        world.attacker.sniff()
        scanner = Scanner(world.attacker, packed(world.server), world.rng, Timing(parallel=1))
        await scanner.scan(SCANS[name], (80, *range(81, 90)))
        await asyncio.sleep(2)

    world.run(story())
    watcher.finish(world.server.pump.now())
    assert len({contact.port for contact in watcher.contacts}) == 10
    assert all(contact.source == world.attacker.address for contact in watcher.contacts)
    assert watcher.contacts[-1].is_validated == is_validated
    assert [finding.verdict for finding in watcher.findings["trw"]] == [SCANNER]
    assert sorted(told) == ["psad", "trw"]

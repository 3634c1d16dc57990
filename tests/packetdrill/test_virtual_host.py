import pytest

from halfopen.base.addresses import parse_address
from halfopen.base.clock import NEVER, SECOND, Instant
from halfopen.base.errors import SimulationError
from halfopen.packetdrill.captured import capture, segment_of
from halfopen.packetdrill.profiles import FREEBSD, LINUX, Profile
from halfopen.packetdrill.settings import Settings
from halfopen.packetdrill.virtual_host import EPOCH, VirtualHost
from halfopen.stack.ports import Owner

REMOTE = parse_address("192.0.2.1")


def connecting(profile: Profile = LINUX) -> VirtualHost:
    host = VirtualHost(Settings(), profile)
    host.stack.tcp.connect((REMOTE, 80), Owner("test"), host.now)
    return host


def test_what_the_stack_says_leaves_at_the_instant_at_which_it_says_it() -> None:
    host = connecting()
    host.settle()
    (emitted,) = host.output
    (captured,) = capture(emitted)
    assert (emitted.when, captured.destination, segment_of(captured).ports[1]) == (EPOCH, REMOTE, 80)


def test_time_goes_on_to_the_next_deadline() -> None:
    host = connecting()
    host.settle()
    assert host.step(EPOCH + 10 * SECOND)
    assert host.now == EPOCH + SECOND
    assert [emitted.when for emitted in host.output] == [EPOCH, EPOCH + SECOND]


def test_time_does_not_go_beyond_what_was_asked_for() -> None:
    host = connecting()
    host.settle()
    assert not host.step(EPOCH + SECOND // 2)
    assert host.now == EPOCH


def test_where_nothing_is_due_time_stands_still_for_ever() -> None:
    host = VirtualHost(Settings(), LINUX)
    host.settle()
    assert not host.step(NEVER)
    assert host.now == EPOCH


def test_who_attends_is_called_when_he_wants_to_be() -> None:
    host = VirtualHost(Settings(), LINUX)
    called: list[Instant] = []

    def attend() -> Instant:
        called.append(host.now)
        return EPOCH + SECOND if host.now == EPOCH else NEVER

    host.attend = attend
    host.settle()
    host.step(EPOCH + 2 * SECOND)
    assert called == [EPOCH, EPOCH + SECOND]


def test_who_never_rests_is_found_out() -> None:
    host = VirtualHost(Settings(), LINUX)
    host.attend = host.clock
    with pytest.raises(SimulationError, match="rest"):
        host.settle()


def test_a_device_that_drops_sends_nothing() -> None:
    host = connecting()
    host.set_device(drops=True, offloads=True)
    host.settle()
    assert not host.output


@pytest.mark.parametrize(("profile", "octets"), [(LINUX, 65535), (FREEBSD, 0)])
def test_the_device_takes_super_segments_as_the_profile_has_it(profile: Profile, octets: int) -> None:
    host = VirtualHost(Settings(), profile)
    (interface,) = host.stack.interfaces
    assert interface.offloads.gso_octets == octets


def test_offloads_can_be_switched_off_and_on() -> None:
    host = VirtualHost(Settings(), LINUX)
    (interface,) = host.stack.interfaces
    host.set_device(drops=False, offloads=False)
    assert interface.offloads.gso_octets == 0
    host.set_device(drops=False, offloads=True)
    assert interface.offloads.gso_octets == 65535

import pytest

from halfopen.base.clock import MINUTE, NEVER, SECOND
from halfopen.base.errors import ConfigError
from halfopen.stack.config import IpConfig
from halfopen.stack.path_mtu import PLATEAUS, PathMtus, next_plateau
from tests.stack.world import FAR, OTHER, PEER


def test_nothing_is_known_of_a_stranger() -> None:
    assert PathMtus(IpConfig()).get(FAR, 0) is None


@pytest.mark.rfc("1191", "1191.5")
def test_an_estimate_is_kept_by_destination_and_only_falls() -> None:
    known = PathMtus(IpConfig())
    assert known.learn(FAR, 1400, 0)
    assert not known.learn(FAR, 1450, 0)
    assert not known.learn(FAR, 1400, 0)
    assert known.learn(FAR, 1300, 0)
    assert known.get(FAR, 0) == 1300
    assert known.get(OTHER, 0) is None


@pytest.mark.rfc("1191", "1191.2")
@pytest.mark.parametrize(("floor", "mtu", "result"), [(552, 100, 552), (552, 0, 552), (68, 20, 68), (68, 300, 300)])
def test_an_estimate_is_never_below_the_floor(floor: int, mtu: int, result: int) -> None:
    known = PathMtus(IpConfig(pmtu_min=floor))
    known.learn(FAR, mtu, 0)
    assert known.get(FAR, 0) == result


def test_a_floor_below_68_is_refused() -> None:
    with pytest.raises(ConfigError, match="68"):
        IpConfig(pmtu_min=67)


@pytest.mark.rfc("1191", "1191.3")
def test_an_estimate_is_forgotten_after_ten_minutes() -> None:
    known = PathMtus(IpConfig())
    known.learn(FAR, 1400, 0)
    known.learn(PEER, 1400, SECOND)
    assert known.next_deadline() == 10 * MINUTE
    assert not known.on_deadline(10 * MINUTE - 1)
    assert known.get(FAR, 10 * MINUTE) is None
    assert known.on_deadline(10 * MINUTE)
    assert known.next_deadline() == 10 * MINUTE + SECOND
    assert known.on_deadline(10 * MINUTE + SECOND)
    assert known.next_deadline() == NEVER


def test_a_fresh_estimate_counts_from_its_own_time() -> None:
    known = PathMtus(IpConfig())
    known.learn(FAR, 1400, 0)
    known.learn(PEER, 1400, SECOND)
    known.learn(FAR, 1300, 2 * SECOND)
    assert known.next_deadline() == 10 * MINUTE + SECOND


def test_the_cache_is_bounded_and_the_oldest_goes() -> None:
    known = PathMtus(IpConfig(pmtu_entries=2))
    for destination in (FAR, PEER, OTHER):
        known.learn(destination, 1400, 0)
    assert len(known) == 2
    assert known.get(FAR, 0) is None


@pytest.mark.rfc("1191", "1191.1")
def test_plateaus_fall_strictly_and_end_at_68() -> None:
    octets = 70000
    steps = []
    while octets > 68:
        octets = next_plateau(octets)
        steps.append(octets)
    assert tuple(steps) == PLATEAUS
    assert next_plateau(1500) == 1492
    assert next_plateau(68) == 68

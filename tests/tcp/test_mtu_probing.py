"""Path MTU black holes (RFC 4821 7.7)."""

import pytest

from halfopen.base.clock import SECOND
from halfopen.base.errors import ConfigError
from halfopen.tcp.config import OptionsConfig, TcpConfig, TimeoutConfig
from halfopen.tcp.mtu_search import MtuSearchConfig
from halfopen.testing.exchange import Exchange, Setting


def sizes(search: MtuSearchConfig, mss: int = 1460, least: int = 48) -> list[int]:
    """Those that one full segment is sent again in, in the first 30 seconds."""
    options = OptionsConfig(timestamps=False, least_mss=least)
    config = TcpConfig(options=options, timeouts=TimeoutConfig(mtu_search=search))
    exchange = Exchange.established(Setting(config=config), options=f"mss {mss}")
    exchange.user.sends(mss)
    exchange.peer.ignores()
    exchange.after(30 * SECOND)
    return list(dict.fromkeys(seen.segment.octets for seen in exchange.peer.ignores()))


@pytest.mark.rfc("4821", "4821.4", "4821.5")
def test_segments_that_time_out_again_and_again_get_smaller() -> None:
    assert sizes(MtuSearchConfig(mode=1))[:3] == [1460, 1024, 512]


@pytest.mark.rfc("4821", "4821.5")
@pytest.mark.parametrize(("floor", "least"), [(400, 48), (48, 400)])
def test_there_is_a_smallest_size(floor: int, least: int) -> None:
    assert sizes(MtuSearchConfig(mode=1, floor=floor), least=least) == [1460, 1024, 512, 400]


def test_a_segment_below_the_smallest_size_stays() -> None:
    assert sizes(MtuSearchConfig(mode=1, floor=600), mss=600) == [600]


def test_it_has_to_be_wanted() -> None:
    assert sizes(MtuSearchConfig()) == [1460]


@pytest.mark.parametrize("wrong", [{"mode": 3}, {"base_mss": 0}, {"floor": 0}])
def test_what_makes_no_sense_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="mode is 0 to 2"):
        MtuSearchConfig(**wrong)


def bsd_sizes(stages: str, octets: int = 1460, mss: int = 1460) -> list[int]:
    """In which ``octets`` are sent again, each time the timer expires."""
    timeouts = TimeoutConfig(mtu_search=MtuSearchConfig(stages=stages))
    config = TcpConfig(options=OptionsConfig(timestamps=False, sack=False), timeouts=timeouts)
    exchange = Exchange.established(Setting(config=config), options=f"mss {mss}")
    exchange.user.sends(octets)
    exchange.peer.ignores()
    exchange.after(60 * SECOND)
    return [seen.segment.octets for seen in exchange.peer.ignores()][:7]


@pytest.mark.parametrize("stages", ["both", "ipv4"])
def test_freebsd_tries_two_sizes_twice_and_gives_up_the_idea(stages: str) -> None:
    assert bsd_sizes(stages) == [1460, 1200, 1200, 536, 536, 1460, 1460]


def test_the_other_version_of_ip_may_be_meant() -> None:
    assert bsd_sizes("ipv6") == [1460] * 7


def test_small_segments_get_no_smaller() -> None:
    assert bsd_sizes("both", octets=500) == [500] * 7


def test_who_is_closing_is_not_in_a_black_hole() -> None:
    timeouts = TimeoutConfig(mtu_search=MtuSearchConfig(stages="both"))
    exchange = Exchange.established(Setting(config=TcpConfig(timeouts=timeouts)), options="mss 1460")
    exchange.peer.sends("F. 1:1(0) ack 1")
    exchange.user.sends(1460)
    exchange.user.shuts_down()
    exchange.peer.ignores()
    exchange.after(5 * SECOND)
    assert {seen.segment.octets for seen in exchange.peer.ignores()} == {1460}

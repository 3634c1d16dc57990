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
    assert sizes(MtuSearchConfig(mode=2, floor=floor), least=least) == [1460, 1024, 512, 400]


def test_a_segment_below_the_smallest_size_stays() -> None:
    assert sizes(MtuSearchConfig(mode=1, floor=600), mss=600) == [600]


def test_it_has_to_be_wanted() -> None:
    assert sizes(MtuSearchConfig()) == [1460]


@pytest.mark.parametrize("wrong", [{"mode": 3}, {"base_mss": 0}, {"floor": 0}])
def test_what_makes_no_sense_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="mode is 0 to 2"):
        MtuSearchConfig(**wrong)

"""Networks that people know, in netem's words: each is what one direction of a link does."""

from collections.abc import Mapping
from types import MappingProxyType

from halfopen.base.errors import ConfigError
from halfopen.base.netem import parse

PROFILES: Mapping[str, str] = MappingProxyType(
    {
        "3g": "delay 75ms 15ms loss 0.5% rate 1600kbit limit 100",
        "4g": "delay 25ms 5ms loss 0.2% rate 12mbit limit 300",
        "5g": "delay 10ms 2ms loss 0.1% rate 100mbit limit 1000",
        "cable": "delay 12ms 2ms rate 50mbit limit 500",
        "congested": "delay 40ms 10ms loss 3% rate 2mbit limit 50",
        "datacenter": "delay 50us rate 10gbit limit 1000",
        "dsl": "delay 15ms rate 16mbit limit 200",
        "edge": "delay 200ms 50ms loss 1% rate 240kbit limit 30",
        "fiber": "delay 3ms rate 1gbit limit 1000",
        "flaky-wifi": "delay 5ms 4ms loss 4% duplicate 0.5% rate 20mbit limit 100",
        "intercontinental": "delay 75ms rate 1gbit limit 5000",
        "lan": "delay 100us rate 1gbit limit 1000",
        "lossy-1%": "delay 10ms loss 1%",
        "lossy-5%": "delay 10ms loss 5%",
        "lossy-20%": "delay 10ms loss 20%",
        "reordering": "delay 20ms reorder 10%",
        "satellite": "delay 300ms 5ms loss 0.5% rate 10mbit limit 500",
        "slow": "delay 50ms rate 64kbit limit 20",
        "wifi": "delay 2ms 1ms loss 0.1% rate 100mbit limit 200",
    }
)
"""Orders of magnitude as they are met, not measurements: each direction of a link, so that the delay is half an RTT."""


def words_of(text: str) -> str:
    """Netem's words for a profile's name; words of netem's are what they are. ConfigError if it is neither."""
    if text in PROFILES:
        return PROFILES[text]
    try:
        parse(text)
    except ValueError as error:
        hint = "" if " " in text.strip() else f"; nor is {text!r} a profile: there are {', '.join(PROFILES)}"
        raise ConfigError(f"{error}{hint}") from None
    return text

"""Choices about Fast Open."""

import pytest

from halfopen.base.clock import MILLISECOND
from halfopen.base.errors import ConfigError
from halfopen.tcp.fast_open_config import FastOpenConfig


def test_nobody_gets_text_twice_who_did_not_want_it() -> None:
    config = FastOpenConfig()
    assert (config.connect, config.server, config.sends_no_cookie, config.needs_no_cookie) == (False,) * 4


def test_a_syn_does_not_wait_for_text_for_ever() -> None:
    assert FastOpenConfig().manner.patience == 10 * MILLISECOND


def test_keys_have_sixteen_octets() -> None:
    assert FastOpenConfig(keys=(bytes(16), bytes(16))).keys == (bytes(16), bytes(16))
    with pytest.raises(ConfigError, match="16 octets"):
        FastOpenConfig(keys=(bytes(16), bytes(15)))


def test_a_backlog_is_not_negative() -> None:
    assert FastOpenConfig(backlog=0).backlog == 0
    with pytest.raises(ConfigError, match="-1"):
        FastOpenConfig(backlog=-1)

from dataclasses import replace

import pytest

from halfopen.base.errors import ConfigError
from halfopen.stack.config import StackConfig
from halfopen.stack.linux_sysctls import LINUX_TABLE
from halfopen.stack.sysctl import defaults, numbers, read, switch, whole, write


def test_what_is_written_is_read_and_nothing_else_changes() -> None:
    config = write(LINUX_TABLE, StackConfig(), "net/ipv4/tcp_sack", 0)
    assert read(LINUX_TABLE, config, "net.ipv4.tcp_sack") == 0
    options = replace(config.tcp.options, sack=True)
    assert replace(config, tcp=replace(config.tcp, options=options)) == StackConfig()


def test_a_name_that_is_nearly_right_is_suggested() -> None:
    with pytest.raises(ConfigError, match=r"did you mean 'net\.ipv4\.tcp_sack'"):
        read(LINUX_TABLE, StackConfig(), "net.ipv4.tcp_sak")


@pytest.mark.parametrize(("name", "value"), [("net.ipv4.tcp_sack", "2"), ("net.ipv4.tcp_rmem", "3 2 1")])
def test_a_value_that_cannot_be_meant_is_refused(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match="expected"):
        write(LINUX_TABLE, StackConfig(), name, value)


def test_kinds_read_what_they_write() -> None:
    assert whole(unit=1000).read(whole(unit=1000).write("5", 0)) == 5
    assert switch(0, 1).write("0", False) is True
    assert switch(0, 1).read(True) == 0
    assert numbers("1 2 3", "a, b, c") == [1, 2, 3]


def test_defaults_are_names_and_values_between_blanks() -> None:
    assert defaults("net.x.", " a=1\n b=2,3 c=") == {"net.x.a": "1", "net.x.b": "2,3", "net.x.c": ""}

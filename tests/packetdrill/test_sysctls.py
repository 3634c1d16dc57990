from dataclasses import replace

import pytest

from halfopen.base.clock import MILLISECOND, SECOND
from halfopen.base.errors import ConfigError
from halfopen.packetdrill.freebsd_sysctls import FREEBSD_KEPT, FREEBSD_TABLE
from halfopen.packetdrill.linux_sysctls import LINUX_KEPT, LINUX_TABLE, SCRIPT_DEFAULTS
from halfopen.packetdrill.sysctls import UnknownSysctl
from tests.packetdrill.hosts import Host

EVERY = [("linux", name) for name in LINUX_TABLE] + [("freebsd", name) for name in FREEBSD_TABLE]


@pytest.mark.parametrize(("profile", "name"), EVERY)
def test_what_is_read_can_be_written_and_changes_nothing(profile: str, name: str) -> None:
    host = Host(profile)
    before = host.stack.config
    host.sysctls.write(name, host.sysctls.read(name).replace("\t", " "))
    assert host.stack.config.tcp_layer == before.tcp_layer
    assert replace(host.stack.config.tcp, security=before.tcp.security) == before.tcp


@pytest.mark.parametrize(("profile", "kept"), [("linux", LINUX_KEPT), ("freebsd", FREEBSD_KEPT)])
def test_what_means_nothing_here_is_kept(profile: str, kept: dict[str, str]) -> None:
    host = Host(profile)
    for name in kept:
        host.sysctls.write(name, "42")
        assert host.sysctls.read(name) == "42"


def test_a_name_nobody_knows_is_no_sysctl() -> None:
    host = Host()
    with pytest.raises(UnknownSysctl):
        host.sysctls.write("net.ipv4.tcp_no_such_thing", "1")
    with pytest.raises(UnknownSysctl):
        host.sysctls.read("net.inet.tcp.sack.enable")


def test_a_value_that_cannot_be_meant_is_refused() -> None:
    with pytest.raises(ConfigError, match="cannot be"):
        Host("freebsd").sysctls.write("net.inet.tcp.rfc1323", "4")


def test_the_defaults_of_the_suites_are_all_known() -> None:
    host = Host()
    for name, value in SCRIPT_DEFAULTS.items():
        host.sysctls.write(name, value)
    assert host.stack.config.tcp.buffers.receive_initial == 540000


@pytest.mark.parametrize(
    ("value", "scaling", "timestamps"), [("0", False, False), ("1", True, True), ("2", True, False), ("3", False, True)]
)
def test_rfc1323_is_two_switches(value: str, scaling: bool, timestamps: bool) -> None:
    host = Host("freebsd")
    host.sysctls.write("net.inet.tcp.rfc1323", value)
    options = host.stack.config.tcp.options
    assert (options.window_scaling, options.timestamps) == (scaling, timestamps)
    assert host.sysctls.read("net.inet.tcp.rfc1323") == value


def test_insecure_rules_are_taken_back_one_by_one() -> None:
    host = Host("freebsd")
    host.sysctls.write("net.inet.tcp.insecure_rst", "1")
    security = host.stack.config.tcp.security
    assert security.lapsed == {"rst"}
    host.sysctls.write("net.inet.tcp.insecure_rst", "0")
    assert not host.stack.config.tcp.security.lapsed


def test_no_delayed_ack_and_its_time_are_two_sysctls() -> None:
    host = Host("freebsd")
    host.sysctls.write("net.inet.tcp.delacktime", "100")
    host.sysctls.write("net.inet.tcp.delayed_ack", "1")
    assert host.stack.config.tcp.acks.delay == 100 * MILLISECOND
    host.sysctls.write("net.inet.tcp.delayed_ack", "0")
    assert host.stack.config.tcp.acks.delay == 0


def test_connections_hear_of_what_is_set_unless_they_have_chosen_for_themselves() -> None:
    host = Host()
    socket = host.connects()
    host.sysctls.write("net.ipv4.tcp_fin_timeout", "5")
    assert socket.config.closing.fin_wait_2 == 5 * SECOND
    socket.configure(replace(socket.config, closing=replace(socket.config.closing, fin_wait_2=7 * SECOND)))
    host.sysctls.write("net.ipv4.tcp_fin_timeout", "9")
    assert socket.config.closing.fin_wait_2 == 7 * SECOND


def test_what_a_socket_takes_when_it_is_made_stays_its_own() -> None:
    host = Host()
    socket = host.connects()
    host.sysctls.write("net.ipv4.tcp_sack", "0")
    assert socket.config.options.sack
    assert not host.stack.config.tcp.options.sack


def test_who_watches_a_sysctl_hears_of_its_values() -> None:
    host = Host()
    heard: list[str] = []
    host.sysctls.watch("net.ipv4.tcp_stdurg", heard.append)
    host.sysctls.write("net/ipv4/tcp_stdurg", "0")
    assert heard == ["0"]

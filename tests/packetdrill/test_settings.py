import pytest

from halfopen.base.addresses import parse_address
from halfopen.base.clock import MICROSECOND
from halfopen.packetdrill.errors import ScriptError
from halfopen.packetdrill.parser import parse
from halfopen.packetdrill.profiles import LINUX
from halfopen.packetdrill.settings import RunOptions, Settings, settings_of


def settings(*lines: str, ip_version: str | None = None, **overrides: str) -> Settings:
    script = parse("\n".join([*lines, "0 close(3) = 0"]), "test.pkt", {})
    return settings_of(script, RunOptions(profile=LINUX, ip_version=ip_version, overrides=overrides))


def test_without_options_all_is_as_in_the_standard_runs() -> None:
    plain = settings()
    assert (plain.addressing.local, plain.addressing.remote) == (
        parse_address("192.168.0.1"),
        parse_address("192.0.2.1"),
    )
    assert (plain.mtu, plain.mss, plain.tolerance, plain.addressing.bind_port) == (1500, 0, 4000 * MICROSECOND, 8080)


def test_ipv6_has_an_mtu_that_leaves_the_mss_as_it_is() -> None:
    assert settings(ip_version="ipv6").mtu == 1520


def test_mapped_sockets_are_ipv6_and_packets_are_not() -> None:
    addressing = settings("--ip_version=ipv4-mapped-ipv6").addressing
    assert (addressing.has_ipv6_sockets, addressing.is_ipv6) == (True, False)
    assert addressing.as_socket_address(addressing.local) == parse_address("::ffff:192.168.0.1")


def test_the_command_line_has_the_last_word() -> None:
    assert settings("--mtu=1400", mtu="9000").mtu == 9000


def test_the_options_of_a_script_count() -> None:
    chosen = settings(
        "--tolerance_usecs=10000",
        "--tcp_ts_tick_usecs=1000",
        "--tcp_ts_ecr_scaled",
        "--strict_segments",
        "--mss=1000",
        "--non_fatal=packet,syscall",
        "--local_ip=192.168.7.1",
        "--bind_port=9090",
    )
    assert (chosen.tolerance, chosen.timestamp_tick) == (10_000 * MICROSECOND, 1000 * MICROSECOND)
    assert (chosen.scales_ecr, chosen.strict_segments, chosen.mss) == (True, True, 1000)
    assert chosen.non_fatal == {"packet", "syscall"}
    assert (chosen.addressing.local, chosen.addressing.bind_port) == (parse_address("192.168.7.1"), 9090)


def test_addresses_of_the_other_version_are_left_aside() -> None:
    addressing = settings("--local_ip=192.168.7.1", ip_version="ipv6").addressing
    assert addressing.local == parse_address("fd3d:a0b:17d6::1")


def test_a_mask_is_a_prefix() -> None:
    assert settings("--netmask_ip=255.255.255.0").addressing.prefix_length == 24


def test_options_of_no_consequence_are_taken() -> None:
    assert settings("--code_command=python3", "--verbose") == settings()


@pytest.mark.parametrize(
    "line", ["--mtu=large", "--mtu", "--ip_version=ipv5", "--netmask_ip=255.0.255.0", "--nonsense"]
)
def test_what_cannot_be_meant_is_refused_where_it_stands(line: str) -> None:
    with pytest.raises(ScriptError) as refused:
        settings("--mss=1000", line)
    assert refused.value.position.line == 2


def test_the_tolerance_grows_with_the_distance() -> None:
    assert Settings().allowance(80_000 * MICROSECOND) == 10_000 * MICROSECOND

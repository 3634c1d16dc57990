from dataclasses import replace

import pytest

from halfopen.base.clock import MILLISECOND, SECOND
from halfopen.base.errors import ConfigError
from halfopen.sim.network import Network
from halfopen.sim.sysctl import LINUX, Value, read, sysctl_names, write
from halfopen.stack.config import StackConfig
from halfopen.tcp.config import Ecn

NAMES = [line.split()[0] for line in sysctl_names().splitlines()]


def test_a_simulated_host_gives_up_a_syn_as_soon_as_linux_and_is_our_default_otherwise() -> None:
    retransmission = replace(LINUX.tcp.retransmission, syn_retries=StackConfig().tcp.retransmission.syn_retries)
    assert LINUX.tcp.retransmission.syn_retries == 6
    assert replace(LINUX, tcp=replace(LINUX.tcp, retransmission=retransmission)) == StackConfig()
    with Network() as network:
        assert replace(network.host("a").stack.config, ndp=LINUX.ndp) == LINUX


@pytest.mark.parametrize("name", NAMES)
def test_what_is_read_can_be_written_and_changes_nothing(name: str) -> None:
    assert write(LINUX, name, read(LINUX, name)) == LINUX


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("net.core.somaxconn", 5),
        ("net.ipv4.conf.all.rp_filter", 1),
        ("net.ipv4.icmp_echo_ignore_all", 1),
        ("net.ipv4.icmp_echo_ignore_broadcasts", 0),
        ("net.ipv4.icmp_msgs_burst", 7),
        ("net.ipv4.icmp_msgs_per_sec", 10),
        ("net.ipv4.ip_forward", 1),
        ("net.ipv4.ip_local_port_range", "32768 60999"),
        ("net.ipv4.ip_local_reserved_ports", "8080,9148"),
        ("net.ipv4.neigh.default.retrans_time_ms", 250),
        ("net.ipv4.route.min_pmtu", 600),
        ("net.ipv4.tcp_congestion_control", "reno"),
        ("net.ipv4.tcp_early_retrans", 0),
        ("net.ipv4.tcp_ecn", 1),
        ("net.ipv4.tcp_fin_timeout", 30),
        ("net.ipv4.tcp_keepalive_intvl", 5),
        ("net.ipv4.tcp_keepalive_probes", 3),
        ("net.ipv4.tcp_keepalive_time", 10),
        ("net.ipv4.tcp_max_syn_backlog", 2),
        ("net.ipv4.tcp_max_tw_buckets", 0),
        ("net.ipv4.tcp_notsent_lowat", 16384),
        ("net.ipv4.tcp_orphan_retries", 3),
        ("net.ipv4.tcp_recovery", 0),
        ("net.ipv4.tcp_retries2", 8),
        ("net.ipv4.tcp_rmem", "4096 65536 1000000"),
        ("net.ipv4.tcp_rto_min_us", 5000),
        ("net.ipv4.tcp_sack", 0),
        ("net.ipv4.tcp_slow_start_after_idle", 0),
        ("net.ipv4.tcp_syn_retries", 2),
        ("net.ipv4.tcp_synack_retries", 2),
        ("net.ipv4.tcp_timestamps", 0),
        ("net.ipv4.tcp_window_scaling", 0),
        ("net.ipv4.tcp_wmem", "4096 16384 65536"),
    ],
)
def test_what_was_written_is_read(name: str, value: Value) -> None:
    assert read(LINUX, name) != value
    assert read(write(LINUX, name, value), name) == value
    assert read(write(LINUX, name, str(value)), name) == value


def test_fields_mean_what_linux_means() -> None:
    config = LINUX
    for name, value in {
        "tcp_keepalive_time": 10,
        "tcp_rmem": "4096\t87380\t500000",
        "icmp_echo_ignore_all": 1,
        "tcp_ecn": 1,
        "icmp_msgs_per_sec": 100,
        "tcp_rto_max_ms": 30_000,
        "tcp_orphan_retries": 0,
        "ip_local_reserved_ports": "8080, 9148-9150",
    }.items():
        config = write(config, f"net/ipv4/{name}", value)
    assert config.tcp.keep_alive.idle == 10 * SECOND
    assert (config.tcp.buffers.receive_initial, config.tcp.buffers.receive) == (87380, 500_000)
    assert not config.icmp.echo
    assert config.tcp.options.ecn is Ecn.ACTIVE
    assert config.icmp.error_interval == 10 * MILLISECOND
    assert config.tcp.retransmission.rto_max == 30 * SECOND
    assert config.tcp.retransmission.orphan_retries == 8
    assert config.ports.excluded == {8080, 9148, 9149, 9150}


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("net.ipv4.tcp_syn_retries", "many", "sysctl net.ipv4.tcp_syn_retries cannot be 'many': expected a number"),
        ("net.ipv4.tcp_syn_retries", 0, "cannot be 0: expected a number from 1 to 127"),
        ("net.ipv4.tcp_sack", 2, "expected 1 \\(on\\) or 0 \\(off\\)"),
        ("net.ipv4.tcp_ecn", 6, "expected 0 \\(never\\)"),
        ("net.ipv4.tcp_congestion_control", "vegas", "expected one of .*cubic, .*reno"),
        ("net.ipv4.tcp_rmem", "1 2", "expected 3 numbers: minimum, initial, maximum"),
        ("net.ipv4.tcp_rmem", "4096 9 5", "expected numbers that rise"),
        ("net.ipv4.ip_local_port_range", "5 70000", "within 1-65535"),
        ("net.ipv4.ip_local_reserved_ports", "9-5", "expected ports and ranges"),
        ("net.ipv4.route.min_pmtu", 60, "from 68"),
    ],
)
def test_a_value_that_cannot_be_meant_is_refused_by_name(name: str, value: Value, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        write(LINUX, name, value)


@pytest.mark.parametrize("name", ["net.ipv4.tcp_syn_retrys", "tcp_syn_retries", "net.ipv6.tcp_syn_retries"])
def test_a_wrong_name_is_answered_with_close_ones(name: str) -> None:
    with pytest.raises(ConfigError, match=r"did you mean 'net\.ipv4\.tcp_syn_retries'"):
        read(LINUX, name)


def test_a_name_like_no_other_gets_no_suggestion() -> None:
    with pytest.raises(ConfigError) as caught:
        read(LINUX, "kernel.hostname")
    assert str(caught.value) == "there is no sysctl 'kernel.hostname'"


def test_the_table_has_a_line_for_each_name_with_default_and_meaning() -> None:
    (line,) = (line for line in sysctl_names().splitlines() if "tcp_syn_retries" in line)
    assert line.split(maxsplit=2) == ["net.ipv4.tcp_syn_retries", "6", "retransmissions of a SYN"]
    assert sorted(NAMES) == NAMES

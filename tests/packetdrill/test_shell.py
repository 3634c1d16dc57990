import pytest

from halfopen.packetdrill.errors import Mismatch, Unsupported
from halfopen.packetdrill.shell_words import NotUnderstood, parse_shell
from halfopen.stack.ports import Owner
from tests.packetdrill.hosts import HERE, US, Host


def words(text: str) -> list[tuple[str, list[list[str]]]]:
    return [(each.joined_by, [command.words for command in each.commands]) for each in parse_shell(text)]


def test_a_line_is_pipelines_and_what_joins_them() -> None:
    assert words("a 'b c' | d && e; f || g") == [
        (";", [["a", "b c"], ["d"]]),
        ("&&", [["e"]]),
        (";", [["f"]]),
        ("||", [["g"]]),
    ]


def test_lines_comments_and_continuations() -> None:
    assert words("a \\\n b # c\n\nd") == [(";", [["a", "b"]]), (";", [["d"]])]


def test_standard_error_goes_nowhere_and_output_to_a_file() -> None:
    (pipeline,) = parse_shell("a b > f 2>&1")
    assert pipeline.commands[0].words == ["a", "b"]
    assert pipeline.commands[0].target == "f"
    assert words("a 2>/dev/null") == [(";", [["a"]])]


def test_a_two_that_does_not_touch_the_operator_is_a_word() -> None:
    (pipeline,) = parse_shell("echo 2 > f")
    assert (pipeline.commands[0].words, pipeline.commands[0].target) == (["echo", "2"], "f")
    assert words("a 2>> f; b 12>f; c 2") == [(";", [["a"]]), (";", [["b", "12"]]), (";", [["c", "2"]])]


@pytest.mark.parametrize("text", ["a 'b", "a &", "a < b", "a >"])
def test_the_rest_of_the_grammar_is_not_understood(text: str) -> None:
    with pytest.raises(NotUnderstood):
        parse_shell(text)


@pytest.mark.parametrize("text", ["curl example.org", "python3 -c x", "rm -rf / | sh", "sysctl -w net.x.y=1", "$(id)"])
def test_no_other_command_is_run(text: str) -> None:
    with pytest.raises(Unsupported):
        Host().run(text)


def test_a_command_that_fails_is_a_failure_of_the_script() -> None:
    with pytest.raises(Mismatch, match="line 3"):
        Host().run("false")
    Host().run("false; true")
    Host().run("false || true")
    with pytest.raises(Mismatch):
        Host().run("true && false")
    assert Host().run("false && echo a; echo b") == "b\n"


def test_sysctls_are_set_and_printed() -> None:
    host = Host()
    host.run("sysctl -q net.ipv4.tcp_sack=0 net/ipv4/tcp_syn_retries=3")
    assert (
        host.run("sysctl -n net.ipv4.tcp_sack; sysctl net.ipv4.tcp_syn_retries") == "0\nnet.ipv4.tcp_syn_retries = 3\n"
    )
    host.run('sysctl -q net.ipv4.tcp_rmem="4096 100000 200000"')
    assert host.stack.config.tcp.buffers.receive == 200000
    host.run("echo 1 > /proc/sys/net/ipv4/tcp_sack")
    assert host.run("cat /proc/sys/net/ipv4/tcp_sack") == "1\n"


def test_a_parameter_of_a_module_can_be_set_and_counts_for_connections_from_then_on() -> None:
    host = Host()
    name = "/sys/module/tcp_cubic/parameters/hystart_detect"
    listener = host.stack.tcp.listen((US, 80), Owner("test"))
    assert host.run(f"cat {name}") == "3\n"
    host.run(f"echo 2 > {name}")
    assert host.run(f"cat {name}") == "2\n"
    assert host.connects().config.congestion.hystart == 2
    assert listener.config.congestion.hystart == 2
    with pytest.raises(Mismatch, match="from 0 to 3"):
        host.run(f"echo 4 > {name}")
    host.run(f"set_sysctls.py {name}=1")
    assert host.stack.config.tcp.congestion.hystart == 1
    host.run("/tmp/sysctl_restore_${PPID}.sh")
    assert host.stack.config.tcp.congestion.hystart == 2


def test_other_parameters_of_modules_are_files_like_any_other() -> None:
    host = Host()
    host.run("echo 7 > /sys/module/tcp_cubic/parameters/beta")
    assert host.run("cat /sys/module/tcp_cubic/parameters/beta") == "7\n"


def test_what_set_sysctls_has_changed_is_restored() -> None:
    host = Host()
    before = host.stack.config
    host.run("../common/set_sysctls.py /proc/sys/net/ipv4/tcp_sack=0 /proc/sys/net/ipv4/tcp_wmem='4096 16384 65536'")
    assert host.stack.config != before
    host.run("/tmp/sysctl_restore_${PPID}.sh")
    assert host.stack.config == before


def test_defaults_begin_anew() -> None:
    host = Host()
    host.run("tc qdisc add dev tun0 root pfifo limit 0")
    assert host.shell.host.device.drops
    host.run("./defaults.sh\nsysctl -q net.ipv4.tcp_ecn=1")
    assert not host.shell.host.device.drops
    assert host.stack.config.tcp.buffers.receive == 15728640


def test_a_queue_and_offloads_are_remembered_for_the_device() -> None:
    host = Host()
    host.run("tc qdisc replace dev tun0 root fq && ethtool -K tun0 tso off gso off")
    assert host.shell.host.device.paces
    assert not host.shell.host.device.offloads
    host.run("tc qdisc delete dev tun0 root")
    assert not host.shell.host.device.paces


def test_metrics_of_a_route_are_those_of_the_connections_by_it() -> None:
    host = Host()
    host.run("ip route change 198.51.100.0/24 dev tun0 advmss 1000 mtu lock 900 initcwnd 3 rto_min 500ms")
    opening = host.connects().connection.tcb.opening
    assert opening.mss == 860
    assert opening.receive_mss == 1000
    assert opening.config.congestion.initial_window == 3
    assert opening.config.retransmission.rto_min == 500_000_000
    with pytest.raises(Unsupported):
        host.run("ip route change default dev tun0 hoplimit 7")


def test_the_mtu_of_the_device_can_be_set() -> None:
    host = Host()
    host.run("ip link set dev tun0 mtu 1000")
    assert host.connects().connection.tcb.opening.mss == 960


def test_connections_are_listed() -> None:
    host = Host()
    host.connects()
    assert "198.51.100.7:80" in host.run("ss -ant | grep SYN-SENT")
    assert host.run("ss -ant state syn-sent src :8080 | wc -l") == "1\n"
    assert host.run("ss -ant state established | grep -c 8080 || true") == "0\n"
    assert host.run("grep -c ':1F90 .* 02 ' /proc/net/tcp") == "1\n"


def test_freebsd_counts_sockets_by_their_state() -> None:
    host = Host("freebsd")
    host.connects()
    host.run("sockstat -4 -P tcp -p 8080 -s | grep -c SYN_SENT | grep 1")
    host.run("sockstat -4 -P tcp -p 8080 -s | grep -c TIME_WAIT | grep 0")
    with pytest.raises(Mismatch):
        host.run("sockstat -4 -P tcp -p 8081 -s | grep -c SYN_SENT | grep 1")


def test_freebsd_drops_connections() -> None:
    host = Host("freebsd")
    host.connects()
    with pytest.raises(Mismatch):
        host.run("tcpdrop -s TIME_WAIT")
    host.run("tcpdrop -s SYN_SENT")
    assert host.stack.poll_transmit(0) is None
    assert not list(host.stack.tcp.rows())


def test_counters_are_shown_since_they_were_last_looked_at() -> None:
    host = Host()
    host.stack.counters.add("TCPTimeouts", 2)
    host.run("nstat -n")
    host.stack.counters.add("TCPTimeouts", 3)
    assert host.run("nstat -s | grep TcpExtTCPTimeouts | grep ' 3 '")
    assert host.run("nstat | grep -c TcpExtTCPTimeouts") == "1\n"
    with pytest.raises(Mismatch):
        host.run("nstat | grep TcpExtTCPTimeouts")


def test_files_are_the_scripts_own() -> None:
    host = Host()
    host.run("dd if=/dev/zero of=/tmp/x bs=5 count=1 2> /dev/null; echo -n ab > y")
    assert host.shell.host.files == {"/tmp/x": bytes(5), "y": b"ab"}
    host.run("rm -f y")
    with pytest.raises(Mismatch):
        host.run("cat y")
    with pytest.raises(Unsupported):
        host.run("dd if=/etc/passwd of=x")
    assert host.stack.interfaces[0].addresses[0][0] == US


def test_grep_has_basic_and_extended_patterns() -> None:
    host = Host()
    assert host.run(r"echo 'a|b' | grep 'a|b'") == "a|b\n"
    assert host.run(r"echo b | grep 'a\|b'") == "b\n"
    assert host.run(r"echo b | grep -E 'a|b'") == "b\n"
    assert host.run("echo b | grep -v a") == "b\n"
    with pytest.raises(Unsupported):
        host.run("grep --color x")
    assert host.run("echo x | grep -q x") == ""
    assert HERE.line == 3

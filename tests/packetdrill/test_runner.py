"""What a script may count on, by scripts: ours is the stack, and time is virtual."""

import pytest

from halfopen.packetdrill.errors import Verdict
from halfopen.packetdrill.parser import parse
from halfopen.packetdrill.profiles import LINUX
from halfopen.packetdrill.runner import run, run_traced
from halfopen.packetdrill.settings import RunOptions

LISTENING = """
0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 setsockopt(3, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
"""
ESTABLISHED = f"""{LISTENING}
+0 < S 0:0(0) win 32792 <mss 1000,sackOK,nop,nop,nop,wscale 7>
+0 > S. 0:0(0) ack 1 <...>
+.1 < . 1:1(0) ack 1 win 257
+0 accept(3, ..., ...) = 4
"""


def verdict(text: str, **overrides: str) -> Verdict:
    return run(parse(text, "test.pkt", {}), RunOptions(profile=LINUX, overrides=overrides))


def passes(text: str, **overrides: str) -> None:
    told = verdict(text, **overrides)
    assert (told.verdict, told.line, told.message) == ("pass", 0, "")


def fails(text: str, line: str, message: str, **overrides: str) -> None:
    """Where it fails is the only line that has ``line`` in it."""
    (number,) = (at for at, each in enumerate(text.splitlines(), 1) if line in each)
    told = verdict(text, **overrides)
    assert (told.verdict, told.line) == ("fail", number), told
    assert message in told.message


@pytest.mark.parametrize("ip_version", ["ipv4", "ipv6", "ipv4-mapped-ipv6"])
def test_a_connection_is_opened_used_and_closed(ip_version: str) -> None:
    passes(
        f"""{ESTABLISHED}
        +0 < P. 1:1001(1000) ack 1 win 257
        +0 > . 1:1(0) ack 1001
        +0 read(4, ..., 1000) = 1000
        +.1 write(4, ..., 1000) = 1000
        +0 > P. 1:1001(1000) ack 1001
        +.1 < F. 1001:1001(0) ack 1001 win 257
        * > . 1001:1001(0) ack 1002
        +0 close(4) = 0
        +0 > F. 1001:1001(0) ack 1002
        +.1 < . 1002:1002(0) ack 1002 win 257
        """,
        ip_version=ip_version,
    )


def test_a_packet_that_is_not_as_written_is_told_with_what_was_seen() -> None:
    text = f"{ESTABLISHED}\n+0 write(4, ..., 1000) = 1000\n+0 > P. 1:1001(1000) ack 2"
    fails(text, "ack 2", "acknowledgment number: expected 2, saw 1")
    told = verdict(text)
    assert told.expected == "+0 > P. 1:1001(1000) ack 2"
    assert told.seen.startswith("> P. 1:1001(1000) ack 1 win ")


def test_a_packet_that_does_not_come_within_2_s_is_a_failure() -> None:
    fails(f"{ESTABLISHED}\n+0 > P. 1:1001(1000) ack 1", "1:1001", "no packet is sent")


def test_a_packet_at_another_time_is_a_failure() -> None:
    text = f"{ESTABLISHED}\n+0 write(4, ..., 1000) = 1000\n+.1 > P. 1:1001(1000) ack 1"
    fails(text, "1:1001", "the packet is sent at 0.100020 instead of 0.200020")


def test_a_packet_at_any_time_is_waited_for() -> None:
    passes(f"{ESTABLISHED}\n+0 write(4, ..., 1000) = 1000\n* > P. 1:1001(1000) ack 1\n* > P. 1:1001(1000) ack 1")


def test_a_packet_that_nobody_expects_is_found_by_the_next_line() -> None:
    text = f"{ESTABLISHED}\n+0 write(4, ..., 1000) = 1000\n+.1 close(4) = 0\n+0 > F. 1001:1001(0) ack 1"
    fails(text, "> F.", "flags: expected F., saw P.")


def test_what_is_left_at_the_end_is_no_failure() -> None:
    passes(f"{ESTABLISHED}\n+0 write(4, ..., 1000) = 1000")


def test_a_burst_adds_up_to_a_line() -> None:
    passes(f"{ESTABLISHED}\n+0 write(4, ..., 3000) = 3000\n+0 > P. 1:3001(3000) ack 1")


def test_a_burst_may_be_written_segment_by_segment() -> None:
    passes(
        f"""{ESTABLISHED}
        +0 write(4, ..., 2000) = 2000
        +0 > . 1:1001(1000) ack 1
        +0 > P. 1001:2001(1000) ack 1
        """
    )


def test_with_strict_segments_nothing_is_added_up() -> None:
    text = f"--strict_segments\n{ESTABLISHED}\n+0 write(4, ..., 2000) = 2000\n+0 > P. 1:2001(2000) ack 1"
    fails(text, "1:2001", "payload: expected 2000 octets, saw 1000")


def test_a_call_that_returns_something_else_is_a_failure() -> None:
    fails(f"{ESTABLISHED}\n+0 write(4, ..., 1000) = 999", "write", "999")


def test_a_call_that_blocks_goes_on_beside_the_packets() -> None:
    passes(f"{ESTABLISHED}\n+.1...0.2 read(4, ..., 1000) = 10\n+.1 < P. 1:11(10) ack 1 win 257\n+0 > . 1:1(0) ack 11")


def test_a_call_that_returns_too_early_is_a_failure() -> None:
    text = f"{ESTABLISHED}\n+.1...0.6 read(4, ..., 1000) = 10\n+.1 < P. 1:11(10) ack 1 win 257"
    fails(text, "read", "the call returns at 0.300030 instead of 0.700020")


def test_a_call_that_never_returns_is_a_failure() -> None:
    fails(f"{ESTABLISHED}\n+.1...0.3 read(4, ..., 1000) = 10", "read", "read() has not returned")


def test_a_call_that_was_not_to_block_and_does_is_a_failure() -> None:
    fails(f"{ESTABLISHED}\n+0 read(4, ..., 1000) = 10", "read", "read() blocks")


def test_only_one_call_may_block_at_a_time() -> None:
    text = f"{ESTABLISHED}\n+0...3 read(4, ..., 1000) = 10\n+0...3 read(4, ..., 999) = 10"
    fails(text, "...3 read(4, ..., 1000)", "read() has not returned")


def test_a_call_with_a_time_limit_returns_when_that_is_over() -> None:
    passes(f"{ESTABLISHED}\n+0...0.5 poll([{{fd=4, events=POLLIN, revents=0}}], 1, 500) = 0")


def test_an_event_that_comes_too_late_is_a_failure() -> None:
    text = f"{ESTABLISHED}\n0.2 poll([{{fd=4, events=POLLIN, revents=0}}], 1, 500) = 0\n0.3 close(4) = 0"
    fails(text, "close", "the event comes too late: it at 0.700000 instead of 0.300000")


def test_inbound_packets_keep_their_pace() -> None:
    passes(
        f"""{ESTABLISHED}
        +.1 < P. 1:11(10) ack 1 win 257
        +.1 < P. 11:21(10) ack 1 win 257
        0.3 < P. 21:31(10) ack 1 win 257
        * > . 1:1(0) ack 11
        * > . 1:1(0) ack 21
        * > . 1:1(0) ack 31
        """
    )


def test_mismatches_may_be_only_told() -> None:
    text = f"{ESTABLISHED}\n+0 write(4, ..., 1000) = 999\n+0 > P. 1:1001(1000) ack 2"
    passes(text, non_fatal="packet,syscall")


def test_what_an_init_command_does_counts_and_cleanup_is_always_run() -> None:
    command = "`sysctl -q net.ipv4.tcp_sack=0`"
    passes(
        f"""{command}
        {LISTENING}
        +0 < S 0:0(0) win 32792 <mss 1000,sackOK,nop,nop>
        +0 > S. 0:0(0) ack 1 <mss 1460>
        `sysctl -q net.ipv4.tcp_sack=1`"""
    )


def test_a_command_that_fails_is_a_failure() -> None:
    fails("0 `false`", "false", "false")


def test_a_command_that_is_not_known_is_not_supported() -> None:
    assert verdict("0 `reboot`").verdict == "unsupported"


def test_a_code_block_sees_the_connection() -> None:
    passes(f"{ESTABLISHED}\n+0 %{{ assert tcpi_snd_cwnd == 10, tcpi_snd_cwnd }}%")


def test_a_code_block_that_asserts_what_is_not_so_is_a_failure() -> None:
    fails(f"{ESTABLISHED}\n+0 %{{ assert tcpi_snd_cwnd == 11, tcpi_snd_cwnd }}%", "assert", "10")


def test_a_segment_to_nobody_is_reset_with_the_numbers_of_the_wire() -> None:
    passes("0 < . 1:1(0) ack 7 win 5\n+0 > R 7:7(0)")


def test_an_active_connection_finds_its_own_port_and_numbers() -> None:
    passes(
        """
        0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
        +0...0.1 connect(3, ..., ...) = 0
        +0 > S 0:0(0) <mss 1460,sackOK,TS val 100 ecr 0,nop,wscale 10>
        +.1 < S. 123:123(0) ack 1 win 5792 <mss 1460,sackOK,TS val 700 ecr 100,nop,wscale 7>
        +0 > . 1:1(0) ack 1 <nop,nop,TS val 200 ecr 700>
        """
    )


def test_udp_goes_both_ways() -> None:
    passes(
        """
        0 socket(..., SOCK_DGRAM, IPPROTO_UDP) = 3
        +0 connect(3, ..., ...) = 0
        +0 write(3, ..., 100) = 100
        +0 > udp (100)
        +.1 < udp (50)
        +0 read(3, ..., 200) = 50
        """
    )


def test_an_icmp_error_reaches_whom_it_is_about() -> None:
    passes(
        """
        0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
        +0...0.1 connect(3, ..., ...) = -1 ECONNREFUSED (Connection refused)
        +0 > S 0:0(0) <...>
        +.1 < icmp unreachable port_unreachable [0:0(0)]
        """
    )


def test_a_segment_of_64_kb_may_be_an_aggregate() -> None:
    passes(
        f"--mss=1000\n{LISTENING}"
        """
        +0 < S 0:0(0) win 32792 <mss 1000>
        +0 > S. 0:0(0) ack 1 <mss 1460>
        +.1 < . 1:1(0) ack 1 win 32792
        +0 < P. 1:20001(20000) ack 1 win 32792
        +0 > . 1:1(0) ack 20001
        """
    )


def test_encapsulated_packets_are_not_supported() -> None:
    assert verdict("0 < ipv4 192.0.2.1 > 192.0.2.2: . 1:1(0) ack 1 win 5").verdict == "unsupported"


def test_the_trace_tells_packets_and_calls_with_their_times() -> None:
    _, trace = run_traced(parse(ESTABLISHED, "test.pkt", {}), RunOptions(profile=LINUX))
    told = [str(line) for line in trace]
    assert told[0] == "0.000000 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3"
    assert told[4] == "0.000000 < S 0:0(0) win 32792 <mss 1000,sackOK,nop,nop,nop,wscale 7>"
    assert told[-1] == "0.100020 accept(3, ..., ...) = 4"


def test_the_same_script_gives_the_same_trace() -> None:
    script = parse(f"{ESTABLISHED}\n+0 write(4, ..., 9000) = 9000", "test.pkt", {})
    assert run_traced(script, RunOptions()) == run_traced(script, RunOptions())


def test_waiting_for_ever_for_what_never_comes_ends() -> None:
    fails("0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n* > S 0:0(0)", "> S", "no packet is sent")


def test_a_device_that_drops_loses_what_is_sent() -> None:
    passes(
        f"""{ESTABLISHED}
        +0 `tc qdisc replace dev tun0 root pfifo limit 0`
        +0 write(4, ..., 1000) = 1000
        +.01 `tc qdisc replace dev tun0 root pfifo`
        * > P. 1:1001(1000) ack 1
        """
    )


def test_the_icmp_answer_of_the_host_is_seen() -> None:
    passes("0 < udp (10)\n+0 > icmp unreachable port_unreachable")

import json

import pytest

from halfopen.base.clock import MILLISECOND
from halfopen.cli.ping import Results
from halfopen.links.namespaces import Namespace
from tests.cli.running import running


def test_the_summary_is_that_of_ping() -> None:
    results = Results("192.0.2.1", sent=4, rtts=[MILLISECOND, 3 * MILLISECOND])
    expected = "4 packets transmitted, 2 received, 50% packet loss\nrtt min/avg/max = 1.000/2.000/3.000 ms"
    assert results.summary() == expected


def test_nothing_sent_is_no_loss() -> None:
    assert Results("192.0.2.1").summary() == "0 packets transmitted, 0 received, 0% packet loss"


@pytest.mark.root
@pytest.mark.device("/dev/net/tun")
def test_the_kernel_answers(namespace: Namespace) -> None:
    with running(namespace, "ping", "192.0.2.1", "-c", "3", "-i", "0.01") as process:
        output, _ = process.communicate(timeout=30)
        assert process.returncode == 0
    assert [line.split(" time=")[0] for line in output.splitlines()[:3]] == [
        f"64 octets from 192.0.2.1: icmp_seq={number} ttl=64" for number in (1, 2, 3)
    ]
    assert "3 packets transmitted, 3 received, 0% packet loss" in output


@pytest.mark.root
@pytest.mark.device("/dev/net/tun")
@pytest.mark.parametrize("kernel", ["192.0.2.1", "2001:db8::1"])
def test_a_host_of_both_versions_pings_either(kernel: str, namespace: Namespace) -> None:
    addresses = ("--address", "2001:db8::2/64", "--address", "192.0.2.2/24")
    with running(namespace, "ping", kernel, "-c", "2", "-i", "0.5", *addresses) as process:
        output, _ = process.communicate(timeout=30)
        assert process.returncode == 0
    assert f"64 octets from {kernel}: icmp_seq=2 ttl=64" in output


@pytest.mark.root
@pytest.mark.device("/dev/net/tun")
def test_each_version_has_its_way_out(namespace: Namespace) -> None:
    for name in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
        with namespace.enter(), open(f"/proc/sys/net/{name}", "w") as forward:
            forward.write("1")
    addresses = ("--address", "192.0.2.2/24", "--address", "2001:db8::2/64", "--gateway", "2001:db8::1")
    for kernel, beyond in (("192.0.2.1", "198.51.100.1"), ("2001:db8::1", "2001:db8:9::1")):
        with running(namespace, "ping", beyond, "-c", "1", *addresses) as process:
            output, _ = process.communicate(timeout=30)
            assert process.returncode == 1
        assert f"From {kernel}: icmp_seq=1 net-unreachable" in output


@pytest.mark.root
@pytest.mark.device("/dev/net/tun")
def test_programs_get_one_object(namespace: Namespace) -> None:
    with running(namespace, "ping", "192.0.2.1", "-c", "2", "-i", "0.01", "--json") as process:
        output, _ = process.communicate(timeout=30)
    result = json.loads(output)
    assert (result["destination"], result["sent"], result["received"]) == ("192.0.2.1", 2, 2)
    assert all(0 < rtt < 1 for rtt in result["rtts"])


@pytest.mark.root
@pytest.mark.device("/dev/net/tun")
def test_an_error_from_the_way_is_told_and_the_code_is_1(namespace: Namespace) -> None:
    # Nobody has this address, and the kernel, which is the gateway, has no route to it.
    with namespace.enter(), open("/proc/sys/net/ipv4/ip_forward", "w") as forward:
        forward.write("1")
    with running(namespace, "ping", "198.51.100.1", "-c", "1") as process:
        output, _ = process.communicate(timeout=30)
        assert process.returncode == 1
    assert "From 192.0.2.1: icmp_seq=1 net-unreachable" in output

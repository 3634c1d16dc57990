import json
import subprocess
import sys

import pytest

from halfopen.base.addresses import parse_mac
from halfopen.base.errors import ConfigError
from halfopen.links.interfaces import LinkSettings, add_veth, configure, remove, set_offloads, set_sysctl, statistics
from halfopen.links.namespaces import Namespace

pytestmark = [pytest.mark.root, pytest.mark.needs("ip")]


@pytest.fixture
def veth(namespace: Namespace) -> Namespace:
    with namespace.enter():
        add_veth("v0", "v1")
    return namespace


def test_settings_are_applied_and_can_be_applied_again(veth: Namespace) -> None:
    settings = LinkSettings(
        addresses=("192.0.2.1/24", "2001:db8::1/64"),
        routes=(("198.51.100.0/24", "192.0.2.9"), ("default", "192.0.2.254")),
        mtu=9000,
        txqueuelen=77,
        mac=parse_mac("02:00:5e:10:00:01"),
    )
    with veth.enter():
        configure("v1")
        configure("v0", settings)
        configure("v0", settings)
    (link,) = json.loads(veth.run(["ip", "-j", "addr", "show", "v0"]).stdout)
    assert (link["mtu"], link["txqlen"], link["address"]) == (9000, 77, "02:00:5e:10:00:01")
    assert "UP" in link["flags"]
    assert [(info["local"], info["prefixlen"]) for info in link["addr_info"]][:2] == [
        ("192.0.2.1", 24),
        ("2001:db8::1", 64),
    ]
    routes = json.loads(veth.run(["ip", "-j", "route"]).stdout)
    assert {(route["dst"], route.get("gateway")) for route in routes} == {
        ("192.0.2.0/24", None),
        ("198.51.100.0/24", "192.0.2.9"),
        ("default", "192.0.2.254"),
    }


def test_an_interface_without_ipv6_has_no_link_local_address(veth: Namespace) -> None:
    with veth.enter():
        configure("v0", LinkSettings(ipv6=False))
        configure("v1", LinkSettings(ipv6=False))
    (link,) = json.loads(veth.run(["ip", "-j", "addr", "show", "v0"]).stdout)
    assert link["addr_info"] == []


def test_an_interface_can_be_taken_down(veth: Namespace) -> None:
    with veth.enter():
        configure("v0", LinkSettings(up=False))
    (link,) = json.loads(veth.run(["ip", "-j", "link", "show", "v0"]).stdout)
    assert "UP" not in link["flags"]


def test_a_peer_can_be_born_in_another_namespace(namespace: Namespace) -> None:
    with Namespace() as other:
        with namespace.enter():
            add_veth("here", "there", other.fileno())
            configure("here")
        with other.enter():
            configure("there")
        (link,) = json.loads(other.run(["ip", "-j", "link", "show", "there"]).stdout)
        assert "LOWER_UP" in link["flags"]


def test_with_one_end_of_a_pair_the_other_goes(namespace: Namespace) -> None:
    with namespace.enter():
        add_veth("one", "other")
        remove("one")
        with pytest.raises(ConfigError, match="no interface 'other'"):
            remove("other")


def test_what_the_kernel_refuses_names_the_interface(veth: Namespace) -> None:
    with veth.enter():
        with pytest.raises(ConfigError, match="no interface 'v7'"):
            configure("v7")
        with pytest.raises(ConfigError, match="no interface 'v7'"):
            statistics("v7")
        with pytest.raises(OSError, match="interface 'v0'"):
            configure("v0", LinkSettings(mtu=1))
        with pytest.raises(OSError, match="veth pair 'v0', 'v9'"):
            add_veth("v0", "v9")
        with pytest.raises(ValueError, match="not an interface address"):
            configure("v0", LinkSettings(addresses=("192.0.2.1",)))


@pytest.mark.needs("ethtool")
def test_offloads_can_be_switched(veth: Namespace) -> None:
    def features() -> str:
        return veth.run(["ethtool", "-k", "v0"]).stdout

    assert "tx-checksum-ip-generic: on" in features()
    with veth.enter():
        set_offloads("v0", False)
    assert "tx-checksum-ip-generic: off" in features()
    assert "generic-segmentation-offload: off" in features()
    with veth.enter():
        set_offloads("v0", True)
    assert "tx-checksum-ip-generic: on" in features()
    assert "generic-segmentation-offload: on" in features()


def test_switching_offloads_of_nothing_is_an_error(veth: Namespace) -> None:
    with veth.enter(), pytest.raises(OSError):
        set_offloads("v7", False)


def test_a_sysctl_of_the_namespace_is_set_and_one_that_does_not_exist_passed_over(veth: Namespace) -> None:
    with veth.enter():
        set_sysctl("net/ipv4/ip_forward", "1")
        set_sysctl("net/ipv4/there_is_no_such", "1")
    assert veth.run(["cat", "/proc/sys/net/ipv4/ip_forward"]).stdout == "1\n"


def test_statistics_count_what_was_sent(veth: Namespace) -> None:
    with veth.enter():
        assert statistics("v0")["tx_packets"] == 0


def test_without_pyroute2_the_extra_that_has_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyroute2", None)
    with pytest.raises(ConfigError, match=r"halfopen\[linux\]"):
        configure("lo")


def test_pyroute2_is_not_imported_before_it_is_needed() -> None:
    script = "import sys, halfopen.links.namespaces, halfopen.links.packet_socket; print('pyroute2' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "False\n"

import subprocess
import sys

import pytest

from halfopen.cli.device import attached
from halfopen.cli.device_options import DeviceOptions
from halfopen.links.namespaces import Namespace
from tests.cli.running import complaint, run


def options(address: str = "192.0.2.2/24", tap: str | None = None) -> DeviceOptions:
    return DeviceOptions(addresses=(address,), tap=tap)


@pytest.mark.root
@pytest.mark.device("/dev/net/tun")
def test_a_device_that_exists_is_left_as_it_is_and_its_set_up_explained(namespace: Namespace) -> None:
    with namespace.enter():
        subprocess.run(["ip", "tuntap", "add", "mode", "tap", "name", "mine0"], check=True)
        with attached(options(tap="mine0")) as attachment:
            assert not attachment.is_new
            assert "ip address replace 192.0.2.1/24 dev mine0" in attachment.hint()
        addresses = subprocess.run(["ip", "-4", "address", "show", "mine0"], check=True, capture_output=True)
    assert b"inet" not in addresses.stdout


@pytest.mark.root
@pytest.mark.device("/dev/net/tun")
def test_a_device_of_our_making_is_ready_and_goes_when_we_do(namespace: Namespace) -> None:
    with namespace.enter():
        with attached(options(tap="ours0")) as attachment:
            assert attachment.is_new
            addresses = subprocess.run(["ip", "-4", "address", "show", "ours0"], check=True, capture_output=True)
            assert b"inet 192.0.2.1/24" in addresses.stdout
        assert subprocess.run(["ip", "link", "show", "ours0"], capture_output=True).returncode == 1


BOTH = DeviceOptions(addresses=("192.0.2.2/24", "2001:db8::2/64"), tap="both0")


@pytest.mark.root
@pytest.mark.device("/dev/net/tun")
@pytest.mark.needs("ip")
def test_the_kernels_end_of_a_new_device_has_an_address_for_each_of_ours(namespace: Namespace) -> None:
    with namespace.enter():
        with attached(BOTH) as attachment:
            said = attachment.hint()
            addresses = subprocess.run(["ip", "address", "show", "both0"], check=True, capture_output=True).stdout
        assert subprocess.run(["ip", "link", "show", "both0"], capture_output=True).returncode == 1
    assert said == "192.0.2.2 and 2001:db8::2 are on both0; the kernel's end is 192.0.2.1 and 2001:db8::1"
    assert b"inet 192.0.2.1/24" in addresses
    assert b"inet6 2001:db8::1/64" in addresses


@pytest.mark.root
@pytest.mark.device("/dev/net/tun")
@pytest.mark.needs("ip")
def test_both_addresses_are_in_the_set_up_of_a_device_that_exists(namespace: Namespace) -> None:
    with namespace.enter():
        subprocess.run(["ip", "tuntap", "add", "mode", "tap", "name", "both0"], check=True)
        with attached(BOTH) as attachment:
            setup = attachment.hint().rpartition(": ")[2]
        subprocess.run(setup, shell=True, check=True)
        addresses = subprocess.run(["ip", "address", "show", "both0"], check=True, capture_output=True).stdout
    assert b"inet 192.0.2.1/24" in addresses
    assert b"inet6 2001:db8::1/64" in addresses


@pytest.mark.root
@pytest.mark.device("/dev/net/tun")
def test_a_device_that_is_no_tap_is_refused_in_one_line(namespace: Namespace) -> None:
    with namespace.enter():
        line = complaint("ping", "192.0.2.1", "--tap", "lo")
    assert "TUN/TAP device lo" in line
    assert "choose another name" in line


@pytest.mark.root
@pytest.mark.device("/dev/net/tun")
@pytest.mark.needs("setpriv")
def test_without_privileges_it_says_what_to_do() -> None:
    command = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", sys.executable, "-m", "halfopen"]
    result = subprocess.run([*command, "ping", "192.0.2.1"], capture_output=True, text=True, timeout=30)
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert "CAP_NET_ADMIN: run as root, or inside a namespace of your own" in line
    assert "unshare --user --map-root-user --net" in line


def test_help_shows_the_options_for_the_device() -> None:
    result = run("ping", "--help")
    assert all(option in result.stdout for option in ("--tap", "--address", "--impair", "--record", "--gateway"))

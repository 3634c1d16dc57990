import subprocess
import sys

import pytest

from halfopen.cli.device import DeviceOptions, attached
from halfopen.links.namespaces import Namespace
from tests.cli.running import complaint, run


def options(address: str = "192.0.2.2/24", tap: str | None = None) -> DeviceOptions:
    return DeviceOptions(address=address, tap=tap, gateway=None, impair=None, record=None)


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

import asyncio
import errno
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from halfopen.base.errors import ConfigError
from halfopen.links.interfaces import LinkSettings, add_veth, configure
from halfopen.links.namespaces import Namespace, enter_private_namespace, explain_refusal

ROOTLESS = """
import socket
from halfopen.links.interfaces import LinkSettings, configure
from halfopen.links.namespaces import enter_private_namespace
from halfopen.links.tuntap import TunTap
rootless = enter_private_namespace()
with TunTap("tun0", "ip") as link, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as kernel:
    configure("tun0", LinkSettings(addresses=("192.0.2.1/24",), ipv6=False))
    kernel.sendto(b"hello", ("192.0.2.2", 9))
    packet = link.read(1)[0]
print(rootless, packet.head[-5:].decode(), [name for _, name in socket.if_nameindex()][0])
"""


def interfaces() -> list[str]:
    return [name for _, name in socket.if_nameindex()]


@pytest.mark.root
def test_a_namespace_beside_this_process_has_a_loopback_of_its_own(namespace: Namespace) -> None:
    outside = interfaces()
    with namespace.enter():
        assert interfaces() == ["lo"]
        with socket.socket() as server, socket.socket() as client:
            server.bind(("127.0.0.1", 0))
            server.listen()
            client.connect(server.getsockname())
    assert interfaces() == outside


@pytest.mark.root
def test_the_way_back_is_found_after_an_error(namespace: Namespace) -> None:
    home = os.readlink("/proc/thread-self/ns/net")
    with pytest.raises(ZeroDivisionError), namespace.enter():
        raise ZeroDivisionError
    assert os.readlink("/proc/thread-self/ns/net") == home


@pytest.mark.root
def test_other_threads_stay_where_they_are(namespace: Namespace) -> None:
    seen: list[str] = []
    entered, looked = threading.Event(), threading.Event()

    def look() -> None:
        entered.wait(5)
        seen.append(os.readlink("/proc/thread-self/ns/net"))
        looked.set()

    home = os.readlink("/proc/thread-self/ns/net")
    thread = threading.Thread(target=look)
    thread.start()
    with namespace.enter():
        entered.set()
        assert looked.wait(5)
    thread.join()
    assert seen == [home]


@pytest.mark.root
@pytest.mark.needs("ip", "nsenter")
def test_programs_run_inside(namespace: Namespace) -> None:
    with namespace.enter():
        add_veth("left", "right")
    assert "left@right" in namespace.run(["ip", "-br", "link"]).stdout
    with namespace.popen(["ip", "-br", "link"], stdout=subprocess.PIPE) as process:
        assert b"left@right" in process.communicate()[0]
    done = subprocess.run(namespace.prefix("ip", "-br", "link"), capture_output=True, check=True)
    assert b"left@right" in done.stdout
    with pytest.raises(subprocess.CalledProcessError):
        namespace.run(["ip", "link", "show", "nothing"])


@pytest.mark.root
def test_interfaces_can_be_set_up_while_an_event_loop_runs() -> None:
    async def main() -> list[str]:
        with Namespace() as namespace, namespace.enter():
            configure("lo", LinkSettings(addresses=("198.51.100.1/32",)))
            return interfaces()

    assert asyncio.run(main()) == ["lo"]


@pytest.mark.root
def test_closing_twice_is_harmless_and_leaves_no_descriptor() -> None:
    before = os.listdir("/proc/self/fd")
    namespace = Namespace()
    assert Path(namespace.path).exists()
    assert namespace.fileno() >= 0
    namespace.close()
    namespace.close()
    assert os.listdir("/proc/self/fd") == before


def run_script(script: str, user: int | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, user=user)


@pytest.mark.root
@pytest.mark.device("/dev/net/tun")
def test_root_moves_its_whole_process_without_a_user_namespace() -> None:
    done = run_script(ROOTLESS)
    assert (done.stdout, done.stderr) == ("False hello lo\n", "")


@pytest.mark.device("/dev/net/tun")
def test_anybody_gets_a_device_in_a_user_namespace() -> None:
    # Root without CAP_SYS_ADMIN is refused a network namespace like anybody else, and can read what nobody cannot.
    drop = "import ctypes; ctypes.CDLL(None).prctl(24, 21)\n"  # PR_CAPBSET_DROP, CAP_SYS_ADMIN
    drop += "import os, sys\n"
    drop += "os.execv(sys.executable, [sys.executable, '-c', os.environ['SCRIPT']])\n"
    script = f"import os\nos.environ['SCRIPT'] = {ROOTLESS!r}\n" + (
        drop if os.geteuid() == 0 else f"exec({ROOTLESS!r})"
    )
    done = run_script(script)
    if done.returncode and "no network namespace without root here" in done.stderr:
        pytest.skip("this system lacks user namespaces for everybody")
    assert (done.stdout, done.stderr) == ("True hello lo\n", "")


@pytest.mark.root
def test_a_namespace_beside_the_process_is_refused_to_others_with_a_reason() -> None:
    script = """
import ctypes, os, sys
from halfopen.links.namespaces import Namespace
ctypes.CDLL(None).prctl(24, 21)
os.setresuid(65534, 65534, 65534)
try:
    Namespace()
except PermissionError as error:
    print(error.strerror)
"""
    done = run_script(script)
    assert (done.stdout, done.stderr) == ("a network namespace beside this process needs root\n", "")


def test_a_process_with_threads_is_told_to_come_earlier() -> None:
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    try:
        with pytest.raises(ConfigError, match=r"\d+ threads cannot move"):
            enter_private_namespace()
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize(
    ("sysctl", "value", "reason"),
    [
        ("user/max_user_namespaces", "0", "user.max_user_namespaces is 0; 'sysctl user.max_user_namespaces="),
        ("user/max_net_namespaces", "0", "user.max_net_namespaces is 0"),
        ("kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone is 0"),
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "AppArmor restricts user namespaces"),
        ("user/max_user_namespaces", "1000", "seccomp"),
    ],
)
def test_the_setting_that_forbids_namespaces_is_named(tmp_path: Path, sysctl: str, value: str, reason: str) -> None:
    (tmp_path / sysctl).parent.mkdir()
    (tmp_path / sysctl).write_text(value + "\n")
    assert reason in explain_refusal(PermissionError(errno.EPERM, "Operation not permitted"), tmp_path)


def test_a_limit_that_is_reached_is_named(tmp_path: Path) -> None:
    error = OSError(errno.ENOSPC, "No space left on device")
    assert "limit on nested or concurrent user namespaces" in explain_refusal(error, tmp_path)


@pytest.mark.root
@pytest.mark.parametrize(
    ("made", "needed"),
    [
        ("halfopen.links.tuntap import TunTap as Device", "a TUN/TAP device needs CAP_NET_ADMIN: run as root"),
        ("halfopen.links.packet_socket import PacketSocket as Device", "it needs CAP_NET_RAW; run as root"),
    ],
)
@pytest.mark.device("/dev/net/tun")
def test_a_device_is_refused_to_others_with_a_reason(made: str, needed: str) -> None:
    script = f"""
import os
from {made}
os.setresuid(65534, 65534, 65534)
try:
    Device("d0")
except PermissionError as error:
    print(error.strerror)
"""
    done = run_script(script)
    assert needed in done.stdout
    assert "enter_private_namespace" in done.stdout
    assert done.stderr == ""

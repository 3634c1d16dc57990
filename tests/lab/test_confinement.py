"""Attacks have no way out: every scenario runs in a process that may open no socket, no device and no process.

The interpreter itself is asked (PEP 578): an audit hook sees what Python or C code does, whatever it imported.
"""

import os
import subprocess
import sys
from functools import cache
from html import escape

import pytest

from halfopen.lab.catalogue import SCENARIOS, find
from halfopen.lab.results import run
from halfopen.lab.scenario import Settings

GUARD = """
import sys

FORBIDDEN = ("socket.", "ctypes.", "fcntl.ioctl", "subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.spawn",
             "os.fork", "os.forkpty", "pty.spawn", "os.putenv", "os.kill", "signal.pthread_kill", "syslog.", "mmap.")
WRITING = 0o1 | 0o2 | 0o100  # O_WRONLY, O_RDWR, O_CREAT

def guard(event, arguments):
    if event.startswith(FORBIDDEN):
        raise PermissionError(f"way out: {event}")
    if event == "open":
        path, mode, flags = arguments
        if str(path).startswith(("/dev", "/sys", "/proc")) or flags & WRITING or (mode and set(mode) & set("wax+")):
            raise PermissionError(f"way out: open {path} {mode}")
"""

RUN = """
from hashlib import sha256
from halfopen.lab.catalogue import find
from halfopen.lab.scenario import Settings

scenario = find(sys.argv[1])
sys.addaudithook(guard)
for defences in ({}, scenario.defences):
    outcome = scenario.run(Settings(defences=frozenset(defences)))
    assert outcome.capture, "nothing was captured"
    print(sha256(outcome.capture).hexdigest())
"""

WAYS = {
    "a socket": "import socket; socket.socket()",
    "a socket of C": "import _socket; _socket.socket()",
    "a pair of sockets": "import socket; socket.socketpair()",
    "a connection": "import asyncio; asyncio.run(asyncio.open_connection('192.0.2.1', 9))",
    "names": "import socket; socket.getaddrinfo('halfopen.invalid', 80)",
    "a TUN device": "import os; os.open('/dev/net/tun', os.O_RDWR)",
    "a TUN device by open": "open('/dev/net/tun', 'r+b', buffering=0)",
    "our own link": "from halfopen.links.tuntap import TunTap; TunTap('halfopen0')",
    "an ioctl": "import fcntl; fcntl.ioctl(0, 0)",
    "a system call": "import ctypes; ctypes.CDLL(None).socket(2, 1, 0)",
    "a process": "import subprocess, sys; subprocess.run([sys.executable, '-V'])",
    "a shell": "import os; os.system('true')",
    "a fork": "import os; os.fork()",
    "a file": "open('escape', 'w')",
}


def python(code: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", code, *arguments]
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    return subprocess.run(command, capture_output=True, text=True, timeout=100, env=environment)


@cache
def confined(name: str) -> "subprocess.CompletedProcess[str]":
    return python(GUARD + RUN, name)


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_needs_no_way_out(name: str) -> None:
    result = confined(name)
    assert result.returncode == 0, result.stderr[-2000:]
    assert len(result.stdout.splitlines()) == 2


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_is_the_same_in_another_process_with_other_hashes(name: str) -> None:
    result = run(find(name), Settings())
    assert confined(name).stdout.splitlines()[:1] == [result.sha256]
    # It has been played, so let it be shown, too.
    assert result.as_text().endswith(result.verdict)
    assert escape(result.verdict) in result.as_html()


@pytest.mark.parametrize("way", WAYS)
def test_the_guard_sees_every_way_out(way: str) -> None:
    result = python(f"{GUARD}\nsys.addaudithook(guard)\n{WAYS[way]}\n")
    assert result.returncode != 0
    assert "way out: " in result.stderr


def test_a_scenario_that_opens_a_socket_is_caught() -> None:
    code = """
import halfopen.lab.catalogue as catalogue
from halfopen.lab.attacks.handshake import Handshake

class Escape(Handshake):
    name = "escape"
    def play(self, settings):
        import socket
        socket.socket()

catalogue.SCENARIOS["escape"] = Escape()
"""
    result = python(GUARD + code + RUN, "escape")
    assert "way out: socket." in result.stderr

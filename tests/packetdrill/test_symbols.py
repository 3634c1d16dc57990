"""Names for numbers: Linux's are those of this machine's headers, as far as Python knows them."""

import errno
import select
import socket

import pytest

from halfopen.packetdrill.symbols import FREEBSD_SYMBOLS, LINUX_SYMBOLS

KNOWN = sorted(
    name
    for module in (socket, select, errno)
    for name in LINUX_SYMBOLS
    if isinstance(getattr(module, name, None), int) and name != "SOMAXCONN"
)


@pytest.mark.parametrize("name", KNOWN)
def test_linux_numbers_are_the_kernels(name: str) -> None:
    number = next(getattr(module, name) for module in (socket, select, errno) if hasattr(module, name))
    assert LINUX_SYMBOLS[name] & 0xFFFFFFFF == number & 0xFFFFFFFF


def test_freebsd_has_numbers_of_its_own_and_not_what_is_linuxs_alone() -> None:
    assert FREEBSD_SYMBOLS["SOL_SOCKET"] == 0xFFFF
    assert FREEBSD_SYMBOLS["SO_SNDBUF"] == 0x1001
    assert FREEBSD_SYMBOLS["O_NONBLOCK"] == 4
    assert "TCP_QUICKACK" not in FREEBSD_SYMBOLS
    assert FREEBSD_SYMBOLS["ECONNRESET"] == errno.ECONNRESET

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from halfopen.links.namespaces import Namespace
from tests.cli.running import line_with, running, until

pytestmark = [pytest.mark.root, pytest.mark.device("/dev/net/tun")]


@contextmanager
def listening(namespace: Namespace, address: str = "0.0.0.0") -> Iterator[socket.socket]:
    with namespace.enter():
        listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    with listener:
        listener.bind((address, 7))
        listener.listen()
        listener.settimeout(20)
        yield listener


def received(connection: socket.socket) -> bytes:
    pieces = []
    while piece := connection.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)


def test_standard_input_and_output_go_to_the_peer_and_back(namespace: Namespace) -> None:
    text = "to the kernel\n" * 5000
    with listening(namespace) as listener, running(namespace, "nc", "192.0.2.1", "7") as process:
        assert process.stdin is not None
        process.stdin.write(text)
        process.stdin.close()
        connection, peer = listener.accept()
        with connection:
            assert peer[0] == "192.0.2.2"
            assert received(connection).decode() == text
            connection.sendall(b"and back\n")
        assert process.stdout is not None
        assert process.stdout.read() == "and back\n"
        assert process.wait(timeout=20) == 0


def test_it_listens_for_one_connection_and_outlives_the_peers_half_close(namespace: Namespace) -> None:
    with running(namespace, "nc", "-l", "0.0.0.0", "9") as process:
        line_with(process, "the kernel's end")
        with namespace.enter():
            connection = socket.socket()
        with connection:
            connection.settimeout(20)
            until(lambda: connection.connect_ex(("192.0.2.2", 9)) == 0)
            line_with(process, "192.0.2.1:")
            connection.sendall(b"hello\n")
            connection.shutdown(socket.SHUT_WR)
            assert process.stdout is not None
            assert process.stdout.read(6) == "hello\n"
            assert process.stdin is not None
            process.stdin.write("still here\n")
            process.stdin.close()
            assert received(connection) == b"still here\n"
        assert process.wait(timeout=20) == 0


BOTH = ("--address", "192.0.2.2/24", "--address", "2001:db8::2/64")


@pytest.mark.parametrize(("ours", "kernel"), [("192.0.2.2", "192.0.2.1"), ("2001:db8::2", "[2001:db8::1]")])
def test_it_listens_at_the_addresses_of_both_versions(ours: str, kernel: str, namespace: Namespace) -> None:
    with running(namespace, "nc", "-l", "::", "9", *BOTH) as process:
        line_with(process, "192.0.2.2 and 2001:db8::2 are on")
        with namespace.enter():
            connection = socket.socket(socket.AF_INET6 if ":" in ours else socket.AF_INET)
        with connection:
            connection.settimeout(20)
            until(lambda: connection.connect_ex((ours, 9)) == 0)
            assert line_with(process, "has connected").startswith(f"{kernel}:")
            connection.sendall(b"hello\n")
            connection.shutdown(socket.SHUT_WR)
            assert process.stdout is not None
            assert process.stdout.read(6) == "hello\n"
            assert process.stdin is not None
            process.stdin.close()
            assert received(connection) == b""
        assert process.wait(timeout=20) == 0


@pytest.mark.parametrize(("kernel", "ours"), [("192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8::2")])
def test_a_client_comes_from_its_address_of_the_servers_version(kernel: str, ours: str, namespace: Namespace) -> None:
    with listening(namespace, "::") as listener, running(namespace, "nc", kernel, "7", *BOTH) as process:
        assert process.stdin is not None
        process.stdin.close()
        connection, peer = listener.accept()
        with connection:
            assert peer[0].removeprefix("::ffff:") == ours
            connection.sendall(b"welcome\n")
        assert process.stdout is not None
        assert process.stdout.read() == "welcome\n"
        assert process.wait(timeout=20) == 0


def test_a_refused_port_is_one_line_and_code_1(namespace: Namespace) -> None:
    with running(namespace, "nc", "192.0.2.1", "99") as process:
        line_with(process, "the kernel's end")
        assert "192.0.2.1:99" in line_with(process, "halfopen nc: ")
        assert process.wait(timeout=20) == 1


def test_a_reset_is_one_line_and_code_1(namespace: Namespace) -> None:
    with listening(namespace) as listener, running(namespace, "nc", "192.0.2.1", "7") as process:
        connection, _ = listener.accept()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.close()
        line_with(process, "halfopen nc: ")
        assert process.wait(timeout=20) == 1

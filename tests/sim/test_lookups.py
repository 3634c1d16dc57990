import asyncio
import socket

import pytest

from halfopen.base.errors import SimulationError
from tests.sim.socket_world import socket_hosts

STREAM = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")


def test_names_are_those_that_the_host_knows() -> None:
    with socket_hosts() as world:

        async def program() -> None:
            stream = socket.SOCK_STREAM
            assert socket.getaddrinfo("server", 80, type=stream) == [(*STREAM, ("192.0.2.2", 80))]
            assert socket.getaddrinfo("server", "80", 0, stream) == [(*STREAM, ("192.0.2.2", 80))]
            assert await asyncio.get_running_loop().getaddrinfo(b"server", 80, type=stream) == [
                (*STREAM, ("192.0.2.2", 80))
            ]
            assert socket.getnameinfo(("192.0.2.2", 80), 0) == ("server", "80")
            assert socket.gethostbyname("server") == "192.0.2.2"
            assert socket.gethostbyname_ex("server") == ("server", [], ["192.0.2.2"])
            assert socket.gethostbyaddr("192.0.2.2") == ("server", [], ["192.0.2.2"])
            assert socket.gethostname() == socket.getfqdn() == "client"
            assert socket.getfqdn("192.0.2.2") == "server"
            for lookup in (socket.gethostbyname, socket.gethostbyname_ex, socket.gethostbyaddr):
                with pytest.raises(socket.gaierror):
                    lookup("nobody")
            with pytest.raises(socket.herror):
                socket.gethostbyaddr("192.0.2.77")

        world.on_client(program)


def test_each_host_has_a_name_and_code_on_no_host_looks_nothing_up() -> None:
    with socket_hosts() as world:

        async def name() -> str:
            return socket.gethostname()

        async def main() -> list[str]:
            with pytest.raises(SimulationError, match="on no host"):
                socket.getaddrinfo("server", 80)
            return [await world.client.run(name()), await world.server.run(name()), socket.gethostname()]

        assert world.run(main) == ["client", "server", "localhost"]


def test_after_the_run_look_ups_are_real_again() -> None:
    real = {"getaddrinfo": socket.getaddrinfo, "gethostname": socket.gethostname}
    with socket_hosts():
        assert socket.getaddrinfo != real["getaddrinfo"]
    assert socket.getaddrinfo is real["getaddrinfo"]
    assert socket.gethostname is real["gethostname"]

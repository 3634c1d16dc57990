import asyncio

import pytest

from halfopen.base.errors import SimulationError
from halfopen.lab.permit import SIMULATION_ONLY
from halfopen.sim.network import Network
from halfopen.stack.config import IpConfig, StackConfig
from halfopen.stack.ports import Owner
from halfopen.tcp.config import SecurityConfig, TcpConfig
from tests.stack.tcp_world import PEER, PORT, Wire


def test_weaknesses_work_in_the_simulated_network_only() -> None:
    async def ask() -> str:
        SIMULATION_ONLY.check("a weakness")
        return "yes"

    with pytest.raises(SimulationError, match="a weakness: this works in the simulated network only"):
        SIMULATION_ONLY.check("a weakness")
    with Network() as network:
        assert network.run(ask()) == "yes"


def test_a_weak_host_outside_of_it_opens_no_connection() -> None:
    wire = Wire(TcpConfig(security=SecurityConfig(permit=SIMULATION_ONLY, rfc5961=False)))
    with pytest.raises(SimulationError):
        wire.near.tcp.connect((PEER, PORT), Owner("lab"), 0)


def test_a_weak_host_in_it_opens_connections() -> None:
    weak = StackConfig(
        ip=IpConfig(ip_id="global", permit=SIMULATION_ONLY),
        tcp=TcpConfig(security=SecurityConfig(permit=SIMULATION_ONLY, rfc5961=False)),
    )
    with Network() as network:
        server = network.host("server", "192.0.2.1/24", config=weak)
        client = network.host("client", "192.0.2.2/24", config=weak)
        network.link(server, client)

        async def talk() -> bytes:
            async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                writer.write(b"hello")
                writer.close()

            await server.start_server(greet, "192.0.2.1", 80)
            reader, writer = await client.open_connection("server", 80)
            greeting = await reader.read()
            writer.close()
            return greeting

        assert network.run(talk()) == b"hello"

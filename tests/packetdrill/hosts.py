"""A stack with a shell, for tests of commands."""

from halfopen.base.addresses import Prefix, parse_address
from halfopen.base.clock import SECOND
from halfopen.base.rng import SeededRng
from halfopen.packetdrill.profiles import PROFILES
from halfopen.packetdrill.script import Position
from halfopen.packetdrill.shell import Shell
from halfopen.packetdrill.shell_host import ShellHost
from halfopen.packetdrill.sysctls import Sysctls
from halfopen.stack.config import InterfaceConfig
from halfopen.stack.ports import Owner
from halfopen.stack.routes import Route
from halfopen.stack.stack import Stack
from halfopen.stack.tcp_socket import TcpSocket

NOW = 1000 * SECOND
HERE = Position(3, 5)
US, PEER = parse_address("192.0.2.1"), parse_address("198.51.100.7")


class Host:
    """One host and what was run on it."""

    def __init__(self, profile: str = "linux") -> None:
        chosen = PROFILES[profile]
        self.stack = Stack(chosen.stack, SeededRng(7))
        device = self.stack.add_interface(InterfaceConfig(name="tun0", kind="ip", addresses=("192.0.2.1/24",)))
        self.stack.routes.add(Route(prefix=Prefix.parse("198.51.100.0/24"), interface=device))
        self.sysctls = Sysctls(self.stack, chosen.dialect)
        self.shell = Shell(ShellHost(self.stack, self.sysctls, lambda: NOW))

    def run(self, text: str) -> str:
        """What a command prints."""
        return self.shell.run(text, HERE)

    def connects(self) -> TcpSocket:
        """A connection in SYN-SENT."""
        socket = self.stack.tcp.connect((PEER, 80), Owner("test"), NOW, local=(US, 8080))
        while self.stack.poll_transmit(NOW) is not None:
            pass
        return socket

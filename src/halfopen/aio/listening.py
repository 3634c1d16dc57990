"""The socket of a listening port, as a server shows it: its options are inherited by the connections to come."""

import socket as kernel

from halfopen.aio.sockets import TcpOptions
from halfopen.stack.tcp_socket import TcpListener
from halfopen.tcp.config import TcpConfig


class ListeningSocket(TcpOptions):
    """A name for a `TcpListener`; what is set here holds from the next connection on."""

    def __init__(self, listener: TcpListener) -> None:
        super().__init__(kernel.SOCK_STREAM, (listener.address, listener.port))
        self._listener = listener

    @property
    def config(self) -> TcpConfig:
        """For connections to come."""
        return self._listener.config

    def configure(self, config: TcpConfig) -> None:
        """Another choice for connections to come."""
        self._listener.configure(config)

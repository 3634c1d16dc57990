"""What sending does on FreeBSD alone: it may open the connection (``PR_IMPLOPCL``), and end it (``MSG_EOF``)."""

from halfopen.packetdrill.posix import Message
from halfopen.packetdrill.virtual_posix.stream import SHUT_WR
from halfopen.packetdrill.virtual_posix.tcp import TcpDescriptor


def send(socket: TcpDescriptor, message: Message) -> int:
    """``sendmsg()``: how many octets have been taken."""
    if message.name is not None and socket.stream is None and socket.listener is None:
        return _open(socket, message)
    taken = socket.send(message)
    _end(socket, message)
    return taken


def _open(socket: TcpDescriptor, message: Message) -> int:
    """The text goes with the SYN if Fast Open allows, and else when the connection stands; nobody waits for that."""
    assert message.name is not None
    is_early = bool(socket.kept.get("TCP_FASTOPEN")) and socket.config.fast_open.client
    stream = socket.open(socket.endpoint(message.name), early=is_early)
    stream.tcp.send(message.data, socket.kernel.now)
    message.taken = len(message.data)
    _end(socket, message)
    return message.taken


def _end(socket: TcpDescriptor, message: Message) -> None:
    if socket.kernel.has(message.flags, "MSG_EOF") and message.taken == len(message.data):
        socket.shutdown(SHUT_WR)

"""Text before the handshake (RFC 7413): MSG_FASTOPEN, and the first SEND after TCP_FASTOPEN_CONNECT."""

import errno
from collections.abc import Callable
from dataclasses import replace

from halfopen.base.errors import ConfigError
from halfopen.packetdrill.posix import Message
from halfopen.packetdrill.virtual_posix.kernel import failure
from halfopen.packetdrill.virtual_posix.stream import Stream
from halfopen.packetdrill.virtual_posix.tcp_face import TcpFace
from halfopen.tcp.config import FastOpenConfig
from halfopen.tcp.state import State
from halfopen.wire.tcp_options import MAXIMUM_OCTETS


def begin_early(socket: TcpFace, message: Message) -> None:
    """Opens the connection that ``message`` asks for, and gives the SYN as much of it as it takes.

    EOPNOTSUPP if the host does not do that; EINPROGRESS if there is no cookie yet: nothing has been taken.
    """
    if socket.kernel.has(message.flags, "MSG_FASTOPEN"):
        _open(socket, message)
    stream = socket.stream
    if stream is None:
        return
    if stream.is_deferred and message.data:
        _fill_syn(stream, message, socket)
    elif message.begun and not message.taken and not (stream.is_established or stream.is_over):
        waits = socket.is_blocking and socket.waits(message.flags)
        if not waits:
            raise failure(errno.EINPROGRESS)


def _open(socket: TcpFace, message: Message) -> None:
    stream = socket.stream
    if message.begun or (stream is not None and stream.is_deferred):
        return
    if stream is not None:
        stream.finish_connecting()
        return
    if not socket.config.fast_open.client or socket.listener is not None:
        raise failure(errno.EOPNOTSUPP)
    if message.name is None:
        raise failure(errno.EINVAL)
    message.begun = True
    socket.open(socket.endpoint(message.name), early=True)


def _fill_syn(stream: Stream, message: Message, socket: TcpFace) -> None:
    """A SYN takes what the server's MSS leaves beside all options that there may be; the rest waits (Linux)."""
    tcb = stream.tcp.connection.tcb
    early, opening = tcb.user.early, tcb.opening
    known = early.request.mss if early is not None and early.request is not None else 0
    room = min(opening.mss, known or opening.default_mss) - MAXIMUM_OCTETS
    piece = message.data[: max(0, room)]
    message.begun = True
    stream.tcp.send(piece, socket.kernel.now)
    message.taken = len(piece)


def set_server(socket: TcpFace, number: int) -> None:
    """TCP_FASTOPEN: how many connections may wait with their SYN's text; only of who listens or may come to."""
    if number < 0 or socket.state not in (State.LISTEN, State.CLOSED):
        raise failure(errno.EINVAL)
    socket.kept["TCP_FASTOPEN"] = number
    _choose(socket, lambda chosen: replace(chosen, server=number > 0, backlog=number))


def set_client(socket: TcpFace, number: int) -> None:
    """TCP_FASTOPEN_CONNECT: ``connect()`` waits for the first SEND if there is a cookie."""
    if not 0 <= number <= 1 or socket.state is not State.CLOSED:
        raise failure(errno.EINVAL)
    if not socket.config.fast_open.client:
        raise failure(errno.EOPNOTSUPP)
    socket.kept["TCP_FASTOPEN_CONNECT"] = number


def set_no_cookie(socket: TcpFace, number: int) -> None:
    """TCP_FASTOPEN_NO_COOKIE: neither asked for nor needed."""
    if not 0 <= number <= 1 or socket.state not in (State.LISTEN, State.CLOSED):
        raise failure(errno.EINVAL)
    socket.kept["TCP_FASTOPEN_NO_COOKIE"] = number
    on = bool(number)
    _choose(socket, lambda chosen: replace(chosen, sends_no_cookie=on, needs_no_cookie=on))


def set_keys(socket: TcpFace, value: bytes) -> None:
    """TCP_FASTOPEN_KEY: one key, or one and its predecessor."""
    try:
        _choose(
            socket, lambda chosen: replace(chosen, keys=tuple(value[at : at + 16] for at in range(0, len(value), 16)))
        )
    except ConfigError:
        raise failure(errno.EINVAL) from None


def get_keys(socket: TcpFace) -> bytes:
    """The keys, one behind the other."""
    return b"".join(socket.config.fast_open.keys)


def _choose(socket: TcpFace, change: Callable[[FastOpenConfig], FastOpenConfig]) -> None:
    socket.configure(replace(socket.config, fast_open=change(socket.config.fast_open)))

"""Text before the handshake (RFC 7413): MSG_FASTOPEN, and the first SEND after TCP_FASTOPEN_CONNECT."""

import errno
from collections.abc import Callable
from dataclasses import replace

from halfopen.packetdrill.posix import Message
from halfopen.packetdrill.virtual_posix.kernel import failure
from halfopen.packetdrill.virtual_posix.stream import Stream
from halfopen.packetdrill.virtual_posix.tcp_face import TcpFace
from halfopen.tcp.early import syn_room
from halfopen.tcp.fast_open_config import FastOpenConfig
from halfopen.tcp.siphash import KEY_OCTETS
from halfopen.tcp.state import State

MOST_WAITING = 4096
"""``net.core.somaxconn``."""


def begin_early(socket: TcpFace, message: Message) -> None:
    """Opens the connection that ``message`` asks for, and gives the SYN as much of it as it takes.

    EOPNOTSUPP if the host does not do that; EINPROGRESS if there is no cookie yet: nothing has been taken.
    """
    if socket.kernel.has(message.flags, "MSG_FASTOPEN"):
        _open(socket, message)
    stream = socket.stream
    if stream is None:
        return
    if stream.is_deferred:
        _fill_syn(stream, message, socket)
    if message.begun and not message.taken and not (stream.is_established or stream.is_over):
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
    if not _host(socket).client or socket.listener is not None:
        raise failure(errno.EOPNOTSUPP)
    if message.name is None:
        raise failure(errno.EINVAL)
    message.begun = True
    socket.open(socket.endpoint(message.name), early=True)


def _fill_syn(stream: Stream, message: Message, socket: TcpFace) -> None:
    """A SYN takes what `syn_room` says; the rest waits (Linux)."""
    tcb = stream.tcp.connection.tcb
    early = tcb.user.early
    assert early is not None
    assert early.request is not None  # what is deferred has one
    piece = message.data[: syn_room(tcb, early.request)]
    message.begun = True
    stream.tcp.send(piece, socket.kernel.now)
    message.taken = len(piece)


def limit_children(socket: TcpFace, backlog: int) -> None:
    """A listener that takes text without having asked for it (sysctl): as many may wait with it as without."""
    chosen = socket.config.fast_open
    if chosen.server and chosen.may_serve and not socket.kept.get("TCP_FASTOPEN"):
        set_server(socket, max(0, backlog))


def set_server(socket: TcpFace, number: int) -> None:
    """TCP_FASTOPEN: how many connections may wait with their SYN's text; only of who listens or may come to."""
    number = min(number, MOST_WAITING)
    if number < 0 or socket.state not in (State.LISTEN, State.CLOSED):
        raise failure(errno.EINVAL)
    socket.kept["TCP_FASTOPEN"] = number
    _choose(socket, lambda chosen: replace(chosen, server=number > 0, backlog=number))


def set_client(socket: TcpFace, number: int) -> None:
    """TCP_FASTOPEN_CONNECT: ``connect()`` waits for the first SEND if there is a cookie."""
    if not 0 <= number <= 1 or socket.state is not State.CLOSED:
        raise failure(errno.EINVAL)
    if not _host(socket).client:
        raise failure(errno.EOPNOTSUPP)
    socket.kept["TCP_FASTOPEN_CONNECT"] = number


def set_no_cookie(socket: TcpFace, number: int) -> None:
    """TCP_FASTOPEN_NO_COOKIE: neither asked for nor needed."""
    if not 0 <= number <= 1 or socket.state not in (State.LISTEN, State.CLOSED):
        raise failure(errno.EINVAL)
    socket.kept["TCP_FASTOPEN_NO_COOKIE"] = number
    on, host = bool(number), _host(socket)
    sends, needs_none = on or host.sends_no_cookie, on or host.needs_no_cookie
    _choose(socket, lambda chosen: replace(chosen, sends_no_cookie=sends, needs_no_cookie=needs_none))


def _host(socket: TcpFace) -> FastOpenConfig:
    """What the host's sysctls say now."""
    return socket.kernel.stack.tcp.config.tcp.fast_open


def set_keys(socket: TcpFace, value: bytes) -> None:
    """TCP_FASTOPEN_KEY: one key, or one and its predecessor."""
    if len(value) not in (KEY_OCTETS, 2 * KEY_OCTETS):
        raise failure(errno.EINVAL)
    keys = tuple(value[at : at + KEY_OCTETS] for at in range(0, len(value), KEY_OCTETS))
    _choose(socket, lambda chosen: replace(chosen, keys=keys))


def get_keys(socket: TcpFace) -> bytes:
    """The keys, one behind the other."""
    return b"".join(socket.config.fast_open.keys)


def _choose(socket: TcpFace, change: Callable[[FastOpenConfig], FastOpenConfig]) -> None:
    socket.configure(replace(socket.config, fast_open=change(socket.config.fast_open)))

"""Sockets of the kernel's that stand for connections of ours.

Some libraries make a real `socket.socket`, call ``loop.sock_connect`` with it and pass it on (aiohappyeyeballs,
pymongo). The handshake is then done on our stack, and the kernel's socket, never connected, serves as its name only.
"""

import socket as kernel
from weakref import WeakKeyDictionary, finalize

from halfopen.aio.connected import Connected
from halfopen.aio.options import OPTIONS
from halfopen.stack.tcp_socket import TcpSocket

CARRIED = frozenset(
    {
        (kernel.IPPROTO_TCP, kernel.TCP_NODELAY),
        (kernel.SOL_SOCKET, kernel.SO_KEEPALIVE),
    }
)
"""Options that the kernel's socket is asked for."""


class Adoptions:
    """Which sockets of the kernel's stand for which connections. One that is dropped takes its connection along."""

    def __init__(self) -> None:
        self._states: WeakKeyDictionary[kernel.socket, Connected] = WeakKeyDictionary()
        self._finalizers: WeakKeyDictionary[kernel.socket, finalize[..., kernel.socket]] = WeakKeyDictionary()

    def adopt(self, sock: kernel.socket, state: Connected) -> None:
        """From now on ``sock`` stands for the connection of ``state``, and what was set on it counts there."""
        for level, name in CARRIED & OPTIONS.keys():
            state.names.setsockopt(level, name, sock.getsockopt(level, name))
        self._states[sock] = state
        self._finalizers[sock] = finalize(sock, state.close)

    def find(self, sock: kernel.socket) -> Connected | None:
        """What ``sock`` stands for."""
        return self._states.get(sock)

    def release(self, sock: kernel.socket) -> TcpSocket | None:
        """``sock`` has done its service and is closed; its connection goes on."""
        state = self._states.pop(sock, None)
        if state is None:
            return None
        self._finalizers.pop(sock).detach()
        sock.close()
        return state.release()

"""TCP_MD5SIG: the keys of TCP MD5 (RFC 2385) as a program hands them to Linux."""

import errno

from halfopen.base.addresses import Prefix, format_address
from halfopen.packetdrill.virtual_posix.kernel import failure
from halfopen.packetdrill.virtual_posix.socket import unmapped
from halfopen.packetdrill.virtual_posix.tcp_face import TcpFace
from halfopen.tcp.master_keys import Md5Key

_OCTETS = 216
"""``struct tcp_md5sig``: a socket address, flags, prefix length, key length, interface, key."""
_ADDRESS_4, _ADDRESS_6 = slice(4, 8), slice(8, 24)
_FLAGS, _PREFIX, _LENGTH, _KEY = 128, 129, slice(130, 132), 136
_MOST = 80
_HAS_PREFIX = 1


def set_prefix_md5_key(socket: TcpFace, value: bytes) -> None:
    """TCP_MD5SIG_EXT: as `set_md5_key`, but that the flags mean something."""
    set_md5_key(socket, value, is_extended=True)


def set_md5_key(socket: TcpFace, value: bytes, *, is_extended: bool = False) -> None:
    """A key for who is named, in the place of an older one; one without octets takes that back. EINVAL, ENOENT."""
    if len(value) < _OCTETS:
        raise failure(errno.EINVAL)
    kernel = socket.kernel
    family, length = int.from_bytes(value[:2], "little"), int.from_bytes(value[_LENGTH], "little")
    families = {kernel.number("AF_INET"): _ADDRESS_4, kernel.number("AF_INET6"): _ADDRESS_6}
    if family != socket.family or length > _MOST:
        raise failure(errno.EINVAL)
    address = unmapped(value[families[family]])
    peer = format_address(address)
    if is_extended and value[_FLAGS] & _HAS_PREFIX:
        if value[_PREFIX] > 8 * len(address):
            raise failure(errno.EINVAL)
        peer = str(Prefix.of(address, value[_PREFIX]))
    _replace(socket, peer, value[_KEY : _KEY + length])


def _replace(socket: TcpFace, peer: str, secret: bytes) -> None:
    keys, tcp = socket.kernel.md5_keys, socket.kernel.stack.tcp
    if not secret and peer not in keys:
        raise failure(errno.ENOENT)
    if peer in keys:
        tcp.add_key(None).remove(keys.pop(peer))
    if secret:
        keys[peer] = Md5Key(secret=secret, peer=peer)
        tcp.add_key(keys[peer])

"""The digest of TCP MD5 (RFC 2385) in packets of scripts: ``md5 valid`` with ``--tcp_md5_secret``."""

from hashlib import md5
from struct import Struct

from halfopen.base.addresses import Address
from halfopen.packetdrill.mapping import Unmapped
from halfopen.wire.ipv4 import PROTOCOL_TCP

DIGEST_OCTETS = 16
BARE_OCTETS = 20
"""A TCP header without options."""
_CHECKSUM = slice(16, 18)
_PSEUDO = (Struct("!4s4sxBH"), Struct("!16s16sI3xB"))


def digest(secret: str | None, ends: tuple[Address, Address], header: bytes, text: bytes) -> bytes:
    """Of a segment from the first of ``ends`` to the second: pseudo-header, header without options, text, secret."""
    if secret is None:
        raise Unmapped("'md5 valid' needs --tcp_md5_secret")
    octets = len(header) + len(text)
    source, destination = ends
    if len(source) == 4:
        pseudo = _PSEUDO[0].pack(source, destination, PROTOCOL_TCP, octets)
    else:
        pseudo = _PSEUDO[1].pack(source, destination, octets, PROTOCOL_TCP)
    bare = bytearray(header[:BARE_OCTETS])
    bare[_CHECKSUM] = b"\0\0"
    return md5(pseudo + bytes(bare) + text + secret.encode("latin-1"), usedforsecurity=False).digest()


def spliced(options: bytes, at: int, octets: bytes) -> bytes:
    """``options`` with ``octets`` in place of what lies ``at``."""
    return options[:at] + octets + options[at + len(octets) :]

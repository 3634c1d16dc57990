"""TCP MD5 signatures (RFC 2385), which RFC 5925 has made obsolete.

One key, which nothing can replace while the connection lives; no sequence number extension and no initial sequence
numbers, so that what was once said can be said again; a hash with the key behind the text instead of a MAC.
"""

import hmac
from hashlib import md5
from typing import Final

from halfopen.base.octets import Buffers
from halfopen.tcp.authentication import pseudo_header, reverse, with_option, without_checksum
from halfopen.tcp.master_keys import Md5Key
from halfopen.wire import tcp
from halfopen.wire.tcp import Segment
from halfopen.wire.tcp_options import MD5_SIGNATURE

DIGEST_OCTETS: Final = 16
OPTION_OCTETS: Final = 20
"""With padding."""


def sign(key: Md5Key, flow: bytes, segment: Segment) -> None:
    """Puts the option on a segment of ours; ``flow`` is that of what we receive."""
    with_option(segment, MD5_SIGNATURE, bytes(DIGEST_OCTETS))
    assert segment.options is not None
    digest = _digest(key, reverse(flow), tcp.emit(segment, 0), segment.payload)
    segment.options.unknown = (*segment.options.unknown[:-1], (MD5_SIGNATURE, digest))


def is_authentic(key: Md5Key, flow: bytes, segment: Segment, header: bytes, digest: bytes) -> bool:
    """Whether ``digest``, the value of the option of a received segment, is right."""
    return hmac.compare_digest(digest, _digest(key, flow, header, segment.payload))


def _digest(key: Md5Key, flow: bytes, header: bytes, text: Buffers) -> bytes:
    """Pseudo-header, header without options, text, key (RFC 2385 2.0)."""
    octets = len(header) + sum(map(len, text))
    hashed = md5(pseudo_header(flow, octets) + without_checksum(header), usedforsecurity=False)
    for piece in text:
        hashed.update(piece)
    hashed.update(key.secret)
    return hashed.digest()

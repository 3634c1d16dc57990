"""The seam for speed: the few hot functions that read and write headers, as there are in `codec_struct`.

The compiled build has `codec_native` in the place of that (see ``hatch_build.py``). Both do the same, octet for octet.
"""

from halfopen.wire.codec_struct import (
    Headers,
    make_headers,
    octets_of,
    pack_ipv4,
    pack_tcp,
    pack_tcp_with_timestamps,
    put_flags,
    put_half,
    put_lengths,
    put_word,
    read_ipv4,
    read_tcp,
    read_tcp_with_timestamps,
    sum_range,
    sum_words,
    sums_to_zero,
)

__all__ = [
    "Headers",
    "make_headers",
    "octets_of",
    "pack_ipv4",
    "pack_tcp",
    "pack_tcp_with_timestamps",
    "put_flags",
    "put_half",
    "put_lengths",
    "put_word",
    "read_ipv4",
    "read_tcp",
    "read_tcp_with_timestamps",
    "sum_range",
    "sum_words",
    "sums_to_zero",
]

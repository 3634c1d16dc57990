"""``md5 valid``: the digest by our own stack's rules and by the script's must be the same."""

import pytest

from halfopen.base.addresses import parse_address
from halfopen.packetdrill.mapping import Unmapped
from halfopen.packetdrill.signing import digest, spliced
from halfopen.stack.demux import make_flow
from halfopen.tcp import md5_signature
from halfopen.tcp.master_keys import Md5Key
from halfopen.wire import tcp
from halfopen.wire.tcp import ACK, Segment


@pytest.mark.parametrize(("source", "destination"), [("192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8::2")])
def test_the_stack_signs_what_a_script_calls_valid(source: str, destination: str) -> None:
    ends = parse_address(source), parse_address(destination)
    segment = Segment(80, 8080, seq=1, ack=2, flags=ACK, window=3)
    segment.payload, segment.octets = (bytes(5),), 5
    md5_signature.sign(Md5Key(secret=b"word"), make_flow(ends[1], 8080, ends[0], 80), segment)
    assert segment.options is not None
    signed = segment.options.unknown[-1][1]
    assert digest("word", ends, tcp.emit(segment, 0), bytes(5)) == signed


def test_without_a_secret_nothing_is_valid() -> None:
    with pytest.raises(Unmapped, match="--tcp_md5_secret"):
        digest(None, (bytes(4), bytes(4)), bytes(20), b"")


def test_octets_take_the_place_of_others() -> None:
    assert spliced(b"abcdef", 2, b"XY") == b"abXYef"

from hashlib import md5

from halfopen.base.addresses import parse_address
from halfopen.tcp.authentication import reverse
from halfopen.tcp.master_keys import Md5Key
from halfopen.tcp.md5_signature import OPTION_OCTETS, is_authentic, sign
from halfopen.wire import tcp
from halfopen.wire.tcp import ACK, Segment
from halfopen.wire.tcp_options import MD5_SIGNATURE, Options

KEY = Md5Key(secret=b"hush")
FLOW = parse_address("192.0.2.2") + parse_address("192.0.2.1") + (4242).to_bytes(2, "big") + (179).to_bytes(2, "big")


def signed(options: Options | None = None) -> Segment:
    segment = Segment(179, 4242, 1, 2, ACK, 3, 0, options, (b"some ", b"text"), 9)
    sign(KEY, FLOW, segment)
    return segment


def test_the_digest_is_of_pseudo_header_header_without_options_text_and_key() -> None:
    segment = signed()
    header = tcp.emit(segment, 0)
    pseudo = parse_address("192.0.2.1") + parse_address("192.0.2.2") + b"\0\6" + (len(header) + 9).to_bytes(2, "big")
    digest = md5(pseudo + header[:20] + b"some text" + b"hush").digest()
    assert segment.options is not None
    assert segment.options.unknown == ((MD5_SIGNATURE, digest),)
    assert len(header) == 20 + OPTION_OCTETS


def test_the_other_end_finds_it_authentic_whatever_the_checksum_and_not_with_another_key() -> None:
    segment = signed(Options(timestamps=(1, 2)))
    header = tcp.emit(segment, 0x1234)
    assert segment.options is not None
    digest = segment.options.unknown[0][1]
    assert is_authentic(KEY, reverse(FLOW), segment, header, digest)
    assert not is_authentic(Md5Key(secret=b"push"), reverse(FLOW), segment, header, digest)
    assert not is_authentic(KEY, FLOW[::-1], segment, header, digest)

import pytest

from halfopen.base.errors import ConfigError
from halfopen.tcp.keyed import KEYED_HASHES, SipHash, make_keyed
from halfopen.tcp.siphash import siphash

SECRET = bytes(range(32))


@pytest.mark.parametrize("name", KEYED_HASHES)
def test_a_word_is_32_bits_of_secret_purpose_and_data(name: str) -> None:
    words = {
        make_keyed(name, secret, purpose).word(data)
        for secret in (SECRET, SECRET[:16])
        for purpose in (b"one", b"other")
        for data in (b"", b"octets")
    }
    assert len(words) == 8
    assert max(words) < 1 << 32
    assert make_keyed(name, SECRET, b"one").word(b"octets") in words


def test_siphash_tells_its_key_to_those_who_compute_it_elsewhere() -> None:
    keyed = SipHash(SECRET, b"purpose")
    assert keyed.word(b"octets") == siphash(keyed.key, b"octets") & 0xFFFFFFFF


def test_an_unknown_hash_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected one of blake2s, siphash"):
        make_keyed("md5", SECRET, b"purpose")

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from halfopen.links.vector_siphash import VectorSipHash
from halfopen.tcp.siphash import siphash

KEYS = st.binary(min_size=16, max_size=16)


@given(KEYS, st.integers(0, 30).flatmap(lambda size: st.lists(st.binary(min_size=size, max_size=size), min_size=1)))
def test_each_hash_is_that_of_its_input_alone(key: bytes, inputs: list[bytes]) -> None:
    padded = [data + bytes(7 - len(data) % 8) + bytes((len(data),)) for data in inputs]
    table = np.frombuffer(b"".join(padded), "<u8").reshape(len(inputs), -1)
    found = VectorSipHash(key).hash([np.ascontiguousarray(column) for column in table.T])
    assert found.tolist() == [siphash(key, data) for data in inputs]


@given(KEYS, st.lists(st.integers(0, 2**64 - 1), min_size=1))
def test_a_word_that_all_share_is_given_once(key: bytes, words: list[int]) -> None:
    shared = np.array([8 << 56], np.uint64)
    found = VectorSipHash(key).hash([np.array(words, np.uint64), shared])
    assert found.tolist() == [siphash(key, word.to_bytes(8, "little")) for word in words]


def test_a_key_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="16 octets, not 15"):
        VectorSipHash(bytes(15))

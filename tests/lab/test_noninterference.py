import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from halfopen.lab.noninterference import DOUBTFUL, LEAKS, OPEN, SECRETS, Probe, difference, trace
from halfopen.stack.config import StackConfig

PROBES = st.builds(
    Probe,
    origin=st.sampled_from(["own", "client", "fresh"]),
    flags=st.sampled_from(["", "S", "S.", "R", "R.", ".", "P.", "F", "F.", "FPU", "SF"]),
    port=st.sampled_from([OPEN, OPEN, DOUBTFUL + 1]),
    offset=st.integers(0, 2**32 - 1) | st.integers(-3, 3) | st.sampled_from([1000, 2**31]),
    ack=st.integers(0, 2**32 - 1),
    octets=st.sampled_from([0, 0, 1, 100]),
    count=st.sampled_from([1, 1, 2, 30]),
    wait=st.sampled_from([0, 1, 20, 700]),
)


@pytest.mark.parametrize("name", LEAKS)
def test_each_known_leak_is_found(name: str) -> None:
    leak = LEAKS[name]
    assert difference(leak.secret, leak.probes, leak.config) is not None


@pytest.mark.parametrize("name", LEAKS)
def test_without_the_leak_the_same_probes_see_no_difference(name: str) -> None:
    leak = LEAKS[name]
    assert difference(leak.secret, leak.probes, leak.safe) is None


@pytest.mark.parametrize("name", LEAKS)
def test_the_probes_are_answered(name: str) -> None:
    leak = LEAKS[name]
    assert trace(leak.secret, leak.probes, leak.safe, bit=True)


@pytest.mark.parametrize("secret", SECRETS)
@settings(max_examples=30, deadline=None, derandomize=True)
@given(probes=st.lists(PROBES, min_size=1, max_size=6))
def test_no_packets_tell_an_attacker_the_secret_of_a_host_of_ours(secret: str, probes: list[Probe]) -> None:
    assert difference(secret, probes, StackConfig()) is None


def test_the_clients_number_is_that_of_the_world_with_its_connection() -> None:
    # A RST at exactly that number ends the connection: the next one, which is doubtful, is no longer challenged.
    leak = LEAKS["challenge limit"]
    doubtful = Probe(origin="client", flags="R", offset=1)
    assert difference(leak.secret, (doubtful, leak.probes[1]), leak.config) is not None
    exact = Probe(origin="client", flags="R")
    assert difference(leak.secret, (exact, doubtful, leak.probes[1]), leak.config) is None

"""A client and a server on one cable, for libraries of others; what was on the cable is kept and compared."""

import asyncio
import functools
import io
import ssl
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import trustme

from halfopen.capture.pcapng import Reader
from halfopen.capture.record import Record
from halfopen.sim.cable import Cable
from halfopen.sim.host import SimHost
from halfopen.sim.network import Network

T = TypeVar("T")

WORDS = "delay 20ms"


class Lab:
    """``client`` and ``server`` on a cable of 20 ms. A scenario is a program on the client."""

    def __init__(self, network: Network, words: str) -> None:
        self.network = network
        self.client: SimHost = network.host("client")
        self.server: SimHost = network.host("server")
        self.cable: Cable = network.link(self.client, self.server, words)

    @property
    def now(self) -> float:
        """Virtual seconds since the start, to the microsecond."""
        return round(self.network.loop.time() - 1000.0, 6)

    def serve(self, program: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Starts a program on the server."""
        return self.server.run(program)

    def partition(self) -> None:
        """Nothing crosses the cable any more."""
        self.network.partition(self.client, self.server)

    def heal(self) -> None:
        """As before the partition."""
        self.network.heal(self.client, self.server)


Scenario = Callable[[Lab], Coroutine[Any, Any, T]]


def record(scenario: Scenario[T], words: str = WORDS) -> tuple[T, bytes]:
    """What ``scenario`` returns, and the pcapng of what it sent; nothing may have been reported to the loop."""
    file = io.BytesIO()
    complaints: list[dict[str, Any]] = []
    with Network(1, isolated=True) as network:
        lab = Lab(network, words)
        network.capture(file)
        network.loop.set_exception_handler(lambda loop, context: complaints.append(context))

        async def main() -> T:
            return await lab.client.run(scenario(lab))

        result = network.run(main())
        # Python 3.11 makes a fuss about each handler of a stream that is cancelled with its host.
        serious = [each for each in complaints if not isinstance(each.get("exception"), asyncio.CancelledError)]
        assert not serious, serious
        return result, file.getvalue()


def play(scenario: Scenario[T], words: str = WORDS) -> T:
    """What ``scenario`` returns, the same in two runs in which the same octets crossed the cable at the same times."""
    return compared(scenario, words, lambda record: (record.when, record.interface, bytes(record.octets)))


def play_secretly(scenario: Scenario[T], words: str = WORDS) -> T:
    """As `play`, but of the octets only their number has to be the same: OpenSSL's secrets are nobody's to repeat."""
    for_server(), for_client()  # Made before the clocks are virtual: OpenSSL judges their dates by the real one.
    return compared(scenario, words, lambda record: (record.when, record.interface, len(record.octets)))


def compared(scenario: Scenario[T], words: str, fingerprint: Callable[[Record], object]) -> T:
    (result, first), (again, second) = record(scenario, words), record(scenario, words)
    pairs = zip(Reader(io.BytesIO(first)), Reader(io.BytesIO(second)), strict=True)
    for number, (one, other) in enumerate(pairs, start=1):
        assert fingerprint(one) == fingerprint(other), f"packet {number}: {one} against {other}"
    assert result == again
    return result


@functools.cache
def authority() -> trustme.CA:
    """Who signs the certificates of all servers."""
    return trustme.CA(key_type=trustme.KeyType.RSA)


@functools.cache
def for_server(key_type: trustme.KeyType = trustme.KeyType.RSA) -> ssl.SSLContext:
    """With a certificate for ``server``; an RSA signature always has the same length, one by ECDSA has not."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority().issue_cert("server", key_type=key_type).configure_cert(context)
    return context


@functools.cache
def for_client() -> ssl.SSLContext:
    """Trusts the authority only."""
    context = ssl.create_default_context(cafile=None)
    authority().configure_trust(context)
    return context


def certificate() -> str:
    """The authority's, for those who read it themselves."""
    return authority().cert_pem.bytes().decode()

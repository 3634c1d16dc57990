"""A run with everything that the network does to packets; prints the digest of its capture, packets and times.

python -m tests.sim.traced SEED
"""

import asyncio
import hashlib
import io
import sys

from halfopen.sim.network import Network
from tests.sim.world import echo, serve

WORDS = "delay 10ms 3ms loss 2% duplicate 1% reorder 1% corrupt 0.5% rate 20mbit limit 100"
OCTETS = 200_000


async def exchange(pattern: bytes) -> None:
    """Sends a stream to the echo and checks what comes back."""
    reader, writer = await asyncio.open_connection("server", 7)
    writer.write(pattern * (OCTETS // len(pattern)))
    writer.write_eof()
    assert await reader.read() == pattern * (OCTETS // len(pattern))
    writer.close()
    await writer.wait_closed()


def capture(seed: str) -> bytes:
    """The pcapng of three streams at once over a bad link."""
    file = io.BytesIO()
    with Network(seed) as network:
        client, server = network.host("client"), network.host("server")
        cable = network.link(client, server, WORDS)
        network.capture(file)

        async def main() -> None:
            await server.run(serve(echo))
            await asyncio.gather(*(client.run(exchange(bytes((65 + number,)) * 1000)) for number in range(3)))

        network.run(main())
        fates = cable.counters.snapshot()
        assert {"CableLost", "CableDuplicated", "CableCorrupted", "CableReordered"} <= fates.keys()
    return file.getvalue()


def digest(seed: str) -> str:
    """SHA-256 of `capture`."""
    return hashlib.sha256(capture(seed)).hexdigest()


if __name__ == "__main__":
    print(digest(sys.argv[1]))

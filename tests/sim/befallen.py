"""A run in which hosts are paused, killed and rebooted behind a NAT; prints the digest of its capture.

python -m tests.sim.befallen
"""

import asyncio
import hashlib
import io

from halfopen.sim.network import Network
from tests.sim.world import echo, serve


async def talk(number: int) -> None:
    """Asks and waits in turn, until it is done or something befalls it."""
    reader, writer = await asyncio.open_connection("server", 7)
    try:
        async with asyncio.timeout(60):
            for _ in range(20):
                writer.write(bytes(5000))
                await reader.readexactly(5000)
                await asyncio.sleep(0.5 + number / 10)
    except (OSError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


def digest() -> str:
    """SHA-256 of the pcapng of all that."""
    file = io.BytesIO()
    with Network(seed=3) as network:
        a, b, server = network.host("a"), network.host("b"), network.host("server")
        nat = network.nat("nat", idle_timeout=50, on_expire="rst")
        network.switch("lan", a, b, nat, words="delay 1ms loss 5%")
        network.link(nat, server, "delay 10ms 2ms loss 3%")
        network.capture(file)

        async def main() -> None:
            await server.run(serve(echo))
            tasks = [host.run(talk(number)) for number in range(3) for host in (a, b)]
            await asyncio.sleep(3)
            server.pause()
            b.pause()
            await asyncio.sleep(4)
            server.resume()
            b.resume()
            await asyncio.sleep(2)
            b.kill()
            server.power_off()
            await asyncio.sleep(2)
            server.power_on()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            assert [type(result) for result in results] == [type(None), asyncio.CancelledError] * 3
            assert (await b.ping("server")).received > 0

        network.run(main())
    return hashlib.sha256(file.getvalue()).hexdigest()


if __name__ == "__main__":
    print(digest())

import functools
from typing import Any

import asyncssh
import pytest

from tests.sim.libraries.world import Lab, play_secretly


class Guest(asyncssh.SSHServer):
    """Lets everybody in."""

    def begin_auth(self, username: str) -> bool:
        return False


async def shout(process: asyncssh.SSHServerProcess[str]) -> None:
    async for line in process.stdin:
        process.stdout.write(line.upper())
    process.exit(0)


@functools.cache
def host_key() -> asyncssh.SSHKey:
    """Of Ed25519: all of its signatures have one length."""
    return asyncssh.generate_private_key("ssh-ed25519")


async def start() -> asyncssh.SSHAcceptor:
    return await asyncssh.listen(
        "", 22, server_factory=Guest, server_host_keys=[host_key()], process_factory=shout, encoding="utf-8"
    )


def connect(**options: object) -> Any:
    known = ([host_key().convert_to_public()], [], [])
    return asyncssh.connect("server", 22, username="guest", known_hosts=known, client_keys=None, config=None, **options)


async def session(lab: Lab) -> str:
    await lab.serve(start())
    async with connect() as connection:
        result = await connection.run("shout", input="quietly\n" * 1000)
        assert isinstance(result.stdout, str)
        return result.stdout


async def keep_alive(lab: Lab) -> float:
    await lab.serve(start())
    connection = await connect(keepalive_interval=15, keepalive_count_max=3)
    lab.server.power_off()
    began = lab.now
    await connection.wait_closed()
    return lab.now - began


def test_a_program_is_run_on_the_server() -> None:
    assert play_secretly(session) == "QUIETLY\n" * 1000


def test_keep_alive_finds_the_server_without_power() -> None:
    assert play_secretly(keep_alive) == pytest.approx(60, abs=1e-6)

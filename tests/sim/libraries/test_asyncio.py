"""What asyncio itself builds on a transport: TLS in the middle of a stream, and sending files."""

import asyncio
import hashlib
import io
from contextlib import closing

from tests.sim.libraries.world import Lab, for_client, for_server, play, play_secretly

BODY = bytes(range(256)) * 8192


async def upgrade(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with closing(writer):
        assert await reader.readline() == b"STARTTLS\n"
        writer.write(b"go\n")
        await writer.start_tls(for_server())
        while line := await reader.readline():
            writer.write(line.upper())
            await writer.drain()


async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with closing(writer):
        writer.write(hashlib.sha256(await reader.read()).digest())


async def in_the_middle(lab: Lab) -> tuple[str, bytes]:
    await lab.serve(asyncio.start_server(upgrade, None, 7))
    reader, writer = await asyncio.open_connection("server", 7)
    writer.write(b"STARTTLS\n")
    assert await reader.readline() == b"go\n"
    await writer.start_tls(for_client(), server_hostname="server")
    writer.write(b"secret " * 1000 + b"\n")
    answer = await reader.readline()
    version = writer.get_extra_info("ssl_object").version()
    writer.close()
    await writer.wait_closed()
    return version, answer


async def file(lab: Lab) -> tuple[int, bytes]:
    await lab.serve(asyncio.start_server(swallow, None, 7))
    reader, writer = await asyncio.open_connection("server", 7)
    sent = await asyncio.get_running_loop().sendfile(writer.transport, io.BytesIO(BODY), fallback=True)
    writer.write_eof()
    digest = await reader.read()
    writer.close()
    await writer.wait_closed()
    return sent, digest


def test_both_ends_start_tls_in_the_middle_of_a_stream() -> None:
    assert play_secretly(in_the_middle) == ("TLSv1.3", b"SECRET " * 1000 + b"\n")


def test_a_file_is_sent_whole() -> None:
    assert play(file) == (len(BODY), hashlib.sha256(BODY).digest())

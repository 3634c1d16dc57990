import asyncio
import ssl

import pytest
import trustme

from tests.aio.world import two_hosts

pytestmark = pytest.mark.asyncio

PORT = 7443
PIECE = bytes(range(256)) * 4096


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def for_server(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("server").configure_cert(context)
    return context


@pytest.fixture
def for_client(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()
    await writer.wait_closed()


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, question: bytes) -> bytes:
    writer.write(question)
    answer = await reader.readexactly(len(question))
    writer.close()
    await writer.wait_closed()
    return answer


async def test_octets_cross_tls_in_both_directions(for_server: ssl.SSLContext, for_client: ssl.SSLContext) -> None:
    async with two_hosts() as (client, server):
        listening = await server.start_server(echo, None, PORT, ssl=for_server)
        reader, writer = await client.open_connection("server", PORT, ssl=for_client)
        assert writer.get_extra_info("peername") == ("192.0.2.2", PORT)
        assert writer.get_extra_info("cipher")
        assert writer.get_extra_info("ssl_object").version() == "TLSv1.3"
        assert await ask(reader, writer, PIECE) == PIECE
        listening.close()
        await listening.wait_closed()


async def test_a_name_that_the_certificate_lacks_fails_the_connection(
    for_server: ssl.SSLContext, for_client: ssl.SSLContext
) -> None:
    async with two_hosts() as (client, server):
        listening = await server.start_server(echo, None, PORT, ssl=for_server)
        with pytest.raises(ssl.SSLCertVerificationError):
            await client.open_connection("192.0.2.2", PORT, ssl=for_client)
        listening.close()
        await listening.wait_closed()


async def test_a_connection_is_upgraded_in_the_middle(for_server: ssl.SSLContext, for_client: ssl.SSLContext) -> None:
    async def upgrade(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readline() == b"STARTTLS\n"
        writer.write(b"go\n")
        await writer.drain()
        await writer.start_tls(for_server)
        await echo(reader, writer)

    async with two_hosts() as (client, server):
        listening = await server.start_server(upgrade, None, PORT)
        reader, writer = await client.open_connection("server", PORT)
        writer.write(b"STARTTLS\n")
        assert await reader.readline() == b"go\n"
        await writer.start_tls(for_client, server_hostname="server")
        assert await ask(reader, writer, b"secret") == b"secret"
        listening.close()
        await listening.wait_closed()


async def test_arguments_about_tls_must_not_contradict_each_other() -> None:
    async with two_hosts() as (client, server):
        with pytest.raises(ValueError, match="server_hostname"):
            await client.open_connection("server", PORT, server_hostname="server")
        with pytest.raises(ValueError, match="ssl_handshake_timeout"):
            await client.open_connection("server", PORT, ssl_handshake_timeout=3.0)
        with pytest.raises(TypeError, match="SSLContext"):
            await server.start_server(echo, None, PORT, ssl=True)

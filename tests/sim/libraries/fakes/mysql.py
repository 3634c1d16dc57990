"""A MySQL server, as far as clients need it (dev.mysql.com, Client/Server Protocol)."""

import asyncio
import struct
from contextlib import closing

PORT = 3306
CAPABILITIES = 0x0000_0001 | 0x0000_0200 | 0x0000_2000 | 0x0000_8000 | 0x0008_0000
"""LONG_PASSWORD, PROTOCOL_41, TRANSACTIONS, SECURE_CONNECTION, PLUGIN_AUTH."""
AUTOCOMMIT = 2
QUIT, QUERY, PING = 1, 3, 14
UTF8MB4 = 45
VAR_STRING = 0xFD


def sized(text: bytes) -> bytes:
    """A length-encoded string."""
    head = bytes((len(text),)) if len(text) < 251 else b"\xfc" + struct.pack("<H", len(text))
    return head + text


OK = b"\x00\x00\x00" + struct.pack("<HH", AUTOCOMMIT, 0)
EOF = b"\xfe" + struct.pack("<HH", 0, AUTOCOMMIT)


def handshake() -> bytes:
    """HandshakeV10, with a nonce that nobody checks."""
    capabilities = struct.pack("<HBHH", CAPABILITIES & 0xFFFF, UTF8MB4, AUTOCOMMIT, CAPABILITIES >> 16)
    return (
        b"\x0a" + b"8.0.39\0" + struct.pack("<I", 7) + b"noncenon\0" + capabilities
        + b"\x15" + bytes(10) + b"cenoncenonce\0" + b"mysql_native_password\0"
    )  # fmt: skip


def column(name: bytes) -> bytes:
    """ColumnDefinition41."""
    names = b"".join(map(sized, (b"def", b"", b"", b"", name, name)))
    return names + b"\x0c" + struct.pack("<HIBHBH", UTF8MB4, 1024, VAR_STRING, 0, 0, 0)


class Mysql:
    """``SELECT 'text'`` has one row with the text; every other statement is fine. ``log`` holds them all."""

    def __init__(self) -> None:
        self.log: list[str] = []

    async def start(self) -> asyncio.AbstractServer:
        return await asyncio.start_server(self._talk, None, PORT)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def send(number: int, *packets: bytes) -> None:
            for count, packet in enumerate(packets, start=number):
                writer.write(len(packet).to_bytes(3, "little") + bytes((count,)) + packet)

        async def receive() -> tuple[int, bytes]:
            head = await reader.readexactly(4)
            return head[3], await reader.readexactly(int.from_bytes(head[:3], "little"))

        with closing(writer):
            try:
                send(0, handshake())
                number, _ = await receive()
                send(number + 1, OK)
                while (command := (await receive())[1])[0] != QUIT:
                    send(1, *self._answer(command))
            except (asyncio.IncompleteReadError, OSError):
                return

    def _answer(self, command: bytes) -> list[bytes]:
        if command[0] == QUERY:
            statement = command[1:].decode()
            self.log.append(statement)
            if statement.upper().startswith("SELECT"):
                text = statement.split("'")[1].encode()
                return [b"\x01", column(b"text"), EOF, sized(text), EOF]
        return [OK]

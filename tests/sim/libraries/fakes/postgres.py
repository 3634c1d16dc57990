"""A PostgreSQL server, as far as clients need it (PostgreSQL documentation, 55. Frontend/Backend Protocol)."""

import asyncio
import ssl
import struct
from contextlib import closing

PORT = 5432
SSL_REQUEST = 80877103
TEXT = 25
SETTINGS = {
    "server_version": "16.4",
    "server_encoding": "UTF8",
    "client_encoding": "UTF8",
    "TimeZone": "UTC",
    "integer_datetimes": "on",
    "standard_conforming_strings": "on",
}


def message(kind: bytes, body: bytes = b"") -> bytes:
    return kind + struct.pack("!i", 4 + len(body)) + body


READY = message(b"Z", b"I")


def values_of(bind: bytes) -> list[bytes]:
    """The parameters in a Bind message."""
    at = bind.index(b"\0", bind.index(b"\0") + 1) + 1
    formats = int.from_bytes(bind[at : at + 2], "big")
    at += 2 + 2 * formats
    count, values = int.from_bytes(bind[at : at + 2], "big"), []
    at += 2
    for _ in range(count):
        length = int.from_bytes(bind[at : at + 4], "big")
        values.append(bind[at + 4 : at + 4 + length])
        at += 4 + length
    return values


class Postgres:
    """Every statement takes as many texts as it has dollars, and returns a row with each of them in capitals.

    ``log`` holds the simple queries.
    """

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.context = context
        self.log: list[str] = []

    async def start(self) -> asyncio.AbstractServer:
        return await asyncio.start_server(self._talk, None, PORT)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer):
            try:
                await self._greet(reader, writer)
                session = Session(self.log)
                while (kind := await reader.readexactly(1)) != b"X":
                    length = int.from_bytes(await reader.readexactly(4), "big") - 4
                    writer.write(session.answer(kind, await reader.readexactly(length)))
            except (asyncio.IncompleteReadError, OSError):
                return

    async def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length, code = struct.unpack("!ii", await reader.readexactly(8))
        if code == SSL_REQUEST:
            writer.write(b"S" if self.context else b"N")
            if self.context:
                await writer.start_tls(self.context)
            length, code = struct.unpack("!ii", await reader.readexactly(8))
        await reader.readexactly(length - 8)
        settings = [f"{name}\0{value}\0".encode() for name, value in SETTINGS.items()]
        writer.write(message(b"R", struct.pack("!i", 0)) + b"".join(message(b"S", each) for each in settings))
        writer.write(message(b"K", struct.pack("!ii", 4711, 1)) + READY)


class Session:
    """What one client has prepared."""

    def __init__(self, log: list[str]) -> None:
        self.log = log
        self.columns: dict[bytes, int] = {}
        self.row: list[bytes] = []

    def answer(self, kind: bytes, body: bytes) -> bytes:
        """To one message of the client's."""
        match kind:
            case b"Q":
                self.log.append(body.rstrip(b"\0").decode())
                return message(b"C", b"RESET\0") + READY
            case b"P":
                name, query, _ = body.split(b"\0", 2)
                self.columns[name] = query.count(b"$")
                return message(b"1")
            case b"D":
                return self._describe(self.columns[body[1:-1]])
            case b"B":
                self.row = values_of(body)
                return message(b"2")
            case b"E":
                cells = b"".join(struct.pack("!i", len(value)) + value.upper() for value in self.row)
                row = message(b"D", struct.pack("!h", len(self.row)) + cells)
                return row + message(b"C", b"SELECT 1\0")
            case b"C":
                return message(b"3")
            case b"S":
                return READY
            case _:
                return b""

    def _describe(self, columns: int) -> bytes:
        parameters = struct.pack(f"!h{columns}i", columns, *[TEXT] * columns)
        fields = b"".join(
            f"text{number}\0".encode() + struct.pack("!ihihih", 0, 0, TEXT, -1, -1, 1) for number in range(columns)
        )
        return message(b"t", parameters) + message(b"T", struct.pack("!h", columns) + fields)

"""A NATS server, as far as clients need it (docs.nats.io, Client Protocol)."""

import asyncio
import json
from contextlib import closing

PORT = 4222
INFO = {"server_id": "fake", "version": "2.10.0", "proto": 1, "max_payload": 1 << 20, "headers": True}


class Nats:
    """Subjects are literal, but for a ``*`` or ``>`` at the end."""

    def __init__(self) -> None:
        self._subscriptions: dict[tuple[asyncio.StreamWriter, bytes], bytes] = {}

    async def start(self) -> asyncio.AbstractServer:
        return await asyncio.start_server(self._talk, None, PORT)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"INFO %s\r\n" % json.dumps(INFO).encode())
        with closing(writer):
            while line := await reader.readline():
                await self._answer(line.split(), reader, writer)

    async def _answer(self, words: list[bytes], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        match words:
            case b"PING", *_:
                writer.write(b"PONG\r\n")
            case b"SUB", subject, *_, number:
                self._subscriptions[writer, number] = subject
            case b"UNSUB", number, *_:
                self._subscriptions.pop((writer, number), None)
            case b"PUB", subject, *reply, length:
                payload = await reader.readexactly(int(length) + 2)
                self._publish(subject, reply, payload)

    def _publish(self, subject: bytes, reply: list[bytes], payload: bytes) -> None:
        length = b"%d" % (len(payload) - 2)
        for (writer, number), pattern in self._subscriptions.items():
            if subject == pattern or (pattern[-1:] in b"*>" and subject.startswith(pattern[:-1])):
                writer.write(b" ".join((b"MSG", subject, number, *reply, length)) + b"\r\n" + payload)

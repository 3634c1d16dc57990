"""A Redis server, as far as clients need it (RESP, redis.io/docs/reference/protocol-spec)."""

import asyncio
import ssl
from contextlib import closing

PORT = 6379

Reply = bytes | int | str | None | list["Reply"] | dict[bytes, "Reply"] | Exception


def emit(reply: Reply) -> bytes:
    """``reply`` in RESP 3; a str is a simple string, an exception an error."""
    match reply:
        case None:
            return b"_\r\n"
        case int():
            return b":%d\r\n" % reply
        case str():
            return b"+%s\r\n" % reply.encode()
        case bytes():
            return b"$%d\r\n%s\r\n" % (len(reply), reply)
        case list():
            return b"*%d\r\n" % len(reply) + b"".join(map(emit, reply))
        case dict():
            return b"%%%d\r\n" % len(reply) + b"".join(emit(key) + emit(value) for key, value in reply.items())
        case _:
            return b"-ERR %s\r\n" % str(reply).encode()


async def parse(reader: asyncio.StreamReader) -> list[bytes]:
    """One command: an array of bulk strings."""
    words = []
    for _ in range(int((await reader.readuntil(b"\r\n"))[1:])):
        length = int((await reader.readuntil(b"\r\n"))[1:])
        words.append((await reader.readexactly(length + 2))[:-2])
    return words


class Redis:
    """Strings and counters in memory. ``log`` holds the names of all commands."""

    def __init__(self) -> None:
        self.values: dict[bytes, bytes] = {}
        self.log: list[str] = []

    async def start(self, context: ssl.SSLContext | None = None) -> asyncio.AbstractServer:
        return await asyncio.start_server(self._talk, None, PORT, ssl=context)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        queued: list[list[bytes]] | None = None
        with closing(writer):
            while True:
                try:
                    name, *words = await parse(reader)
                except (asyncio.IncompleteReadError, OSError):
                    return
                name = name.upper()
                self.log.append(name.decode())
                if name == b"BLPOP":
                    continue  # Waits for what nobody ever pushes.
                if name == b"MULTI":
                    queued, reply = [], "OK"
                elif name == b"EXEC" and queued is not None:
                    queued, reply = None, [self.reply(*command) for command in queued]
                elif queued is not None:
                    queued.append([name, *words])
                    reply = "QUEUED"
                else:
                    reply = self.reply(name, *words)
                writer.write(emit(reply))

    def reply(self, name: bytes, *words: bytes) -> Reply:
        """What a command outside of a transaction is answered."""
        match name, *words:
            case b"HELLO", *_:
                return {b"server": b"redis", b"version": b"7.4.0", b"proto": 3, b"role": b"master", b"modules": []}
            case b"CLIENT", *_:
                return "OK"
            case (b"PING",):
                return "PONG"
            case b"SET", key, value, *_:
                self.values[key] = value
                return "OK"
            case b"GET", key:
                return self.values.get(key)
            case b"INCRBY", key, by:
                self.values[key] = b"%d" % (int(self.values.get(key, b"0")) + int(by))
                return int(self.values[key])
            case _:
                return ValueError(f"unknown command {name.decode()!r}")

"""A MongoDB server, as far as clients need it (mongodb.com, Wire Protocol): OP_MSG, and OP_QUERY for hello."""

import asyncio
import itertools
import struct
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import bson

PORT = 27017
OP_REPLY, OP_QUERY, OP_MSG = 1, 2004, 2013
MORE_TO_COME, EXHAUST_ALLOWED = 1 << 1, 1 << 16

Document = dict[str, Any]


def sections_of(body: bytes) -> Iterator[tuple[str, Document]]:
    """The command under the name ``""``, and the documents that stand in sequences of their own."""
    at = 4
    while at < len(body):
        kind, at = body[at], at + 1
        length = int.from_bytes(body[at : at + 4], "little")
        section = body[at : at + length]
        if kind == 0:
            yield "", bson.decode(section)
        else:
            name, documents = section[4:].split(b"\0", 1)
            yield from ((name.decode(), document) for document in bson.decode_all(documents))
        at += length


class Mongo:
    """One node with collections in memory; finds what is equal. ``log`` holds the names of all commands but hello."""

    def __init__(self) -> None:
        self.collections: dict[str, list[Document]] = {}
        self.log: list[str] = []
        self._numbers = itertools.count(1)

    async def start(self) -> asyncio.AbstractServer:
        return await asyncio.start_server(self._talk, None, PORT)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer):
            try:
                while True:
                    length, number, _, code = struct.unpack("<iiii", await reader.readexactly(16))
                    await self._answer(await reader.readexactly(length - 16), number, code, writer)
            except (asyncio.IncompleteReadError, OSError):
                return

    async def _answer(self, body: bytes, number: int, code: int, writer: asyncio.StreamWriter) -> None:
        def send(code: int, head: bytes, document: Document) -> None:
            message = head + bson.encode(document)
            writer.write(struct.pack("<iiii", 16 + len(message), next(self._numbers), number, code) + message)

        if code == OP_QUERY:
            send(OP_REPLY, struct.pack("<iqii", 8, 0, 0, 1), self._hello())
            return
        command: Document = {}
        for name, document in sections_of(body):
            if name:
                command.setdefault(name, []).append(document)
            else:
                command.update(document)
        if "maxAwaitTimeMS" in command:
            await asyncio.sleep(command["maxAwaitTimeMS"] / 1000)  # Until the topology changes, which it never does.
        send(OP_MSG, struct.pack("<iB", 0, 0), self.reply(command))

    def reply(self, command: Document) -> Document:
        """What a command is answered."""
        name = next(iter(command))
        if name in ("hello", "ismaster", "isMaster"):
            return self._hello()
        self.log.append(name)
        match name:
            case "insert":
                self.collections.setdefault(command["insert"], []).extend(command["documents"])
                return {"n": len(command["documents"]), "ok": 1.0}
            case "find":
                wanted = command["filter"].items()
                documents = self.collections.get(command["find"], [])
                found = [each for each in documents if wanted <= each.items()]
                batch = found[: command.get("limit") or None]
                return {"cursor": {"firstBatch": batch, "id": 0, "ns": f"b.{command['find']}"}, "ok": 1.0}
            case _:
                return {"ok": 1.0}

    def _hello(self) -> Document:
        return {
            "helloOk": True, "isWritablePrimary": True, "ismaster": True, "minWireVersion": 0, "maxWireVersion": 21,
            "maxBsonObjectSize": 16_777_216, "maxMessageSizeBytes": 48_000_000, "maxWriteBatchSize": 100_000,
            "readOnly": False, "ok": 1.0,
        }  # fmt: skip

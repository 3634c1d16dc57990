"""An SMTP server (RFC 5321), with STARTTLS (RFC 3207)."""

import asyncio
import ssl
from contextlib import closing

PORT = 587


class Smtp:
    """Accepts whatever it is given; ``mails`` holds it."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.mails: list[bytes] = []
        self._context = context

    async def start(self) -> asyncio.AbstractServer:
        return await asyncio.start_server(self._talk, None, PORT)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer):
            writer.write(b"220 server ESMTP\r\n")
            is_secret = False
            while line := await reader.readline():
                verb = line.split()[0].upper()
                if verb == b"DATA":
                    writer.write(b"354 go on\r\n")
                    self.mails.append(await reader.readuntil(b"\r\n.\r\n"))
                offer = self._context is not None and not is_secret
                writer.write(self._reply(verb, offer))
                if verb == b"STARTTLS" and self._context is not None:
                    await writer.start_tls(self._context)
                    is_secret = True
                if verb == b"QUIT":
                    return

    def _reply(self, verb: bytes, offer: bool) -> bytes:
        match verb:
            case b"EHLO":
                return b"250-server\r\n" + b"250-STARTTLS\r\n" * offer + b"250 SIZE 10000000\r\n"
            case b"STARTTLS":
                return b"220 go on\r\n"
            case b"QUIT":
                return b"221 bye\r\n"
            case _:
                return b"250 fine\r\n"

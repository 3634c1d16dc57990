"""A toy service that trusts addresses, in the manner of rsh (BSD 4.2 rshd): no password, only where a call comes from.

Who calls from a port that is reserved, and from an address that ``.rhosts`` names, may give one command. The request
is rsh's: ``"0\\0local-user\\0remote-user\\0command\\0"``; the answer a zero octet and the output, or an octet 1 and why
not. The language has three commands, and that is enough to give a host away::

    echo WORDS > FILE        echo WORDS >> FILE        cat FILE

``+ +`` in ``.rhosts`` trusts everybody: ``echo + + >> .rhosts`` is what was written in 1994. Nothing of this touches
real files: there is a dictionary.
"""

import asyncio

from halfopen.aio.host import Host
from halfopen.base.counters import Counters

PORT = 514
"""``shell``, as in /etc/services."""
LOGIN = 513
"""``login``: what else such hosts had open, and where the flood goes."""
RESERVED = 1024
"""Ports below are the superuser's: what rsh took for a proof."""
RHOSTS = ".rhosts"
EVERYBODY = "+ +"
LONGEST = 1024
REFUSED, DONE = b"\x01", b"\x00"


def request(command: str, user: str = "root") -> bytes:
    """What a client sends: no connection for errors, the user's name on both hosts, the command."""
    return b"\0".join((b"0", user.encode(), user.encode(), command.encode(), b""))


class Shell:
    """The service's state, and what its language does to it."""

    def __init__(self, *trusted: str) -> None:
        self.files = {RHOSTS: "".join(f"{address}\n" for address in trusted)}

    def trusts(self, address: str) -> bool:
        """Whether ``.rhosts`` has a line for ``address``, or for everybody."""
        lines = [" ".join(line.split()) for line in self.files.get(RHOSTS, "").splitlines()]
        return EVERYBODY in lines or address in lines

    def execute(self, command: str) -> str:
        """What it prints; ValueError for what is no command."""
        words = command.split()
        if words[:1] == ["cat"] and len(words) == 2:
            if words[1] not in self.files:
                raise ValueError(f"{words[1]}: no such file")
            return self.files[words[1]]
        if words[:1] == ["echo"] and len(words) > 2 and words[-2] in (">", ">>"):
            before = self.files.get(words[-1], "") if words[-2] == ">>" else ""
            self.files[words[-1]] = before + " ".join(words[1:-2]) + "\n"
            return ""
        raise ValueError(f"{words[0] if words else 'nothing'}: not found")


class TrustService:
    """Serves `Shell` on a host. Counters: ``TrustRefused``, ``TrustExecuted``, ``TrustErrors``."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        self.counters = Counters()
        self.log: list[tuple[str, str]] = []
        """(address, command) of all that was executed."""

    async def start(self, host: Host, port: int = PORT) -> asyncio.AbstractServer:
        """Listens on all addresses of ``host``."""
        return await host.start_server(self.serve, None, port)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: one command."""
        address, port = writer.get_extra_info("peername")[:2]
        try:
            writer.write(self._answer(str(address), int(port), await _fields(reader)))
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            self.counters.add("TrustErrors")
        finally:
            writer.close()

    def _answer(self, address: str, port: int, fields: list[str]) -> bytes:
        if port >= RESERVED or not self.shell.trusts(address):
            self.counters.add("TrustRefused")
            return REFUSED + b"Permission denied.\n"
        command = fields[-1]
        try:
            output = self.shell.execute(command)
        except ValueError as error:
            self.counters.add("TrustErrors")
            return REFUSED + f"{error}\n".encode()
        self.counters.add("TrustExecuted")
        self.log.append((address, command))
        return DONE + output.encode()


async def _fields(reader: asyncio.StreamReader) -> list[str]:
    """The four strings of a request: the port for errors, both users, the command."""
    return [(await reader.readuntil(b"\0"))[:-1].decode("ascii", "replace") for _ in range(4)]


async def shell_command(host: Host, server: str, command: str, local_port: int = RESERVED - 1) -> bytes:
    """``rsh server command`` from ``host``: the whole answer, with the octet that says whether it was done."""
    reader, writer = await host.open_connection(server, PORT, local_addr=(None, local_port))
    try:
        writer.write(request(command))
        return await reader.read()
    finally:
        writer.close()

"""Port tables that other processes can see.

Each host of the command line answers on a UNIX socket ``PID-N.sock`` in ``$XDG_RUNTIME_DIR/halfopen``, or in
``/run/halfopen`` where that variable is not set: whoever connects gets the table as JSON, and the end of the stream. A
path in the file system reaches across network namespaces. Only the same user (and root) may connect.
"""

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path

from halfopen.aio.host import Host
from halfopen.base.addresses import format_address, parse_address
from halfopen.stack.ports import Owner, PortRow

SYSTEM_DIRECTORY = Path("/run/halfopen")
ANSWER_TIMEOUT = 2.0
"""Seconds; a process that is stopped does not answer."""

JsonRow = dict[str, str | int | None]


def directory() -> Path:
    """Where processes of this user publish."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    return Path(runtime) / "halfopen" if runtime else SYSTEM_DIRECTORY


def as_json(row: PortRow) -> JsonRow:
    """A row for programs."""
    return {
        "netid": row.netid,
        "state": row.state,
        "recv_q": row.recv_q,
        "send_q": row.send_q,
        "local_address": format_address(row.local),
        "local_port": row.local_port,
        "peer_address": format_address(row.remote),
        "peer_port": row.remote_port,
        "program": row.owner.program,
        "pid": row.owner.pid,
        "task": row.owner.name,
    }


def from_json(row: JsonRow) -> PortRow:
    """The reverse of `as_json`; KeyError, TypeError or ValueError if it is none."""
    pid, program = row["pid"], row["program"]
    owner = Owner(str(row["task"]), None if pid is None else int(pid), None if program is None else str(program))
    return PortRow(
        netid=str(row["netid"]),
        state=str(row["state"]),
        recv_q=int(row["recv_q"] or 0),
        send_q=int(row["send_q"] or 0),
        local=parse_address(str(row["local_address"])),
        local_port=int(row["local_port"] or 0),
        remote=parse_address(str(row["peer_address"])),
        remote_port=int(row["peer_port"] or 0),
        owner=owner,
    )


@asynccontextmanager
async def published(*hosts: Host) -> AsyncIterator[None]:
    """The port tables of ``hosts`` can be seen by others; where nothing can be published, nothing happens."""
    server: asyncio.AbstractServer | None = None
    path: Path | None = None

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        rows = [as_json(row) for host in hosts for row in host.stack.ports.listing()]
        writer.write(json.dumps(rows).encode())
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    with suppress(OSError):
        path = _free_path()
        server = await asyncio.start_unix_server(answer, path)
        path.chmod(0o600)
    try:
        yield
    finally:
        if server is not None:
            server.close()
        if path is not None:
            path.unlink(missing_ok=True)


def _free_path() -> Path:
    home = directory()
    home.mkdir(mode=0o755, exist_ok=True)
    return next(path for number in count() if not (path := home / f"{os.getpid()}-{number}.sock").exists())


def published_tables() -> Iterator[Sequence[PortRow]]:
    """The table of every process that answers; what a process has left behind that died is removed."""
    for path in sorted({*directory().glob("*.sock"), *SYSTEM_DIRECTORY.glob("*.sock")}):
        try:
            rows = json.loads(_ask(path))
            yield [from_json(row) for row in rows]
        except ConnectionRefusedError:
            with suppress(OSError):
                path.unlink()
        except (OSError, ValueError, TypeError, KeyError):
            continue  # of another user, just gone, or not ours


def _ask(path: Path) -> bytes:
    with socket.socket(socket.AF_UNIX) as asking:
        asking.settimeout(ANSWER_TIMEOUT)
        asking.connect(str(path))
        pieces: list[bytes] = []
        while piece := asking.recv(65536):
            pieces.append(piece)
        return b"".join(pieces)

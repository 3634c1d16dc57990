import asyncio
import json
import os
import socket
from pathlib import Path

import pytest

from halfopen.cli.published import as_json, directory, from_json, published, published_tables
from halfopen.stack.ports import Owner, PortRow
from tests.aio.world import lone_host
from tests.cli.running import invoke

ROW = PortRow(
    netid="tcp",
    state="ESTAB",
    recv_q=1,
    send_q=2,
    local=b"\xc0\0\2\2",
    local_port=80,
    remote=b"\xc0\0\2\1",
    remote_port=40000,
    owner=Owner("main", 77, "halfopen"),
)


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


def test_a_row_survives_the_journey() -> None:
    assert from_json(json.loads(json.dumps(as_json(ROW)))) == ROW


def test_an_owner_whom_nobody_knows_survives_as_well() -> None:
    row = PortRow(**{**{name: getattr(ROW, name) for name in PortRow.__slots__}, "owner": Owner("-")})
    assert from_json(json.loads(json.dumps(as_json(row)))) == row


def test_tables_are_in_the_runtime_directory_or_else_the_systems(
    runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert directory() == runtime / "halfopen"
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert directory() == runtime / "system"


@pytest.mark.asyncio
async def test_ss_shows_the_ports_of_a_host_while_it_is_published(runtime: Path) -> None:
    host = lone_host(asyncio.get_running_loop())
    server = await host.start_server(serve, "192.0.2.2", 8080)
    await host.create_datagram_endpoint(asyncio.DatagramProtocol, ("192.0.2.2", 53))
    async with published(host):
        (path,) = (runtime / "halfopen").iterdir()
        assert path.stat().st_mode & 0o777 == 0o600
        everything = await asyncio.to_thread(invoke, "ss", "-a")
        listening = await asyncio.to_thread(invoke, "ss", "-tlnp", "--json")
        udp = await asyncio.to_thread(invoke, "ss", "-u", "--json")
    assert [line.split()[4] for line in everything.stdout.splitlines()[1:]] == ["192.0.2.2:8080", "192.0.2.2:53"]
    assert f'users:(("server",pid={os.getpid()},' in everything.stdout
    (row,) = json.loads(listening.stdout)
    assert (row["netid"], row["state"], row["local_port"], row["pid"]) == ("tcp", "LISTEN", 8080, os.getpid())
    assert [row["local_port"] for row in json.loads(udp.stdout)] == [53]
    assert not list((runtime / "halfopen").iterdir())
    server.close()
    host.pump.close()


@pytest.mark.asyncio
async def test_several_hosts_of_one_process_are_apart(runtime: Path) -> None:
    first, second = (lone_host(asyncio.get_running_loop()) for _ in range(2))
    async with published(first), published(second):
        assert len(list((runtime / "halfopen").iterdir())) == 2
    for host in (first, second):
        host.pump.close()


@pytest.mark.asyncio
async def test_where_nothing_can_be_published_the_host_runs_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "missing"))
    host = lone_host(asyncio.get_running_loop())
    async with published(host):
        assert list(published_tables()) == []
    host.pump.close()


def test_what_a_dead_process_has_left_is_removed(runtime: Path) -> None:
    path = runtime / "halfopen" / "1-0.sock"
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
    assert list(published_tables()) == []
    assert not path.exists()


@pytest.mark.parametrize("answer", [b"", b"{", b"[{}]", b'[{"pid": "x"}]', b"7", b'"text"'])
def test_an_answer_that_is_no_table_is_passed_over(runtime: Path, answer: bytes) -> None:
    path = runtime / "halfopen" / "1-0.sock"
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as asking:
        listening.bind(str(path))
        listening.listen()
        asking.connect(str(path))
        tables = asyncio.run(answered(listening, answer))
    assert tables == []


async def answered(listening: socket.socket, answer: bytes) -> list[object]:
    asking = asyncio.create_task(asyncio.to_thread(lambda: list[object](published_tables())))
    for _ in range(2):
        connection, _ = await asyncio.to_thread(listening.accept)
        with connection:
            connection.sendall(answer)
    return await asking

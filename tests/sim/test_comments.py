"""Comments in captures, against what Wireshark makes of the same packets."""

import asyncio
import csv
import io
import shutil
import socket
import subprocess
from collections import Counter
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest

from halfopen.capture.pcapng import Reader
from halfopen.sim.comments import why
from halfopen.sim.host import SimHost
from halfopen.sim.network import Network
from halfopen.wire import ethernet, ipv4, tcp
from halfopen.wire.packet import Packet
from tests.sim.world import echo, serve, swallow

WORDS = ("retransmission", "out_of_order", "duplicate_ack")
FIELDS = ("frame.comment", "tcp.len", "tcp.srcport", *(f"tcp.analysis.{word}" for word in WORDS))
RETRANSMISSIONS = ("RTO", "retransmission", "tail loss probe")

Program = Callable[[SimHost], Coroutine[object, object, None]]


def capture(words: str, program: Program, seed: int = 1) -> bytes:
    """What ``program`` does on the client, with a server that swallows (port 7) and one that echoes (port 8)."""
    file = io.BytesIO()
    with Network(seed=seed) as network:
        client, server = network.host("client"), network.host("server")
        network.link(client, server, words)
        network.capture(file)

        async def main() -> None:
            await server.run(serve(swallow))
            await server.run(serve(echo, 8))
            await client.run(program(server))
            await asyncio.sleep(1)

        network.run(main())
    return file.getvalue()


def comments(octets: bytes, host: str) -> list[str]:
    """Those of what ``host`` has sent, in order."""
    records = [each for each in Reader(io.BytesIO(octets)) if each.interface.name.startswith(f"{host}.")]
    return [each.comment for each in records if each.direction == "outbound" and each.comment]


async def upload(server: SimHost) -> None:
    reader, writer = await asyncio.open_connection("server", 7)
    writer.write(bytes(600_000))
    writer.write_eof()
    assert await reader.read() == b"600000"
    writer.close()


def analysed(octets: bytes, host: str, folder: Path) -> list[dict[str, str]]:
    """What tshark says of the packets that ``host`` has seen."""
    whole, part = folder / "whole.pcapng", folder / f"{host}.pcapng"
    whole.write_bytes(octets)
    seen = f'frame.interface_name == "{host}.eth0"'
    subprocess.run(["tshark", "-r", whole, "-Y", seen, "-w", part], check=True, capture_output=True, timeout=60)
    options = ["-T", "fields", "-E", "separator=,", "-E", "quote=d", "-E", "occurrence=f"]
    fields = [word for name in FIELDS for word in ("-e", name)]
    lines = subprocess.run(
        ["tshark", "-r", str(part), "-Y", "tcp", *options, *fields],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout
    return list(csv.DictReader(lines.splitlines(), FIELDS))


@pytest.mark.skipif(not shutil.which("tshark"), reason="needs tshark")
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_comments_of_a_lossy_transfer_agree_with_wireshark(seed: int, tmp_path: Path) -> None:
    octets = capture("delay 20ms rate 10mbit limit 40 loss 2%", upload, seed)
    sent = [row for row in analysed(octets, "client", tmp_path) if row["tcp.srcport"] != "7" and row["tcp.len"] != "0"]
    said = {number: any(word in row["frame.comment"] for word in RETRANSMISSIONS) for number, row in enumerate(sent)}
    # What is sent again within 3 ms or a round trip of something later tshark takes for reordering, also at the sender.
    words = ("tcp.analysis.retransmission", "tcp.analysis.out_of_order")
    seen = {number: any(row[word] for word in words) for number, row in enumerate(sent)}
    assert sum(said.values()) > 5
    assert said == seen
    acks = [row for row in analysed(octets, "server", tmp_path) if row["tcp.srcport"] == "7"]
    said = {number: "duplicate ACK" in row["frame.comment"] for number, row in enumerate(acks)}
    seen = {number: bool(row["tcp.analysis.duplicate_ack"]) for number, row in enumerate(acks)}
    assert sum(said.values()) > 30
    assert said == seen


def test_a_packet_can_have_a_reason_and_a_fate() -> None:
    kinds = Counter(comments(capture("delay 20ms rate 10mbit limit 40 loss 10%", upload), "client"))
    fates = {kind for kind in kinds if kind.endswith("; lost by link client-server (loss 10%)")}
    assert {kind.partition(";")[0] for kind in fates} & {"fast retransmission", "RACK retransmission"}


def test_a_connect_into_the_dark_says_how_often_it_was_tried() -> None:
    octets = capture("delay 20ms", knock)
    assert comments(octets, "client") == ["SYN retransmission 1", "SYN retransmission 2", "SYN retransmission 3"]


async def warm_up() -> None:
    """ARP is past after it."""
    _, writer = await asyncio.open_connection("server", 7)
    writer.close()
    await asyncio.sleep(1)


async def knock(server: SimHost) -> None:
    await warm_up()
    server.power_off()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.open_connection("server", 7), 10)


async def write_and_wait(server: SimHost) -> None:
    await warm_up()
    reader, writer = await asyncio.open_connection("server", 8)
    writer.write(b"hello")
    assert await reader.read(5) == b"hello"
    server.power_off()
    writer.write(b"hello?")
    await asyncio.sleep(2)
    writer.transport.abort()


def test_a_write_into_the_dark_says_which_timer_it_was() -> None:
    said = comments(capture("delay 20ms", write_and_wait), "client")
    assert said == ["tail loss probe", "RTO 1, 0.24 s", "RTO 2, 0.48 s", "RTO 3, 0.96 s"]


async def keep_alive(server: SimHost) -> None:
    reader, writer = await asyncio.open_connection("server", 8)
    writer.write(b"hello")
    assert await reader.read(5) == b"hello"
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 10)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5)
    await asyncio.sleep(15)
    server.power_off()
    await asyncio.sleep(16)
    writer.transport.abort()


def test_keep_alive_probes_and_their_answers_are_told_apart_from_text() -> None:
    octets = capture("delay 20ms", keep_alive)
    assert comments(octets, "client") == [f"keep-alive probe {number}" for number in (1, 1, 2, 3)]
    assert comments(octets, "server") == ["answer to a probe"]


def test_a_peer_that_is_half_open_for_ever_is_sent_its_syn_ack_again() -> None:
    file = io.BytesIO()
    with Network() as network:
        client, server = network.host("client"), network.host("server")
        network.link(client, server, "delay 20ms")
        network.capture(file)

        async def main() -> None:
            await server.run(serve(swallow))
            await client.run(warm_up())
            program = client.run(warm_up())
            await asyncio.sleep(0.03)
            client.power_off()
            await asyncio.sleep(4)
            assert program.cancelled()

        network.run(main())
    assert comments(file.getvalue(), "server") == ["SYN,ACK retransmission 1", "SYN,ACK retransmission 2"]


def test_of_other_packets_there_is_nothing_to_say() -> None:
    with Network() as network:
        client, server = network.host("client"), network.host("server")
        network.link(client, server)
        source, destination = (host.stack.interfaces[0].addresses[0][0] for host in (client, server))
        udp = ipv4.emit(ipv4.Ipv4(source, destination, ipv4.PROTOCOL_UDP), 8) + bytes(8)
        fragment = ipv4.emit(ipv4.Ipv4(source, destination, ipv4.PROTOCOL_TCP, more_fragments=True), 24) + bytes(24)
        short = ipv4.emit(ipv4.Ipv4(source, destination, ipv4.PROTOCOL_TCP), 8) + bytes(8)
        for octets in (udp, fragment, short, b"", bytes(14)):
            assert why(client.pump, Packet(octets)) is None
            assert why(client.pump, Packet(ethernet.emit(bytes(6), bytes(6), 0x0800) + octets)) is None
        nobody = tcp.emit(tcp.Segment(1, 2, 3, flags=tcp.ACK), 0)
        stray = ipv4.emit(ipv4.Ipv4(source, destination, ipv4.PROTOCOL_TCP), len(nobody)) + nobody
        assert why(client.pump, Packet(stray)) is None

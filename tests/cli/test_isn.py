import asyncio
import json
from pathlib import Path

import pytest

from halfopen.base.rng import SeededRng
from halfopen.lab.crafting import make_segment
from halfopen.lab.generators import GENERATORS
from halfopen.lab.predictability import Sample, nmap_figures
from halfopen.lab.scenario import Settings
from halfopen.lab.world import Layout, World
from halfopen.stack.config import StackConfig, TcpLayerConfig
from tests.cli.running import complaint, invoke

VALUES = "1F3AB004,1F3C2404,1F3D9804,1F3F0C04,1F408004,1F41F404"
XML = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE nmaprun>
<nmaprun scanner="nmap"><host><status state="up"/><address addr="192.0.2.7" addrtype="ipv4"/>
<tcpsequence index="{index}" difficulty="{words}" values="{values}"/></host>{more}</nmaprun>
"""


def capture_of(generator: str, count: int, path: Path) -> list[int]:
    """A capture of ``count`` SYNs to a host with that generator, 100 ms apart; the ISNs that it has chosen."""
    isn = GENERATORS[generator](SeededRng(5))
    configs = {"server": StackConfig(tcp_layer=TcpLayerConfig(isn=isn))}

    async def story() -> None:
        await world.server.run(world.server.start_server(lambda reader, writer: None, None, 80))
        for number in range(count):
            world.attacker.send(make_segment((2000 + number, 80), "S", seq=7), destination=world.server.address)
            await asyncio.sleep(0.1)

    with World(Settings(), Layout(configs=configs)) as world:
        world.run(story())
        path.write_bytes(world.tape.octets)
        seen = [each.frame.tcp for each in world.tape.seen("server") if each.is_sent and each.frame.flags == "S."]
    return [segment.seq for segment in seen if segment is not None]


def test_the_numbers_of_a_capture_are_those_of_its_syn_acks(tmp_path: Path) -> None:
    chosen = capture_of("bsd43", 12, tmp_path / "x.pcapng")
    (host,) = json.loads(invoke("isn", str(tmp_path / "x.pcapng"), "--json").stdout)
    figures = nmap_figures([Sample(index * 100_000_000, isn) for index, isn in enumerate(chosen)])
    assert (host["host"], host["numbers"]) == ("198.51.100.2", 12)
    assert (host["gcd"], host["isr"], host["sp"]) == (figures.gcd, figures.isr, figures.sp)
    assert host["gcd"] == 64_000
    assert host["old_class"] == "64K"
    assert host["guesses"] <= 3


def test_numbers_that_nobody_can_guess_are_told_as_such(tmp_path: Path) -> None:
    capture_of("rfc6528", 12, tmp_path / "x.pcapng")
    text = invoke("isn", str(tmp_path / "x.pcapng")).stdout
    assert "Good luck!" in text
    assert "blind, 2^31" in text


def test_nmaps_xml_is_read_with_the_pauses_that_nmap_makes(tmp_path: Path) -> None:
    file = tmp_path / "scan.xml"
    file.write_text(XML.format(index=0, words="Trivial joke", values=VALUES, more=""))
    (host,) = json.loads(invoke("isn", str(file), "--json").stdout)
    numbers = [int(word, 16) for word in VALUES.split(",")]
    figures = nmap_figures([Sample(index * 100_000_000, isn) for index, isn in enumerate(numbers)])
    assert (host["host"], host["numbers"]) == ("192.0.2.7", 6)
    assert (host["gcd"], host["isr"], host["sp"]) == (figures.gcd, figures.isr, figures.sp) == (95232, 159, 0)


def test_the_numbers_themselves_can_be_had(tmp_path: Path) -> None:
    file = tmp_path / "scan.xml"
    file.write_text(XML.format(index=0, words="", values=VALUES, more=""))
    assert f"192.0.2.7: {VALUES.replace(',', ' ')}" in invoke("isn", str(file), "--numbers").stdout


def test_each_host_of_a_scan_has_its_line_and_too_few_numbers_no_figures(tmp_path: Path) -> None:
    file = tmp_path / "scan.xml"
    more = '<host><address addr="192.0.2.8"/><tcpsequence values="1,2"/></host><host/>'
    file.write_text(XML.format(index=0, words="", values=VALUES, more=more))
    few = json.loads(invoke("isn", str(file), "--json").stdout)[1]
    assert (few["host"], few["numbers"], few["sp"]) == ("192.0.2.8", 2, None)
    assert invoke("isn", str(file)).stdout.splitlines()[2].split() == ["192.0.2.8", "2"]


def test_retransmissions_and_second_sightings_are_no_other_numbers(tmp_path: Path) -> None:
    async def story() -> None:
        await world.server.run(world.server.start_server(lambda reader, writer: None, None, 80))
        syn = make_segment((2000, 80), "S", seq=7)
        world.attacker.send(syn, source=world.spoofed(1)[0], destination=world.server.address)
        await asyncio.sleep(10)

    with World(Settings()) as world:
        world.run(story())
        (tmp_path / "x.pcapng").write_bytes(world.tape.octets)
    (host,) = json.loads(invoke("isn", str(tmp_path / "x.pcapng"), "--json").stdout)
    assert host["numbers"] == 1


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("<nmaprun></nmaprun>", "{} holds no <tcpsequence>: nmap writes one for a host with -O -v"),
        ("<nmaprun>", "{} is not what nmap -oX writes: no element found: line 1, column 9"),
        (XML.format(index=0, words="", values="XYZ", more=""), "{} is not what nmap -oX writes: invalid literal"),
        ("what?", "{} is not a capture (CaptureBadMagic): expected a pcapng or pcap file"),
    ],
)
def test_a_file_without_numbers_is_told_in_one_line(tmp_path: Path, content: str, told: str) -> None:
    file = tmp_path / "file"
    file.write_text(content)
    assert complaint("isn", str(file)).startswith(f"halfopen isn: {told.format(file)}")


def test_a_capture_without_syn_ack_is_told_in_one_line(tmp_path: Path) -> None:
    with World(Settings(), Layout(attacker="none")) as world:
        world.run(world.client.ping("server", count=1))
        (tmp_path / "ping.pcapng").write_bytes(world.tape.octets)
    line = complaint("isn", str(tmp_path / "ping.pcapng"))
    assert line.endswith("ping.pcapng holds no SYN,ACK: there is no initial sequence number to measure")


def test_a_file_that_is_not_there_is_told() -> None:
    assert "nowhere cannot be read: No such file or directory" in complaint("isn", "/nowhere")

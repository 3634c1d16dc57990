"""``halfopen isn``: the meter alone, for the initial sequence numbers of a capture or of an nmap scan."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from xml.etree import ElementTree

import click

from halfopen.base.addresses import format_address
from halfopen.base.clock import MILLISECOND, Instant
from halfopen.capture.record import LINKTYPE_ETHERNET, Record
from halfopen.cli.show import reading
from halfopen.lab.predictability import LEAST_SAMPLES, Sample, first_generation, nmap_figures
from halfopen.lab.predictors import BLIND, MT_OUTPUTS, predictability
from halfopen.report.tables import format_table
from halfopen.sim.match import Passing
from halfopen.tcp.seqnum import wrap
from halfopen.wire import ethernet
from halfopen.wire.packet import Packet
from halfopen.wire.tcp import ACK, RST, SYN

NMAP_PAUSE = 100 * MILLISECOND
"""Between nmap's six probes; its XML does not tell the times."""
LEARN = 5
"""Numbers that a predictor sees before the first guess, at least."""

Samples = Mapping[str, list[Sample]]
"""By the host that chose them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What the meter shows for one host; None where there are too few numbers. ``guesses`` is a median."""

    host: str
    numbers: int
    gcd: int | None = None
    isr: int | None = None
    sp: int | None = None
    difficulty: str | None = None
    old_class: str | None = None
    predictor: str | None = None
    guesses: float | None = None


@click.command("isn", short_help="Measure how predictable the initial sequence numbers in a file are.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_objects", is_flag=True, help="Print an array of objects, one for each host.")
@click.option("--numbers", "with_numbers", is_flag=True, help="Print the numbers as well.")
def command(file: Path, as_objects: bool, with_numbers: bool) -> None:
    """Measure how predictable the initial sequence numbers in FILE are, host by host.

    FILE is a capture (pcapng or pcap), of which every SYN,ACK counts, or what `nmap -O -v -oX FILE` has written. GCD,
    ISR and SP are nmap's figures; GUESSES is how many an attacker needs in the median who knows the numbers before.
    """
    samples = from_xml(file) if looks_like_xml(file) else from_capture(file)
    readings = [measure(host, numbers) for host, numbers in samples.items()]
    if as_objects:
        click.echo(json.dumps([asdict(reading) for reading in readings], indent=2))
        return
    columns = ("host", "numbers", "GCD", "ISR", "SP", "nmap says", "nmap 3 said", "best predictor", "guesses")
    rows = [(*list(asdict(reading).values())[:-1], _guesses(reading.guesses)) for reading in readings]
    click.echo(format_table(rows, columns))
    for host, numbers in samples.items() if with_numbers else ():
        click.echo(f"\n{host}: {' '.join(f'{sample.isn:08X}' for sample in numbers)}")


def measure(host: str, samples: list[Sample]) -> Reading:
    """The figures of one host."""
    if len(samples) < LEAST_SAMPLES:
        return Reading(host=host, numbers=len(samples))
    nmap, old = nmap_figures(samples), first_generation([sample.isn for sample in samples])
    learn = MT_OUTPUTS if len(samples) > MT_OUTPUTS + LEARN else max(LEARN, len(samples) // 2)
    best = predictability(samples, learn) if learn < len(samples) else None
    return Reading(
        host=host,
        numbers=len(samples),
        gcd=nmap.gcd,
        isr=nmap.isr,
        sp=nmap.sp,
        difficulty=nmap.words,
        old_class=old.name,
        predictor=best.predictor if best else None,
        guesses=best.median if best else None,
    )


def looks_like_xml(file: Path) -> bool:
    """By its first octet that is not blank; a usage error if it cannot be read."""
    try:
        with file.open("rb") as stream:
            return stream.read(256).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")
    except OSError as error:
        raise click.UsageError(f"{file} cannot be read: {error.strerror}") from None


def from_capture(file: Path) -> Samples:
    """Of every SYN,ACK, with the time of the SYN that asked for it, where that is there."""
    found: dict[str, dict[tuple[bytes, int], Sample]] = {}
    with reading(file) as reader:
        asked: dict[tuple[bytes, int], Instant] = {}
        for when, key, segment_flags, numbers in _openings(reader):
            if not segment_flags & ACK:
                asked.setdefault(key, when)
                continue
            host, peer, isn = numbers
            sample = Sample(asked.get((peer, key[1]), when), isn)
            # A retransmission, or the same frame at another interface, is no other number.
            found.setdefault(host, {}).setdefault((key[0], isn), sample)
    if not found:
        raise click.UsageError(f"{file} holds no SYN,ACK: there is no initial sequence number to measure")
    return {host: sorted(samples.values(), key=lambda sample: sample.when) for host, samples in found.items()}


def _openings(
    records: Iterable[Record],
) -> Iterator[tuple[Instant, tuple[bytes, int], int, tuple[str, bytes, int]]]:
    """Of SYNs and SYN,ACKs: when, (sender's flow, the client's number), flags, (host, peer's flow, sender's number)."""
    for record in records:
        offset = ethernet.HEADER_OCTETS if record.interface.linktype == LINKTYPE_ETHERNET else 0
        frame = Passing(Packet(record.octets), record.when, ("", ""), offset)
        segment, header = frame.tcp, frame.ip
        if segment is None or header is None or segment.flags & (SYN | RST) != SYN:
            continue
        ports = segment.source_port.to_bytes(2, "big"), segment.destination_port.to_bytes(2, "big")
        flow = header.source + ports[0] + header.destination + ports[1]
        peer = header.destination + ports[1] + header.source + ports[0]
        asked = wrap(segment.ack - 1) if segment.flags & ACK else segment.seq
        yield record.when, (flow, asked), segment.flags, (format_address(header.source), peer, segment.seq)


def from_xml(file: Path) -> Samples:
    """Of every host's ``<tcpsequence values="..."/>``, hexadecimal and apart by commas."""
    try:
        root = ElementTree.parse(file).getroot()
        found = {
            _name(host): _numbers(sequence.get("values", ""))
            for host in root.iter("host")
            for sequence in islice(host.iter("tcpsequence"), 1)
        }
    except (ElementTree.ParseError, ValueError) as error:
        raise click.UsageError(f"{file} is not what nmap -oX writes: {error}") from None
    if not found:
        raise click.UsageError(f"{file} holds no <tcpsequence>: nmap writes one for a host with -O -v")
    return found


def _name(host: ElementTree.Element) -> str:
    address = host.find("address")
    return address.get("addr", "?") if address is not None else "?"


def _numbers(values: str) -> list[Sample]:
    return [Sample(index * NMAP_PAUSE, int(word, 16)) for index, word in enumerate(values.split(",")) if word.strip()]


def _guesses(value: float | None) -> str | None:
    if value is None:
        return None
    return "blind, 2^31" if value >= BLIND else f"{value:,.0f}"

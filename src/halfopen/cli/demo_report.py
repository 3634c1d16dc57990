"""The demonstration for people: progress while it runs, and what to see when it is over."""

import asyncio
import json
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import click

from halfopen.base.addresses import Address, parse_address
from halfopen.base.clock import seconds
from halfopen.base.errors import Malformed
from halfopen.capture.pcap import open_capture
from halfopen.capture.record import Record
from halfopen.cli.demo_addresses import Way
from halfopen.cli.demo_transfers import IMPAIRED_SUFFIX, Display, Transfer
from halfopen.report.dissect import ladder_of
from halfopen.report.tables import format_duration, format_octets, format_rate, format_table
from halfopen.stack.ports import PortRow, format_listing
from halfopen.wire import arp, ethernet, ipv4
from halfopen.wire.carried import ETHERTYPES, Carried, look

REFRESH = 0.1
"""Seconds between two looks at a file that grows."""

BEGINNING = 40
"""Frames of the capture among which the small request is, whole."""

DIRECTIONS = {"download": "ours -> peer", "upload": "peer -> ours", "fetch": "peer -> ours"}
WHOSE = {"download": "peer's client", "upload": "peer's client", "fetch": "our client"}


class Quiet(Display):
    """For programs and files: says only what went wrong."""

    @contextmanager
    def watching(self, what: str, octets: int, path: Path) -> Iterator[None]:
        """Shows nothing."""
        yield

    def complain(self, text: str) -> None:
        """On stderr."""
        click.echo(f"halfopen demo: {text}", err=True)


class Bars(Quiet):
    """For terminals: a progress bar on stderr."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

        columns = (TextColumn("{task.description:>18}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        self._progress = Progress(*columns, console=Console(stderr=True), transient=True)

    @contextmanager
    def watching(self, what: str, octets: int, path: Path) -> Iterator[None]:
        """A bar that follows the size of the file."""
        with self._progress as progress:
            task = progress.add_task(what, total=octets)

            async def follow() -> None:
                while True:
                    progress.update(task, completed=path.stat().st_size if path.exists() else 0)
                    await asyncio.sleep(REFRESH)

            following = asyncio.create_task(follow())
            try:
                yield
            finally:
                following.cancel()
                progress.remove_task(task)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of the demonstration."""

    world: str
    description: str
    peer: str
    ours: str
    ways: tuple[Way, Way]
    network: str
    transfers: Sequence[Transfer]
    ports: Sequence[PortRow]
    counters: Mapping[str, int]
    capture: Path

    @property
    def is_good(self) -> bool:
        """Whether every file arrived as it was."""
        return bool(self.transfers) and all(transfer.sha256_equal for transfer in self.transfers)

    def as_json(self) -> str:
        """One object for programs."""
        transfers = [asdict(transfer) for transfer in self.transfers]
        return json.dumps({"world": self.world, "transfers": transfers, "capture": str(self.capture)}, indent=2)

    def as_text(self, width: int) -> str:
        """What happened, for people."""
        parts = [
            f"Our host: {self.ours}",
            f"Its peer: {self.peer}",
            f"Between:  {self.description}",
            "",
            "One small request, from the handshake to the last FIN:",
            "",
            self._ladder(width),
            "",
            "The ports of our host in the middle of the first upload, as `halfopen ss` shows them:",
            "",
            format_listing(self.ports),
            "",
            "The files:",
            "",
            self._table(),
            "",
            self._verdict(),
        ]
        return "\n".join(parts)

    def _ladder(self, width: int) -> str:
        names = {parse_address(self.ways[0].peer): "peer", parse_address(self.ways[0].ours): "ours"}
        with self.capture.open("rb") as file:
            records = [record for record in islice(open_capture(file), BEGINNING) if is_between(record, names)]
        return ladder_of(records, port=first_port(records), names=names).as_text(width)

    def _table(self) -> str:
        rows = [
            (
                transfer.name.removesuffix(IMPAIRED_SUFFIX),
                DIRECTIONS[transfer.name.removesuffix(IMPAIRED_SUFFIX)],
                WHOSE[transfer.name.removesuffix(IMPAIRED_SUFFIX)],
                self._network(transfer),
                format_octets(transfer.octets),
                format_duration(seconds(transfer.seconds)),
                format_rate(transfer.octets, transfer.seconds),
                "equal" if transfer.sha256_equal else "DIFFERENT",
            )
            for transfer in self.transfers
        ]
        return format_table(rows, ("transfer", "data", "client", "network", "size", "time", "rate", "SHA-256"))

    def _network(self, transfer: Transfer) -> str:
        return self.network if transfer.name.endswith(IMPAIRED_SUFFIX) else "clean"

    def _verdict(self) -> str:
        bad = sum(not transfer.sha256_equal for transfer in self.transfers)
        sums = f"{bad} of {len(self.transfers)} files did NOT arrive as they were." if bad else "Every octet arrived."
        again, late = self.counters.get("RetransSegs", 0), self.counters.get("TCPTimeouts", 0)
        early = self.counters.get("TCPOFOQueue", 0)
        recovery = f"Our TCP sent {again} segments again (timeouts: {late}) and kept {early} that overtook others.\n"
        size = format_octets(self.capture.stat().st_size)
        what = f"{size}; of the large files the beginnings"
        return f"{sums} {recovery}Capture: {self.capture} ({what}); `halfopen show` draws it"


def is_between(record: Record, hosts: Container[Address]) -> bool:
    """Whether a frame is TCP of two of ``hosts``, or ARP about one from the other: nothing of a router's."""
    try:
        _, _, ethertype = ethernet.parse(record.octets)
        if ethertype == ethernet.ETHERTYPE_ARP:
            message = arp.parse(record.octets, ethernet.HEADER_OCTETS)
            return message.sender_address in hosts and message.target_address in hosts
        if ethertype not in ETHERTYPES:
            return False
        carried = _carried(record)
    except Malformed:
        return False
    return carried.protocol == ipv4.PROTOCOL_TCP and carried.source in hosts and carried.destination in hosts


def first_port(records: Sequence[Record]) -> int | None:
    """The ephemeral port of the first connection, which tells it from all others. Frames are as `is_between` chose."""
    for record in records:
        if ethernet.parse(record.octets)[2] in ETHERTYPES:
            at = _carried(record).start
            return int.from_bytes(record.octets[at : at + 2], "big")
    return None


def _carried(record: Record) -> Carried:
    start = ethernet.HEADER_OCTETS
    return look(record.octets, start, len(record.octets) - start)

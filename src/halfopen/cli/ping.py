"""``halfopen ping``: ICMP echo from a host of ours."""

import asyncio
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import click

from halfopen.aio.face import EchoFace
from halfopen.aio.host import Host
from halfopen.base.addresses import Address, format_address
from halfopen.base.clock import MILLISECOND, SECOND
from halfopen.base.errors import NetworkUnreachable
from halfopen.cli.device import Attachment, run_on_device
from halfopen.cli.device_options import DeviceOptions, device_options
from halfopen.cli.interrupts import until_interrupted
from halfopen.cli.parameters import host_address
from halfopen.stack.icmp import REPLY, EchoReply
from halfopen.wire.icmpv4 import HEADER_OCTETS as ICMP_HEADER_OCTETS

PAYLOAD = bytes(range(56))
"""As many octets as ping has sent since 1983."""
PATIENCE = 1.0
"""Seconds that the last request is waited for, at least."""


@dataclass(slots=True)
class Results:
    """What was sent and what came back; ``rtts`` in nanoseconds."""

    destination: str
    sent: int = 0
    rtts: list[int] = field(default_factory=list)
    errors: int = 0

    @property
    def loss(self) -> float:
        """The part that was not answered."""
        return 1 - len(self.rtts) / self.sent if self.sent else 0.0

    def summary(self) -> str:
        """As ping ends."""
        text = f"{self.sent} packets transmitted, {len(self.rtts)} received, {self.loss:.0%} packet loss"
        if not self.rtts:
            return text
        low, mean, high = (value / MILLISECOND for value in self.spread())
        return f"{text}\nrtt min/avg/max = {low:.3f}/{mean:.3f}/{high:.3f} ms"

    def spread(self) -> tuple[float, float, float]:
        """Smallest, mean and largest round-trip time."""
        return min(self.rtts), sum(self.rtts) / len(self.rtts), max(self.rtts)

    def as_json(self) -> str:
        """For programs: times in seconds."""
        return json.dumps(
            {
                "destination": self.destination,
                "sent": self.sent,
                "received": len(self.rtts),
                "errors": self.errors,
                "rtts": [rtt / SECOND for rtt in self.rtts],
            }
        )


@dataclass(slots=True)
class Pinging(EchoFace):
    """Requests at a steady pace, and what becomes of them."""

    destination: Address
    count: int
    interval: float
    results: Results
    say: Callable[[str], object]
    identifier: int = field(default_factory=lambda: os.getpid() & 0xFFFF)
    _settled: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, host: Host) -> None:
        """Sends all, then waits for the last answers."""
        host.pump.attach_echo(self.identifier, self)
        try:
            for sequence in range(1, self.count + 1):
                self._send(host, sequence)
                if sequence < self.count:
                    await asyncio.sleep(self.interval)
            async with asyncio.timeout(max(self.interval, PATIENCE)):
                await self._settled.wait()
        except TimeoutError:
            pass
        finally:
            host.pump.detach_echo(self.identifier)

    def on_reply(self, reply: EchoReply) -> None:
        """Says what has come of a request."""
        source = format_address(reply.source)
        if reply.kind == REPLY:
            self.results.rtts.append(reply.rtt)
            octets = len(reply.payload) + ICMP_HEADER_OCTETS
            milliseconds = reply.rtt / MILLISECOND
            self.say(
                f"{octets} octets from {source}: icmp_seq={reply.sequence} ttl={reply.ttl} time={milliseconds:.3f} ms"
            )
        else:
            self.results.errors += 1
            self.say(f"From {source}: icmp_seq={reply.sequence} {reply.kind}")
        self._settle()

    def _send(self, host: Host, sequence: int) -> None:
        self.results.sent += 1
        try:
            host.stack.icmp.send_echo(self.destination, self.identifier, sequence, PAYLOAD, host.pump.now())
        except NetworkUnreachable as error:
            self.results.errors += 1
            self.say(f"icmp_seq={sequence} {error}")
            self._settle()
        host.pump.kick()

    def _settle(self) -> None:
        """The last is not waited for when nothing is open any more."""
        if len(self.results.rtts) + self.results.errors >= self.count:
            self._settled.set()


@click.command("ping", short_help="Send ICMP echo requests from a host of ours.")
@click.argument("host", type=host_address)
@click.option("-c", "--count", type=click.IntRange(1, 65535), default=4, show_default=True, help="Requests to send.")
@click.option("-i", "--interval", type=click.FloatRange(0.002), default=1.0, show_default=True, help="Seconds between.")
@click.option("--json", "as_object", is_flag=True, help="Print one object, at the end.")
@device_options
def command(host: Address, count: int, interval: float, as_object: bool, **options: object) -> int:
    """Send ICMP echo requests to HOST from a host of ours. Exit code 1 if nothing came back."""
    device = DeviceOptions(**options)  # type: ignore[arg-type]  # click has converted each
    results = Results(format_address(host))
    ping = Pinging(host, count, interval, results, _say_nothing if as_object else click.echo)
    run_on_device(device, partial(_main, ping=ping))
    click.echo(results.as_json() if as_object else f"--- {results.destination} ---\n{results.summary()}")
    return 0 if results.rtts else 1


def _say_nothing(text: str) -> None:
    return None


async def _main(host: Host, attachment: Attachment, *, ping: "Pinging") -> None:
    click.echo(attachment.hint(), err=True)
    await until_interrupted("ping", ping.run(host))

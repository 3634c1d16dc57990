"""Asking a port for initial sequence numbers: SYNs under an attacker's own address, which his stack ends by RST."""

from collections.abc import Sequence

from halfopen.base.clock import Instant
from halfopen.lab.attacker import Attacker
from halfopen.lab.crafting import make_segment
from halfopen.lab.predictability import Sample
from halfopen.sim.match import Passing
from halfopen.tcp.seqnum import wrap
from halfopen.wire.tcp import Segment
from halfopen.wire.tcp_options import Options

PATIENCE = 1.0
"""Seconds after which there is no answer."""

EVERY_TIMESTAMP = (0xFFFFFFFF, 0)
NMAP_SYNS: Sequence[tuple[int, Options]] = (
    (1, Options(mss=1460, window_scale=10, timestamps=EVERY_TIMESTAMP, sack_permitted=True)),
    (63, Options(mss=1400, window_scale=0, timestamps=EVERY_TIMESTAMP, sack_permitted=True)),
    (4, Options(mss=640, window_scale=5, timestamps=EVERY_TIMESTAMP)),
    (4, Options(window_scale=10, timestamps=EVERY_TIMESTAMP, sack_permitted=True)),
    (16, Options(mss=536, window_scale=10, timestamps=EVERY_TIMESTAMP, sack_permitted=True)),
    (512, Options(mss=265, timestamps=EVERY_TIMESTAMP, sack_permitted=True)),
)
"""Windows and options of the six SYNs of ``nmap -O``; in the order that we write options in, not in nmap's."""


class Prober:
    """Asks ``destination``, from one port after the other; ``attacker`` must sniff."""

    def __init__(self, attacker: Attacker, destination: str, port: int, first_port: int = 20_000) -> None:
        self.samples: list[Sample] = []
        self._attacker = attacker
        self._destination = destination
        self._port = port
        self._next = first_port

    async def ask(self, comment: str = "", seq: int | None = None) -> Sample | None:
        """One number, also among ``samples`` from now on; None if nobody answers."""
        return await self.send(make_segment((self._take_port(), self._port), "S", seq=seq or self._next), comment)

    async def ask_as_nmap(self, number: int, ack: int, comment: str = "") -> Sample | None:
        """The SYN ``number``, 0 to 5, of nmap's sequence generation; ``ack`` is any, the same in all six."""
        window, options = NMAP_SYNS[number]
        port = self._take_port()
        segment = make_segment((port, self._port), "S", seq=port, ack=ack, window=window, options=options)
        return await self.send(segment, comment)

    async def send(self, syn: Segment, comment: str) -> Sample | None:
        """Any SYN; the time of the sample is that at which it was sent, as an attacker knows no other."""

        def answers(passing: Passing) -> bool:
            segment = passing.tcp
            if segment is None or passing.flags != "S.":
                return False
            ports = segment.source_port, segment.destination_port
            return ports == (syn.destination_port, syn.source_port) and segment.ack == wrap(syn.seq + 1)

        when: Instant = self._attacker.host.pump.now()
        self._attacker.send(syn, destination=self._destination, comment=comment)
        try:
            heard = await self._attacker.hear(answers, PATIENCE)
        except TimeoutError:
            return None
        assert heard.tcp is not None
        sample = Sample(when, heard.tcp.seq)
        self.samples.append(sample)
        return sample

    def _take_port(self) -> int:
        self._next = 1024 + (self._next - 1023) % 64_000
        return self._next

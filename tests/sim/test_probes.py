"""Figures of connections and queues, as a probe notes them."""

import asyncio
from itertools import pairwise

from halfopen.base.samples import Sample
from halfopen.sim.network import Network
from halfopen.sim.probes import Probe
from halfopen.sim.sniffer import EPOCH
from tests.sim.world import serve, swallow

OCTETS = 400_000


def transfer(words: str, interval: float | None = None, is_probed: bool = True) -> tuple[list[Sample], float]:
    """The samples of a stream from a client to a server, and how long it took."""
    with Network(seed=1) as network:
        client, server = network.host("client"), network.host("server")
        network.link(client, server, words)
        samples = Probe(network, interval).samples if is_probed else []

        async def send() -> None:
            reader, writer = await asyncio.open_connection("server", 7)
            writer.write(bytes(OCTETS))
            writer.write_eof()
            assert await reader.read() == str(OCTETS).encode()
            writer.close()

        async def main() -> None:
            await server.run(serve(swallow))
            await client.run(send())
            await asyncio.sleep(1)

        network.run(main())
        return samples, network.elapsed


def series(samples: list[Sample], subject: str, name: str) -> list[float]:
    return [sample.value for sample in samples if sample.subject.startswith(subject) and sample.name == name]


def test_slow_start_can_be_seen() -> None:
    samples, _ = transfer("delay 20ms rate 50mbit limit 1000")
    windows = series(samples, "client:", "cwnd")
    assert windows[:2] == [14600, 14480]  # what is assumed before the SYN,ACK; ten segments of 1448
    assert windows[1:] == sorted(windows[1:])
    assert windows[-1] > 100_000
    assert series(samples, "client:", "srtt")[0] >= 0.04
    assert set(series(samples, "client:", "phase")) == {0}
    assert series(samples, "client:", "in_flight")[-1] == 0
    assert {sample.subject.partition(">")[2] for sample in samples if sample.subject.startswith("client:")} == {
        "server:7"
    }


def test_the_queue_in_front_of_a_rate_is_seen_to_fill_and_to_empty() -> None:
    samples, _ = transfer("delay 20ms rate 10mbit limit 1000")
    packets = series(samples, "client-server>server", "queue_packets")
    octets = series(samples, "client-server>server", "queue_octets")
    assert max(packets) > 20
    assert max(octets) > 20 * 1500
    assert packets[-1] == octets[-1] == 0


def test_losses_show_as_phases_and_thresholds() -> None:
    samples, _ = transfer("delay 20ms rate 10mbit limit 20")
    assert 3 in series(samples, "client:", "phase")
    thresholds = series(samples, "client:", "ssthresh")
    assert thresholds
    assert max(thresholds) < 200_000


def test_a_figure_is_noted_when_it_changes_and_at_the_time_of_the_capture() -> None:
    samples, _ = transfer("delay 20ms")
    assert all(earlier.when <= later.when for earlier, later in pairwise(samples))
    assert min(sample.when for sample in samples) > EPOCH
    keys = {(sample.subject, sample.name) for sample in samples}
    for key in keys:
        values = [sample.value for sample in samples if (sample.subject, sample.name) == key]
        assert all(earlier != later for earlier, later in pairwise(values))


def test_an_interval_makes_samples_seldom() -> None:
    often, _ = transfer("delay 20ms rate 10mbit limit 1000")
    seldom, _ = transfer("delay 20ms rate 10mbit limit 1000", interval=0.1)
    assert {sample.when % 100_000_000 for sample in seldom} == {0}
    assert 0 < len(seldom) < len(often) / 10


def test_a_probe_changes_nothing() -> None:
    words = "delay 20ms 5ms loss 1% rate 20mbit"
    elapsed = {transfer(words, interval)[1] for interval in (None, 0.01, 1.0)}
    assert elapsed == {transfer(words, is_probed=False)[1]}

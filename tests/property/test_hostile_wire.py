"""Whatever the wire does, both ends get each other's octets, or a reason; and nothing ever hangs.

``HALFOPEN_FUZZ_SEEDS`` is the number of random exchanges; a failure names the seed, which repeats it exactly.
"""

import os
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halfopen.base.clock import MILLISECOND, MINUTE, NEVER, SECOND
from halfopen.base.errors import ConnectionTimedOut
from halfopen.tcp.config import (
    DEFAULT,
    AckConfig,
    BufferConfig,
    Ecn,
    OptionsConfig,
    RetransmissionConfig,
    TcpConfig,
)
from halfopen.tcp.congestion_config import CongestionConfig
from halfopen.tcp.state import State
from halfopen.wire.tcp import ACK, FIN, PSH, RST, SYN, URG, Segment
from halfopen.wire.tcp_options import Options
from tests.property.hostile_wire import (
    CLIENT,
    SERVER,
    START,
    Exchange,
    Tamper,
    Terms,
    Weather,
    check,
    clone,
    random_exchange,
)

SEEDS = int(os.environ.get("HALFOPEN_FUZZ_SEEDS", "240"))
PORTIONS = 8
DAY = 24 * 60 * MINUTE

ROUGH = Weather(loss=0.05, duplicate=0.05, reorder=0.1)


def assert_octets_or_reason(exchange: Exchange, client: bytes, server: bytes) -> None:
    """Each end has a prefix of what the other has sent, and all of it unless one of them was told why not."""
    assert exchange.is_over, "still at it"
    assert client.startswith(exchange.server.received)
    assert server.startswith(exchange.client.received)
    if exchange.client.reason is None and exchange.server.reason is None:
        assert exchange.server.received == client
        assert exchange.client.received == server
        assert exchange.client.closed and exchange.server.closed
        assert exchange.client.saw_end and exchange.server.saw_end


@pytest.mark.parametrize("portion", range(PORTIONS))
def test_any_wire_delivers_the_same_octets_or_a_stated_reason(portion: int) -> None:
    reasons = 0
    for seed in range(portion, SEEDS, PORTIONS):
        try:
            exchange, client, server = random_exchange(seed)
            exchange.run(DAY)
            assert_octets_or_reason(exchange, client, server)
        except Exception as error:
            error.add_note(f"random_exchange({seed})")
            raise
        reasons += exchange.client.reason is not None or exchange.server.reason is not None
    # With one segment in five lost, a peer's TIME-WAIT may be over before we have its last ACK; hardly ever, though.
    assert reasons <= SEEDS // PORTIONS // 50 + 1


configs = st.builds(
    TcpConfig,
    options=st.builds(
        OptionsConfig,
        window_scaling=st.booleans(),
        timestamps=st.booleans(),
        sack=st.booleans(),
        ecn=st.sampled_from(Ecn),
    ),
    buffers=st.sampled_from([1500, 4000, 65535, 1 << 20]).map(
        lambda octets: BufferConfig(receive=octets, receive_initial=min(octets, 65535))
    ),
    retransmission=st.builds(RetransmissionConfig, rack=st.booleans(), tail_loss_probe=st.booleans()),
    congestion=st.sampled_from(["cubic", "reno"]).map(lambda name: CongestionConfig(algorithm=name)),
    acks=st.builds(AckConfig, nagle=st.booleans(), quick=st.sampled_from([0, 16])),
)
fates = st.lists(st.sampled_from(["pass", "pass", "pass", "lose", "repeat", "swap"]), max_size=60)


@given(
    configs=st.tuples(configs, configs),
    fates=fates,
    sizes=st.tuples(st.integers(0, 30_000), st.integers(0, 30_000)),
    mss=st.sampled_from([88, 536, 1460]),
    burst=st.sampled_from([0, 30_000]),
    isn=st.sampled_from([0, (1 << 32) - 1, (1 << 32) - 3, (1 << 31) - 1]),
)
def test_any_fate_of_the_first_segments_is_survived(
    configs: tuple[TcpConfig, TcpConfig], fates: list[str], sizes: tuple[int, int], mss: int, burst: int, isn: int
) -> None:
    fate = iter(fates)
    held: list[tuple[int, Segment]] = []

    def tamper(side: int, segment: Segment) -> list[Segment]:
        what = next(fate, "pass")
        if what == "lose":
            return []
        if what == "swap":
            held.append((side, segment))
            return []
        late = [other for towards, other in held if towards == side]
        held[:] = [(towards, other) for towards, other in held if towards != side]
        return [segment, *([clone(segment)] if what == "repeat" else []), *late]

    client, server = random.Random(1).randbytes(sizes[0]), random.Random(2).randbytes(sizes[1])
    terms = Terms(configs=configs, isn=(isn, isn), mss=mss, burst=burst)
    exchange = Exchange(0, Weather(), terms, tamper).sends(client, server, (4000, 700)).run(DAY)
    assert exchange.client.reason is exchange.server.reason is None
    assert_octets_or_reason(exchange, client, server)


@pytest.mark.parametrize("seed", range(20))
def test_the_same_seed_makes_the_same_trace(seed: int) -> None:
    first, again = random_exchange(seed)[0].run(DAY), random_exchange(seed)[0].run(DAY)
    assert first.trace == again.trace
    assert first.client.counters.snapshot() == again.client.counters.snapshot()


@pytest.mark.parametrize("seed", range(20))
def test_one_jump_of_time_equals_many(seed: int) -> None:
    """`on_deadline` before the deadline, and `poll_transmit` without news, change nothing.

    Who is asked again and again, and who sleeps until `next_deadline`, send the same segments at the same times.
    """
    asleep, awake = random_exchange(seed)[0].run(DAY), random_exchange(seed)[0].run(DAY, early=True)
    assert asleep.trace == awake.trace
    assert asleep.client.counters.snapshot() == awake.client.counters.snapshot()


@pytest.mark.parametrize("seed", range(60))
def test_a_late_call_expires_each_timer_once_and_leaves_nothing_due(seed: int) -> None:
    """However late the host calls, it is told of no time that has passed, and nothing is made up for."""
    dice = random.Random(seed)
    exchange, _, _ = random_exchange(seed)
    exchange.settle()
    while not exchange.is_over and exchange.elapsed < 10:
        late = dice.choice([0, 0, 0, 300 * 10**6, 5 * SECOND])
        exchange.now = max(exchange.now, exchange.next_event()) + late
        before = [(end.counters["TCPTimeouts"], end.counters["TCPLossProbes"]) for end in exchange.ends]
        exchange.deliver()
        exchange.on_deadlines()
        exchange.settle()  # where `check` asserts that no deadline is left behind
        for end, (timeouts, probes) in zip(exchange.ends, before, strict=True):
            assert end.counters["TCPTimeouts"] - timeouts + end.counters["TCPLossProbes"] - probes <= 1
    exchange.run(DAY)
    assert exchange.is_over


@pytest.mark.parametrize("sack", [True, False])
@pytest.mark.parametrize("lost", [{0}, {0, 2, 4}], ids=["first", "every other"])
def test_two_full_windows_with_holes_in_both_are_repaired_without_a_timer(sack: bool, lost: set[int]) -> None:
    """Whole segments fill the windows to the octet, so each end acknowledges from the right edge of the other's."""
    mss = 1448
    buffers = BufferConfig(receive=10 * mss, receive_initial=10 * mss)
    config = replace(DEFAULT, options=OptionsConfig(sack=sack), buffers=buffers)
    seen: set[tuple[int, int]] = set()

    def lose_once(side: int, segment: Segment) -> list[Segment]:
        place = (segment.seq - (101, 201)[side == CLIENT]) // mss
        if not segment.octets or place not in lost or (side, place) in seen:
            return [segment]
        seen.add((side, place))
        return []

    terms = Terms(configs=(config, config), isn=(100, 200))
    exchange = Exchange(1, Weather(delay=20 * MILLISECOND), terms, lose_once)
    exchange.sends(bytes(10 * mss), bytes(10 * mss)).run()
    assert len(seen) == 2 * len(lost)
    assert [end.counters["TCPTimeouts"] for end in exchange.ends] == [0, 0]
    assert [end.counters["RetransSegs"] for end in exchange.ends] == [len(lost)] * 2
    assert exchange.elapsed < 0.25


# Attackers

FLAGS = (0, ACK, ACK | PSH, SYN, SYN | ACK, RST, RST | ACK, FIN, FIN | ACK, URG | ACK, ACK | SYN | FIN | RST)


def forged(dice: random.Random, side: int, seq: int, ack: int) -> Segment:
    """A segment of somebody who knows the ports, with octets of his own."""
    octets = dice.choice([0, 0, 1, 500])
    options = Options(
        mss=dice.choice([None, 0, 40]),
        window_scale=dice.choice([None, 14, 255]),
        timestamps=dice.choice([None, (dice.getrandbits(32), dice.getrandbits(32))]),
        sack=tuple((dice.getrandbits(32), dice.getrandbits(32)) for _ in range(dice.randrange(4))),
    )
    return Segment(
        *((4000, 80) if side == SERVER else (80, 4000)),
        seq=seq & 0xFFFFFFFF,
        ack=ack & 0xFFFFFFFF,
        flags=dice.choice(FLAGS),
        window=dice.getrandbits(16),
        urgent=dice.getrandbits(16),
        options=dice.choice([None, options]),
        payload=(bytes(octets),) if octets else (),
        octets=octets,
        ecn=dice.randrange(4),
    )


def attack(seed: int, weather: Weather, config: TcpConfig, *, knows_window: bool) -> Exchange:
    """Text both ways, and on each segment three forged ones; numbers are guessed, or known to be in the window.

    Who knows the window still knows neither the ACK, which is off by more than any window, nor the exact next octet.
    """
    dice = random.Random(seed)
    exchange = Exchange(seed, weather, Terms(configs=(config, config), isn=(1 << 31, 5)))
    exchange.sends(bytes(range(1, 251)) * 200, bytes(range(1, 251)) * 100, (3000, 3000))
    genuine = exchange.receive

    def receive(side: int, segment: Segment) -> None:
        genuine(side, segment)
        for _ in range(3):
            seq, ack = dice.getrandbits(32), dice.getrandbits(32)
            connection = exchange.ends[side].connection
            if connection is None:
                continue
            if knows_window and connection.state is not State.SYN_SENT:
                seq = connection.tcb.rcv.nxt + 1 + dice.randrange(max(1, connection.tcb.rcv.wnd - 1))
                ack = connection.tcb.snd.una + (1 << 30) + dice.getrandbits(30)
            connection.on_segment(forged(dice, side, seq, ack), exchange.now)
            exchange.on_deadlines()
            exchange.settle()

    exchange.receive = receive  # type: ignore[method-assign]  # the attacker stands next to the wire
    return exchange.run(DAY)


@pytest.mark.rfc("5961", "5961.1", "5961.2", "5961.3")
@pytest.mark.parametrize("knows_window", [False, True], ids=["guessing", "in the window"])
@pytest.mark.parametrize("seed", range(6))
def test_who_is_not_on_the_path_neither_ends_nor_changes_the_stream(seed: int, knows_window: bool) -> None:
    config = replace(DEFAULT, buffers=BufferConfig(receive=60_000, receive_initial=60_000))
    exchange = attack(seed, Weather(loss=0.02), config, knows_window=knows_window)
    assert exchange.client.reason is exchange.server.reason is None
    assert bytes(exchange.server.received) == bytes(range(1, 251)) * 200
    assert bytes(exchange.client.received) == bytes(range(1, 251)) * 100


@pytest.mark.parametrize("seed", range(40))
def test_no_segment_makes_a_connection_raise_or_break_its_rules(seed: int) -> None:
    """Even from somebody who sees everything: near or exact numbers, all flags, lies in all options."""
    dice = random.Random(seed)
    exchange, _, _ = random_exchange(seed)
    exchange.settle()
    for _ in range(400):
        if exchange.is_over:
            break
        exchange.now = max(exchange.now, min(exchange.next_event(), exchange.now + SECOND))
        exchange.deliver()
        exchange.on_deadlines()
        exchange.settle()
        side = dice.randrange(2)
        connection = exchange.ends[side].connection
        if connection is None or connection.state is State.CLOSED:
            continue
        tcb = connection.tcb
        near = dice.choice([tcb.rcv.nxt, tcb.rcv.nxt + dice.randint(-2000, 2000), tcb.rcv.edge + dice.randint(-3, 3)])
        acks = dice.choice([tcb.snd.una, tcb.snd.nxt, dice.randint(tcb.snd.una - 3, tcb.snd.nxt + 3)])
        segment = forged(dice, side, near, acks)
        if segment.options is not None and dice.random() < 0.7:
            edges = sorted(dice.randint(tcb.snd.una - 5, tcb.snd.nxt + 5) & 0xFFFFFFFF for _ in range(4))
            segment.options.sack = ((edges[0], edges[1]), (edges[2], edges[3]))
            segment.options.timestamps = None
        connection.on_segment(segment, exchange.now)
        exchange.settle()
        check(exchange.ends[side], tcb, exchange.now)


# Peers that do not play by the rules


@pytest.mark.rfc("9293", "MUST-36", "MUST-37", "MAY-8")
@pytest.mark.parametrize("weather", [Weather(), ROUGH], ids=["clear", "rough"])
def test_a_peer_that_does_not_read_for_hours_gets_everything_when_it_does(weather: Weather) -> None:
    small = replace(DEFAULT, buffers=BufferConfig(receive=60_000, receive_initial=60_000))
    exchange = Exchange(3, weather, Terms(configs=(DEFAULT, small))).sends(bytes(1 << 21), b"x", (1 << 21, 1))
    exchange.server.reads_from = exchange.now + 3 * 60 * MINUTE
    exchange.run(DAY)
    assert exchange.client.reason is None
    assert len(exchange.server.received) == 1 << 21
    assert exchange.client.counters["TCPWinProbe"] > 80
    assert exchange.elapsed < 3 * 3600 + 300


def no_acks_after(count: int) -> Tamper:
    """The client hears nothing any more after ``count`` segments."""
    left = [count]

    def tamper(side: int, segment: Segment) -> list[Segment]:
        if side == CLIENT:
            left[0] -= 1
        return [segment] if side == SERVER or left[0] >= 0 else []

    return tamper


@pytest.mark.rfc("9293", "MUST-20", "SHLD-11")
@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_a_peer_that_never_acknowledges_is_given_up_with_a_reason(count: int) -> None:
    exchange = Exchange(3, Weather(), tamper=no_acks_after(count)).sends(bytes(1 << 22), b"")
    exchange.run(3600 * SECOND)
    assert isinstance(exchange.client.reason, ConnectionTimedOut)
    assert 100 * SECOND < exchange.trace[-1][0] - START < 2000 * SECOND
    assert bytes(1 << 22).startswith(exchange.server.received)


@pytest.mark.rfc("9293", "MUST-34", "SHLD-15", "SHLD-16", "SHLD-17")
@pytest.mark.parametrize("seed", range(20))
def test_a_peer_that_shrinks_its_window_gets_everything(seed: int) -> None:
    dice = random.Random(seed)

    def shrink(side: int, segment: Segment) -> list[Segment]:
        if side == CLIENT and not segment.flags & SYN:
            segment.window = dice.choice([0, 1, segment.window >> 6, segment.window])
        return [segment]

    exchange = Exchange(seed, replace(ROUGH, loss=0.02), tamper=shrink).sends(bytes(100_000), b"", (20_000, 1))
    exchange.run(DAY)
    assert exchange.client.reason is None
    assert exchange.server.received == bytes(100_000)


@pytest.mark.rfc("2018", "2018.3")
@pytest.mark.parametrize("rack", [True, False], ids=["RACK", "no RACK"])
@pytest.mark.parametrize("seed", range(15))
def test_a_peer_that_reneges_on_its_sacks_gets_everything(seed: int, rack: bool) -> None:
    dice = random.Random(seed)

    def lie(side: int, segment: Segment) -> list[Segment]:
        if side == CLIENT and segment.options is not None and not segment.flags & SYN and dice.random() < 0.5:
            left = segment.ack + 1448 * dice.randrange(4) & 0xFFFFFFFF
            segment.options = segment.options.copy()
            segment.options.sack = ((left, left + 1448 * dice.randint(1, 9) & 0xFFFFFFFF),)
        return [segment]

    config = replace(DEFAULT, retransmission=RetransmissionConfig(rack=rack))
    terms = Terms(configs=(config, DEFAULT))
    exchange = Exchange(seed, replace(ROUGH, loss=0.02), terms, lie).sends(bytes(100_000), b"", (20_000, 1))
    exchange.run(DAY)
    assert exchange.client.reason is None
    assert exchange.server.received == bytes(100_000)


def test_a_connection_that_is_over_wants_nothing() -> None:
    exchange = Exchange(3, Weather()).sends(bytes(1000), bytes(1000)).run()
    for end in exchange.ends:
        assert end.connection is not None
        end.connection.on_deadline(exchange.now + DAY)
        assert end.connection.state is State.CLOSED
        assert end.connection.poll_transmit(exchange.now + DAY) is None
        assert end.connection.next_deadline() == NEVER

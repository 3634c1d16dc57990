"""The SYN gate without a network: batches of SYNs in memory, replies into memory."""

import time

import numpy as np

from bench.flood import OPTIONS, make_syns
from bench.peers import PORT
from bench.worlds import OURS
from halfopen.base.addresses import parse_address
from halfopen.base.clock import SECOND
from halfopen.base.counters import Counters
from halfopen.base.rng import SeededRng
from halfopen.links.rings import Batch, Slots
from halfopen.links.syn_gate import Guarded, SynGate
from halfopen.stack.config import InterfaceConfig, StackConfig, TcpLayerConfig
from halfopen.stack.ports import Owner
from halfopen.stack.stack import Stack

BATCH_SYNS = 4_096


class FreeSlots(Slots):
    """Slots in memory that are free as soon as they are flushed."""

    def __init__(self, slots: int) -> None:
        super().__init__(memoryview(bytearray(slots * 128)), 128, Counters())
        self._statuses = np.frombuffer(self.memory, np.uint32).reshape(slots, 32)[:, 0]

    def flush(self) -> None:
        """As if somebody had taken them."""
        self._statuses[:] = 0

    def close(self) -> None:
        """Memory is all there is."""


def measure(seconds: float) -> float:
    """SYNs answered a second."""
    config = StackConfig(tcp_layer=TcpLayerConfig(syn_cookies="always", keyed_hash="siphash"))
    stack = Stack(config, SeededRng(1))
    stack.add_interface(InterfaceConfig(name="tun0", kind="ip", addresses=(f"{OURS}/24",)))
    listener = stack.tcp.listen((parse_address(OURS), PORT), Owner("bench"))
    mac = bytes((2, 0, 0, 0, 0, 2))
    guarded = Guarded(
        listener=listener.listener,
        addresses=[parse_address(OURS)],
        mac=mac,
        mtu=1500,
        clock_offsets=stack.tcp.paths.clock_offsets,
        counters=stack.counters,
    )
    gate = SynGate(guarded, FreeSlots(8192), SECOND)
    batch = make_batch(mac)
    begin = time.perf_counter()
    answered, now = 0, SECOND
    while time.perf_counter() - begin < seconds:
        if gate.answer(batch, now):
            raise RuntimeError("the gate did not know a SYN")
        answered += batch.count
        now += SECOND // 1000
    return answered / (time.perf_counter() - begin)


def make_batch(mac: bytes) -> Batch:
    """A batch of SYNs as the kernel would leave it in the ring."""
    before, stride = 82, (82 + 54 + len(OPTIONS) + 7) & ~7
    frames = np.zeros((BATCH_SYNS, stride), np.uint8)
    frames[:, before : before + 54 + len(OPTIONS)] = make_syns(BATCH_SYNS, mac)
    words = frames.view(np.uint32)
    words[:, 0] = stride
    words[-1, 0] = 0
    words[:, 3] = words[:, 4] = 54 + len(OPTIONS)
    words[:, 6] = before | (before + 14) << 16
    return Batch(memoryview(frames.tobytes()), [(0, BATCH_SYNS)])

from halfopen.sim.eavesdropper import Eavesdropper
from halfopen.sim.network import Network


def heard(kind: str) -> int:
    """How many echo requests and replies between two others reach the third."""
    with Network() as network:
        alice, bob, eve = (network.host(name) for name in ("alice", "bob", "eve"))
        (network.hub if kind == "hub" else network.switch)("lan", alice, bob, eve)
        ears = Eavesdropper(eve)
        network.observe(ears)
        network.run(alice.ping("bob"))
        assert [when for when, _ in ears.heard] == sorted(when for when, _ in ears.heard)
        assert eve.stack.counters["IcmpOutEchoReps"] == 0
        return sum(packet.head[12:14] == b"\x08\x00" and packet.head[23] == 1 for _, packet in ears.heard)


def test_on_a_hub_an_eavesdropper_hears_everything() -> None:
    assert heard("hub") == 6


def test_behind_a_switch_an_eavesdropper_hears_what_is_flooded_only() -> None:
    assert heard("switch") == 0

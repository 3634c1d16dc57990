"""Statistics with transmit timestamps."""

from halfopen.packetdrill.symbols import LINUX_SYMBOLS
from halfopen.packetdrill.virtual_posix.opt_stats import pack_stats
from halfopen.tcp.sending import SendSpace


def test_attributes_have_their_lengths_and_are_padded() -> None:
    snd = SendSpace(0, 1000, 0)
    snd.append(b"12345")
    octets = pack_stats({"tcpi_rtt": 100, "tcpi_snd_cwnd": 10, "tcpi_pacing_rate": 1 << 70}, snd, LINUX_SYMBOLS)
    seen, at = {}, 0
    while at < len(octets):
        length, kind = int.from_bytes(octets[at : at + 2], "little"), int.from_bytes(octets[at + 2 : at + 4], "little")
        seen[kind] = int.from_bytes(octets[at + 4 : at + length], "little")
        at += (length + 3) & ~3
    assert seen[LINUX_SYMBOLS["TCP_NLA_SND_CWND"]] == 10
    assert seen[LINUX_SYMBOLS["TCP_NLA_SRTT"]] == 800
    assert seen[LINUX_SYMBOLS["TCP_NLA_SNDQ_SIZE"]] == 5
    assert seen[LINUX_SYMBOLS["TCP_NLA_PACING_RATE"]] == (1 << 64) - 1

"""The kernel on TAPs: it answers to the same scripts."""

from pathlib import Path

import pytest

from halfopen.packetdrill.trials import Trial, attempt

pytestmark = pytest.mark.root

SCRIPTS = Path(__file__).parents[1] / "drill" / "linux" / "link"


@pytest.mark.parametrize(
    ("name", "ip_version"),
    [
        ("arp/datagram_waits-v4", "ipv4"),
        ("nd/datagram_waits-v6", "ipv6"),
        ("router/forwards", "ipv4"),
        ("router/forwards", "ipv6"),
        ("router/too_big-v6", "ipv6"),
        ("fragments/overlap", "ipv6"),
    ],
)
def test_the_kernel_passes_the_same_script(name: str, ip_version: str) -> None:
    path = str(SCRIPTS / f"{name}.pkt")
    verdict = attempt(
        Trial(path=path, ip_version=ip_version, against="kernel", overrides={"tolerance_usecs": "500000"})
    )
    assert (verdict.verdict, verdict.message) == ("pass", "")

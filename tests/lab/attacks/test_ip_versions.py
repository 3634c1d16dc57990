"""Stories that are the same in both versions of IP: what succeeds undefended in one does so in the other."""

import io

import pytest

from halfopen.base.errors import ConfigError
from halfopen.capture.pcap import open_capture
from halfopen.lab.catalogue import SCENARIOS, find
from halfopen.lab.results import run
from halfopen.lab.scenario import Settings
from halfopen.wire.ethernet import ETHERTYPE_IPV6

BOTH = [name for name, scenario in SCENARIOS.items() if 6 in scenario.ip_versions]
OFFSET = slice(12, 14)


def test_the_main_ones_are_told_in_ipv6() -> None:
    assert {"handshake", "syn-flood", "hijack", "blind"} <= set(BOTH)


@pytest.mark.parametrize("name", BOTH)
def test_a_story_ends_as_it_does_in_ipv4_and_agrees_with_theory(name: str) -> None:
    old, new = (run(find(name), Settings(ip_version=version)) for version in (4, 6))
    assert new.outcome.attack_succeeded == old.outcome.attack_succeeded
    assert new.outcome.metrics.keys() == old.outcome.metrics.keys()
    assert "DIFFERS" not in new.as_text(100)
    types = {record.octets[OFFSET] for record in open_capture(io.BytesIO(new.outcome.capture))}
    assert types == {ETHERTYPE_IPV6.to_bytes(2, "big")}


@pytest.mark.parametrize(
    ("name", "defence"),
    [
        ("syn-flood", "hybrid"),
        ("syn-flood", "cookies-always"),
        ("syn-flood", "ingress-filter"),
        ("blind", "rfc5961"),
        ("hijack", "rfc6528"),
        ("hijack", "modern-client"),
        ("hijack", "ingress-filter"),
        ("hijack", "tcp-ao"),
    ],
)
def test_a_defence_holds_in_ipv6_as_well(name: str, defence: str) -> None:
    result = run(find(name), Settings(ip_version=6, defences=frozenset({defence})))
    assert not result.outcome.attack_succeeded
    assert "DIFFERS" not in result.as_text(100)


def test_what_belongs_to_ipv4_is_refused_in_ipv6() -> None:
    with pytest.raises(ConfigError, match="arp-poison is told in IPv4 only, not in IPv6"):
        run(find("arp-poison"), Settings(ip_version=6))
    with pytest.raises(ConfigError, match="the defence 'syn-proxy' knows nothing of IPv6"):
        run(find("syn-flood"), Settings(ip_version=6, defences=frozenset({"syn-proxy"})))
